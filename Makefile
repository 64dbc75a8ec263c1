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

# The control file has the version.
EXTENSION_VERSION = $(shell sed -n "s/^default_version = '\(.*\)'/\1/p" $(srcdir)/instance_features.control)

# Keeps the place of the build out of what is built, where the compiler can.
prefix_map = -ffile-prefix-map=$(abspath $(srcdir))=.
PG_CPPFLAGS = -I$(srcdir)/src -DINSTANCE_FEATURES_VERSION='"$(EXTENSION_VERSION)"' \
	$(shell $(CC) $(prefix_map) -E -x c /dev/null > /dev/null 2>&1 && echo $(prefix_map))

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

# Nothing outside of the library sees what is not for it.  PostgreSQL 16 does so
# by itself.
ifeq ($(MAJORVERSION),15)
override CFLAGS += -fvisibility=hidden
endif

# A build outside of the sources: PGXS makes no directories, and psql reads
# setup.sql from the working directory.
ifneq ($(abspath $(srcdir)),$(CURDIR))
$(shell mkdir -p expected test $(dir $(OBJS)); cp -f $(srcdir)/expected/* expected; cp -f $(srcdir)/test/setup*.sql test)
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

# Show how the results of the last run of tests differ from the expected ones,
# and accept them.
expected:
	@accept() { for result in $$1/*.out; do \
		test ! -e $$result || diff -uN $$2/$${result##*/} $$result || cp $$result $$2; done; }; \
	accept results $(srcdir)/expected; accept output_iso/results $(srcdir)/test/isolation/expected

.PHONY: prove_installcheck dist expected
