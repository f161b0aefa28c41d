# Makefile - builds bin/replicator and bin/check_target, and runs the tests.
#
#   make                                   both programs
#   make unit [TESTS="test_map test_lsn"]  unit tests
#   make check                             format, rooms, unit, golden and end-to-end tests
#   make SANITIZE=address,undefined all    the same with sanitizers, in build-asan/ and bin-asan/
#   make SANITIZE=thread all               likewise, in build-tsan/ and bin-tsan/
#   make BUILD=/tmp/b ROOMS="base event" unit   only some rooms, elsewhere

VERSION := 0.1.0

CC ?= gcc
PKG_CONFIG ?= pkg-config
CLANG_FORMAT ?= clang-format
PREFIX ?= /usr/local
DESTDIR ?=
SHELL := /bin/bash

# make V=1 shows the whole commands.
V ?= 0
Q = $(if $(filter 0,$(V)),@echo "  $(1) $@";)

# The option, if the compiler knows it: clang before 16 refuses -ftrivial-auto-var-init=zero.
supported = $(shell $(CC) $(1) -xc -c -o /dev/null /dev/null 2>/dev/null && echo "$(1)")

PACKAGES := rdkafka libpq jansson libconfig libxxhash libcurl libmicrohttpd libcrypto
TEST_PACKAGES := check

ifdef SANITIZE
ifneq ($(findstring thread,$(SANITIZE)),)
FLAVOUR := -tsan
else
FLAVOUR := -asan
endif
CFLAGS ?= -O1 -g -fno-omit-frame-pointer
HARDENING := -fsanitize=$(SANITIZE) -fno-sanitize-recover=all
LINK_HARDENING := -fsanitize=$(SANITIZE)
else
FLAVOUR :=
CFLAGS ?= -O2 -g
# The OpenSSF's "Compiler Options Hardening Guide for C and C++".
HARDENING := -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection -fPIE \
	-fno-delete-null-pointer-checks -fno-strict-overflow -fno-strict-aliasing $(call supported,-ftrivial-auto-var-init=zero)
ifeq ($(shell uname -m),x86_64)
HARDENING += -fcf-protection=full
endif
LINK_HARDENING := -pie -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,-z,nodlopen -Wl,--as-needed
endif

BUILD ?= build$(FLAVOUR)
BIN ?= bin$(FLAVOUR)

# A compiler that is newer than the code may warn, and the build must still succeed there. WERROR=1 (.ci/run sets it) makes warnings errors.
WERROR ?= 0
WARNINGS := -Wall -Wextra -Wshadow -Wformat=2 -Wstrict-prototypes -Wmissing-prototypes -Wundef -Wconversion \
	$(if $(filter 1,$(WERROR)),-Werror)
ALL_CFLAGS = -std=c11 -D_GNU_SOURCE -DREPLICATOR_VERSION='"$(VERSION)"' -Ireplicator $(WARNINGS) $(HARDENING) \
	-pthread -MMD -MP $(shell $(PKG_CONFIG) --cflags $(PACKAGES)) $(CFLAGS)
ALL_LDFLAGS = $(LINK_HARDENING) -pthread $(LDFLAGS)
ALL_LIBS = $(shell $(PKG_CONFIG) --libs $(PACKAGES)) -lm $(LIBS)
# check's own macros expand to calls that -Wconversion and -Wformat=2 see as ours.
TEST_CFLAGS = $(ALL_CFLAGS) -Wno-conversion -Wno-format-nonliteral $(shell $(PKG_CONFIG) --cflags $(TEST_PACKAGES))
TEST_LIBS = $(shell $(PKG_CONFIG) --libs $(TEST_PACKAGES)) $(ALL_LIBS)

ROOMS ?= base config event stream schema pg target check connect ops cli
MAINS := replicator/main.c replicator/check/main.c
SOURCES := $(sort $(filter-out $(MAINS),$(foreach room,$(ROOMS),$(wildcard replicator/$(room)/*.c))))
EMBEDDED := $(sort $(wildcard sql/source/*.sql) $(wildcard sql/target/[0-9]*.sql) $(wildcard sql/checks/*.sql) $(wildcard replicator/ops/*.html))
OBJECTS := $(SOURCES:%.c=$(BUILD)/%.o) $(BUILD)/embedded.o
LIBRARY := $(BUILD)/libreplicator.a

PROGRAMS :=
ifneq ($(wildcard replicator/main.c),)
PROGRAMS += $(BIN)/replicator
endif
ifneq ($(wildcard replicator/check/main.c),)
PROGRAMS += $(BIN)/check_target
endif

# test_cli links the whole daemon; it waits for the applier.
WAITING := $(if $(shell grep -ls '^struct error \*applier_run' replicator/target/*.c),,test_cli)
TESTS ?= $(filter-out $(WAITING),$(patsubst tests/unit/%.c,%,$(sort $(wildcard tests/unit/test_*.c))))
TEST_PROGRAMS := $(TESTS:%=$(BUILD)/tests/unit/%)
TEST_SUPPORT := $(patsubst %.c,$(BUILD)/%.o,$(filter-out $(wildcard tests/unit/test_*.c),$(wildcard tests/unit/*.c)))
FORMATTED = $(wildcard replicator/*.[ch] replicator/*/*.[ch] tests/unit/*.[ch] bench/*.[ch])

.DELETE_ON_ERROR:
.SUFFIXES:
.SECONDARY:
.PHONY: all unit golden e2e faults fuzz asan tsan syntax rooms format format-check docs check install clean FORCE

all: $(PROGRAMS)

$(BIN)/replicator: $(BUILD)/replicator/main.o $(LIBRARY)
$(BIN)/check_target: $(BUILD)/replicator/check/main.o $(LIBRARY)
$(BIN)/replicator $(BIN)/check_target:
	@mkdir -p $(@D)
	$(call Q,LINK)$(CC) $(CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(ALL_LIBS)

$(BUILD)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call Q,CC  )$(CC) $(ALL_CFLAGS) -c -o $@ $<

# The list of objects is a prerequisite of its own: a file that went away must leave the library too.
$(BUILD)/objects.list: FORCE
	@mkdir -p $(@D)
	@echo "$(OBJECTS)" | cmp -s - $@ || echo "$(OBJECTS)" > $@

$(LIBRARY): $(OBJECTS) $(BUILD)/objects.list
	@rm -f $@
	$(call Q,AR  )$(AR) rcs $@ $(OBJECTS)

$(BUILD)/embedded.list: FORCE
	@mkdir -p $(@D)
	@echo "$(EMBEDDED)" | cmp -s - $@ || echo "$(EMBEDDED)" > $@

$(BUILD)/embedded.c: sql/embed.sh $(EMBEDDED) $(BUILD)/embedded.list
	$(call Q,SQL )sql/embed.sh $(EMBEDDED) > $@

$(BUILD)/embedded.o: $(BUILD)/embedded.c Makefile
	$(call Q,CC  )$(CC) $(ALL_CFLAGS) -c -o $@ $<

$(BUILD)/tests/unit/%.o: tests/unit/%.c Makefile
	@mkdir -p $(@D)
	$(call Q,CC  )$(CC) $(TEST_CFLAGS) -c -o $@ $<

$(BUILD)/tests/unit/test_%: $(BUILD)/tests/unit/test_%.o $(TEST_SUPPORT) $(LIBRARY)
	$(call Q,LINK)$(CC) $(CFLAGS) $(ALL_LDFLAGS) $(WRAPPED:%=-Wl,--wrap=%) -o $@ $^ $(TEST_LIBS)

# Calls that the test stands between, to let each fail in turn.
$(BUILD)/tests/unit/test_failures: WRAPPED := calloc realloc vasprintf clock_sleep_ms PQsendQuery PQsendQueryParams \
	PQsendQueryPrepared PQsendPrepare PQflush PQconsumeInput PQgetResult PQenterPipelineMode PQexitPipelineMode \
	PQpipelineSync PQputCopyData PQputCopyEnd PQsetnonblocking PQconnectStartParams PQconnectPoll PQconninfo \
	PQconninfoParse

$(BUILD)/tests/unit/test_source: WRAPPED := rd_kafka_destroy_flags

$(BUILD)/tests/unit/test_failures_kafka: WRAPPED := $(addprefix rd_kafka_,conf_set conf_get new queue_get_consumer clusterid \
	metadata offsets_for_times get_watermark_offsets query_watermark_offsets ConfigResource_new \
	AdminOptions_new AdminOptions_set_request_timeout AdminOptions_set_broker queue_poll event_error \
	event_DescribeConfigs_result incremental_assign incremental_unassign sasl_set_credentials assign poll_set_consumer \
	consume_queue consumer_poll message_headers)

# All programs run, also after one failed; the names of those that failed come last. Tests of pg/ and what stands on it
# need a server, which the wrapper starts and removes.
UNIT_SERVER := $(if $(filter pg,$(ROOMS)),tests/unit/with_postgres.sh)

unit: $(TEST_PROGRAMS)
	@CK_DEFAULT_TIMEOUT=60 $(UNIT_SERVER) bash -c 'failed=; for program in "$$@"; do $$program || failed="$$failed $${program##*/}"; done; \
	if [ -n "$$failed" ]; then echo "unit tests failed:$$failed"; exit 1; fi; \
	echo "unit tests passed: $$# programs"' unit $(TEST_PROGRAMS)

golden: all
	tests/golden/run

e2e: all
	tests/e2e/run

faults fuzz:
	@if [ -x tests/$@/run ]; then tests/$@/run; else echo "make $@: there is no tests/$@/run yet" >&2; exit 1; fi

asan:
	$(MAKE) SANITIZE=address,undefined all unit

tsan:
	$(MAKE) SANITIZE=thread all unit

# What the compiler says of all sources and tests, without a build: make WERROR=1 CC=clang syntax.
SYNTAX := $(patsubst %.c,%.syntax,$(SOURCES) $(wildcard $(MAINS)) $(wildcard tests/unit/*.c))

syntax: $(SYNTAX)

$(SYNTAX): %.syntax: FORCE
	$(call Q,WARN)$(CC) $(filter-out -MMD -MP,$(if $(filter tests/%,$@),$(TEST_CFLAGS),$(ALL_CFLAGS))) -fsyntax-only $*.c

rooms:
	tests/rooms_test.sh
	tests/rooms.sh

format:
	$(CLANG_FORMAT) -i $(FORMATTED)

format-check:
	$(CLANG_FORMAT) --dry-run --Werror $(FORMATTED)

# The example and the manual's page are made from the table of settings.
docs: $(BIN)/replicator
	$(BIN)/replicator config-example > replicator.conf.example
	$(BIN)/replicator config-reference > docs/configuration.md

check: format-check rooms unit golden e2e

# The unit names the folder that the program is installed in.
$(BUILD)/replicator.service: stack/systemd/replicator.service FORCE
	@sed 's|/usr/local|$(PREFIX)|' $< > $@

install: all $(BUILD)/replicator.service
	install -D -m 755 -t $(DESTDIR)$(PREFIX)/bin $(PROGRAMS)
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/replicator sql/target/role.sql stack/monitoring/alerts.yaml
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/lib/systemd/system $(BUILD)/replicator.service
	install -D -m 644 replicator.conf.example $(DESTDIR)$(PREFIX)/share/doc/replicator/replicator.conf.example

clean:
	rm -rf build build-asan build-tsan bin bin-asan bin-tsan

-include $(OBJECTS:.o=.d) $(MAINS:%.c=$(BUILD)/%.d) $(TEST_PROGRAMS:%=%.d) $(TEST_SUPPORT:.o=.d)
