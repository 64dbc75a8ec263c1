EXTENSION = instance_features
MODULE_big = instance_features
DATA = sql/instance_features--1.0.sql sql/instance_features--1.0--1.1.sql sql/instance_features--1.1--1.2.sql
HEADERS = include/instance_features.h
PGFILEDESC = "instance_features - feature flags as a part of PostgreSQL"

OBJS = \
	src/answer.o \
	src/api.o \
	src/cache.o \
	src/change.o \
	src/commands.o \
	src/definitions.o \
	src/document.o \
	src/errors.o \
	src/history.o \
	src/instance_features.o \
	src/notify.o \
	src/permission.o \
	src/queries.o \
	src/request.o \
	src/scope.o \
	src/service.o \
	src/store.o \
	src/value.o \
	src/writer.o

TESTS = $(wildcard $(srcdir)/test/sql/*.sql)
REGRESS = $(patsubst $(srcdir)/test/sql/%.sql,%,$(TESTS))
REGRESS_OPTS = --inputdir=$(srcdir)/test

SPECS = $(wildcard $(srcdir)/test/isolation/specs/*.spec)
ISOLATION = $(patsubst $(srcdir)/test/isolation/specs/%.spec,%,$(SPECS))
ISOLATION_OPTS = --inputdir=$(srcdir)/test/isolation --load-extension=instance_features

EXTRA_CLEAN = results tmp_check regression.diffs regression.out

# Calls within the library stay in it, whatever else is loaded.
SHLIB_LINK = -Wl,-Bsymbolic

PG_CFLAGS = -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare \
	-Wno-missing-field-initializers

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
srcdir ?= .
include $(PGXS)

# Whole clusters, each made and stopped by its test.
PROVE_TESTS ?= test/t/*.pl
PROVE_FLAGS += -I $(srcdir)/test/t
prove_installcheck:
	$(prove_installcheck)

.PHONY: prove_installcheck
