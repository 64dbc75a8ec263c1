EXTENSION = instance_features
MODULE_big = instance_features
DATA = $(subst $(srcdir)/,,$(sort $(wildcard $(srcdir)/sql/instance_features--*.sql)))
HEADERS = include/instance_features.h
PGFILEDESC = "instance_features - feature flags as a part of PostgreSQL"

OBJS = $(patsubst $(srcdir)/%.c,%.o,$(sort $(wildcard $(srcdir)/src/*/*.c)))

TESTS = $(wildcard $(srcdir)/test/sql/*.sql)
REGRESS = $(patsubst $(srcdir)/test/sql/%.sql,%,$(TESTS))
REGRESS_OPTS = --inputdir=$(srcdir)/test --encoding=UTF8 --no-locale

SPECS = $(wildcard $(srcdir)/test/isolation/specs/*.spec)
ISOLATION = $(patsubst $(srcdir)/test/isolation/specs/%.spec,%,$(SPECS))
ISOLATION_OPTS = --inputdir=$(srcdir)/test/isolation --load-extension=instance_features

EXTRA_CLEAN = results tmp_check regression.diffs regression.out

# Calls within the library stay in it, whatever else is loaded.
SHLIB_LINK = -Wl,-Bsymbolic

# The control file has the version.
EXTENSION_VERSION = $(shell sed -n "s/^default_version = '\(.*\)'/\1/p" $(srcdir)/instance_features.control)

# For what is compiled for JIT too.  The second one keeps the place of the build
# out of what is built.
PG_CPPFLAGS = -I$(srcdir)/src -DINSTANCE_FEATURES_VERSION='"$(EXTENSION_VERSION)"' \
	-ffile-prefix-map=$(abspath $(srcdir))=.

PG_CFLAGS = -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare \
	-Wno-missing-field-initializers

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
ifdef VPATH
srcdir = $(VPATH)
else
srcdir = .
endif
include $(PGXS)

src/api/instance_features.o: instance_features.control

# A build outside of the sources.  Targets have absolute names, since make would
# find the others where the sources are.
ifneq ($(abspath $(srcdir)),$(CURDIR))
$(OBJS): | $(CURDIR)/src
$(CURDIR)/src:
	$(MKDIR_P) $@

installcheck: $(CURDIR)/expected $(CURDIR)/test/setup.sql
$(CURDIR)/expected:
	$(MKDIR_P) $@
	cp $(srcdir)/expected/*.out $@
$(CURDIR)/test/setup.sql:
	$(MKDIR_P) $(@D)
	cp $(srcdir)/test/setup.sql $@

EXTRA_CLEAN += expected src test
endif

# Whole clusters, each made and stopped by its test.
PROVE_TESTS ?= test/t/*.pl
PROVE_FLAGS += -I $(srcdir)/test/t
prove_installcheck:
	$(prove_installcheck)

# What PGXN distributes: the last commit, as a zip archive.
dist:
	git archive --format=zip --prefix=instance_features-$(EXTENSION_VERSION).0/ \
		-o instance_features-$(EXTENSION_VERSION).0.zip HEAD

.PHONY: prove_installcheck dist
