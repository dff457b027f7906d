# Tern. `make` builds build/tern; `make help` lists the targets. Sources, tests and fuzzers are found by glob.

BUILD ?= build
MODE ?= release
PYTHON ?= python3
CC ?= gcc
PROTOC ?= protoc
# The one of .venv is there when the machine's was missing or too old.
GO ?= $(abspath $(or $(wildcard .venv/bin/go),$(shell command -v go)))
LLHTTP ?= /usr/share/llhttp
LLHTTP_H ?= /usr/share/include/llhttp

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

WARN := -Wall -Wextra -Wpedantic -Wconversion -Wno-sign-conversion -Wshadow -Wundef -Wvla -Wformat=2 \
  -Wmissing-prototypes -Wstrict-prototypes -Wold-style-definition -Wwrite-strings -Wcast-qual -Wpointer-arith \
  -Wnull-dereference -Wimplicit-fallthrough -Wdouble-promotion -Werror
CFLAGS_release := -O2 -g -fstack-protector-strong -D_FORTIFY_SOURCE=2
# Under the sanitizers gcc loses the ranges of values that -Wformat-truncation needs.
CFLAGS_asan := -O1 -g -Wno-format-truncation -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
CFLAGS_tsan := -O1 -g -Wno-format-truncation -fno-omit-frame-pointer -fsanitize=thread
CFLAGS_fuzz := -O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined
CFLAGS_fault := -O1 -g -DTERN_FAULTS
# The fuzzers are built by clang, whose warnings are others.
ifeq ($(MODE),fuzz)
WARN := -w
endif
CFLAGS += -std=gnu17 -D_GNU_SOURCE $(CFLAGS_$(MODE)) -fno-strict-aliasing -MMD -MP
CPPFLAGS += -Isrc -I$(BUILD) -I$(LLHTTP_H)
LDFLAGS += $(filter -fsanitize=%,$(CFLAGS_$(MODE))) -rdynamic
LDLIBS := -lnghttp2 -lsqlite3 -lssl -lcrypto -lz -lyaml -lm -lpthread -ldl

# One short line for each step; V=1 shows the commands.
say = $(if $(V),,@echo "  $(1)  $(patsubst $(BUILD)/%,%,$(2))" &&)

SRC := $(sort $(shell find src -name '*.c'))
OBJ := $(SRC:src/%.c=$(BUILD)/obj/%.o)
MAIN_OBJ := $(BUILD)/obj/main.o

# ---- code from the IDL ------------------------------------------------------------------------------------------
PROTO := $(sort $(shell find idl -name '*.proto' 2>/dev/null))
GEN := $(if $(PROTO),$(BUILD)/gen/pb.stamp)
# Third-party descriptors (buf/validate, google/api, google/rpc) come from published Python packages: a site-packages
# folder named here, the project's .venv, or wheels that pip downloads once into build/idl-deps.
IDL_DEPS ?=
PB_EXTRA := google/rpc/error_details.proto google/rpc/status.proto \
  $(addprefix google/protobuf/,any.proto duration.proto empty.proto field_mask.proto struct.proto timestamp.proto \
  wrappers.proto)
# The names of the generated sources follow from the packages, so the generator lists them: GEN_OBJ.
# Targets that set up first and build by calling make again.
OUTER := help clean setup run test test-all lint format asan tsan fuzz fuzz-%
ifneq ($(filter-out $(OUTER),$(or $(MAKECMDGOALS),all)),)
-include $(BUILD)/gen/pb.mk
endif

LLHTTP_OBJ := $(patsubst $(LLHTTP)/%.c,$(BUILD)/obj/llhttp/%.o,$(wildcard $(LLHTTP)/*.c))

# ---- files carried inside the binary: src/**/embed/* and migrations ---------------------------------------------
EMBED := $(sort $(shell find src -path '*/embed/*' -type f -o -path '*/migrations/*.sql' -type f))

# The description of the API that the server gives, made from the IDL.
OPENAPI := $(BUILD)/gen/src/service/embed/openapi.json
$(OPENAPI): $(PROTO) $(BUILD)/gen/third_party.binpb src/pb/validate_exceptions.def src/base/version.h tools/openapi.py \
  tools/swagger.py $(wildcard tools/pb_*.py)
	@mkdir -p $(@D)
	$(PYTHON) tools/openapi.py --protoc $(PROTOC) --idl idl --deps $(BUILD)/gen/third_party.binpb \
	  --exceptions src/pb/validate_exceptions.def --version src/base/version.h --out $@

LIB_OBJ := $(filter-out $(MAIN_OBJ),$(OBJ)) $(GEN_OBJ) $(LLHTTP_OBJ) $(BUILD)/obj/embed.o

.PHONY: all unit $(OUTER)
all: $(BUILD)/tern ## build the program

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | sort

$(BUILD)/tern: $(MAIN_OBJ) $(LIB_OBJ)
	$(call say,LD,$@) $(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/libtern.a: $(LIB_OBJ)
	$(call say,AR,$@) rm -f $@ && ar rcs $@ $^

$(BUILD)/obj/%.o: src/%.c | $(GEN)
	@mkdir -p $(@D)
	$(call say,CC,$<) $(CC) $(CPPFLAGS) $(CFLAGS) $(WARN) -c -o $@ $<

$(BUILD)/obj/gen/%.o: $(BUILD)/gen/%.c
	@mkdir -p $(@D)
	$(call say,CC,$<) $(CC) $(CPPFLAGS) $(CFLAGS) -Wall -Wextra -Werror -c -o $@ $<

$(BUILD)/obj/llhttp/%.o: $(LLHTTP)/%.c
	@mkdir -p $(@D)
	$(call say,CC,$<) $(CC) $(CPPFLAGS) $(CFLAGS) -DLLHTTP_STRICT_MODE=1 -c -o $@ $<

# Rewritten when a file comes or goes.
.PHONY: embed-list
$(BUILD)/gen/embed.list: embed-list
	@mkdir -p $(@D)
	@echo $(EMBED) | cmp -s - $@ || echo $(EMBED) >$@

$(BUILD)/gen/embed.S: $(EMBED) $(OPENAPI) tools/embed.py $(BUILD)/gen/embed.list
	@mkdir -p $(@D)
	$(PYTHON) tools/embed.py $@ $(EMBED) $(OPENAPI)

$(BUILD)/obj/embed.o: $(BUILD)/gen/embed.S
	@mkdir -p $(@D)
	$(call say,CC,$<) $(CC) -c -o $@ $<

# Before the first thing that is built: a word about what is missing instead of a compiler's.
$(BUILD)/checked:
	@tools/setup.sh --check
	@mkdir -p $(@D) && touch $@

$(BUILD)/gen/third_party.binpb: tools/idl_deps.py | $(BUILD)/checked
	$(PYTHON) tools/idl_deps.py --out $@ --cache build/idl-deps --from "$(IDL_DEPS)"

$(BUILD)/gen/pb.stamp: $(PROTO) $(BUILD)/gen/third_party.binpb src/pb/validate_exceptions.def $(wildcard tools/pb*.py)
	$(PYTHON) tools/pbgen.py --protoc $(PROTOC) --idl idl --deps $(BUILD)/gen/third_party.binpb --out $(BUILD) \
	  --exceptions src/pb/validate_exceptions.def $(addprefix --extra ,$(PB_EXTRA))
	@touch $@

$(BUILD)/gen/pb.mk: $(BUILD)/gen/pb.stamp ;
$(BUILD)/gen/%.c: $(BUILD)/gen/pb.stamp ;
$(BUILD)/obj/gen/pb_registry.o: $(BUILD)/gen/idl.binpb
$(BUILD)/gen/idl.binpb: $(BUILD)/gen/pb.stamp ;

# ---- unit tests: test/unit/<dir>/<name>_test.c, one program each, linked with the archive -------------------------
UNIT_SRC := $(sort $(shell find test/unit -name '*_test.c'))
UNIT := $(UNIT_SRC:test/unit/%.c=$(BUILD)/unit/%)
$(BUILD)/unit/%: test/unit/%.c $(BUILD)/libtern.a
	@mkdir -p $(@D)
	$(call say,CC,$<) $(CC) $(CPPFLAGS) -Itest/unit $(CFLAGS) -Wall -Wextra -Werror $(LDFLAGS) -o $@ $< $(BUILD)/libtern.a -lcmocka $(LDLIBS)

UNIT_RUN := $(if $(UNIT_ONLY),$(UNIT_ONLY:%=$(BUILD)/unit/%),$(UNIT))
unit: $(UNIT_RUN) ## unit tests; UNIT_ONLY=dir/name_test runs one
	@set -e; for t in $(UNIT_RUN); do echo "== $$t"; $$t; done

# Programs that tests run: test/net/<name>.c, test/exec/<name>.c, test/object/<name>.c, test/pb/<name>.c -> $(BUILD)/test/<name>
$(BUILD)/test/%: test/object/%.c $(BUILD)/libtern.a
	@mkdir -p $(@D)
	$(call say,CC,$<) $(CC) $(CPPFLAGS) $(CFLAGS) -Wall -Wextra -Werror $(LDFLAGS) -o $@ $< $(BUILD)/libtern.a $(LDLIBS)
$(BUILD)/test/%: test/exec/%.c $(BUILD)/libtern.a
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -Wall -Wextra -Werror $(LDFLAGS) -o $@ $< $(BUILD)/libtern.a $(LDLIBS)
$(BUILD)/test/%: test/net/%.c $(BUILD)/libtern.a
	@mkdir -p $(@D)
	$(call say,CC,$<) $(CC) $(CPPFLAGS) $(CFLAGS) -Wall -Wextra -Werror $(LDFLAGS) -o $@ $< $(BUILD)/libtern.a $(LDLIBS)

# ---- set-up, running, checking ------------------------------------------------------------------------------------
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
AGAIN = $(MAKE) --no-print-directory $(if $(filter -j%,$(MAKEFLAGS)),,-j$(JOBS))

setup: ## install what is missing: Debian packages, a Python environment in .venv
	@tools/setup.sh

run: setup ## build, start, run examples/hello.py with the real SDK, serve until Ctrl-C (ONCE=1: stop after the result)
	@$(AGAIN) all
	@tools/run.sh

test: setup ## every test (SUITE="unit api" runs some)
	@$(AGAIN) all units programs
	@$(PYTHON) test/run.py --build $(BUILD) $(SUITE)

test-all: setup ## the long tests too
	@$(AGAIN) all units programs
	@$(PYTHON) test/run.py --build $(BUILD) --all

.PHONY: units programs
units: $(UNIT)
programs: $(patsubst %.c,$(BUILD)/test/%,$(notdir $(wildcard test/exec/*.c test/net/*.c test/object/*.c test/pb/*.c)))

asan: ## unit tests under AddressSanitizer and UndefinedBehaviorSanitizer
	@$(AGAIN) MODE=asan BUILD=build/asan units
	@ASAN_OPTIONS=detect_leaks=1 $(PYTHON) test/run.py --build build/asan unit

tsan: ## unit tests under ThreadSanitizer
	@$(AGAIN) MODE=tsan BUILD=build/tsan units
	@TSAN_OPTIONS=halt_on_error=1:atexit_sleep_ms=50 $(PYTHON) test/run.py --build build/tsan unit

C_FILES := $(shell find src test -name '*.[ch]')
lint: ## the rules that the compiler does not check, and the format
	@$(PYTHON) tools/lint.py
	@if command -v clang-format >/dev/null; then clang-format --dry-run -Werror $(C_FILES); else \
	  echo "lint: the format was not checked: apt-get install clang-format"; fi

format: ## format every C file
	clang-format -i $(C_FILES)

# ---- Swagger documents of the IDL, which are in the tree --------------------------------------------------------------
.PHONY: swagger
swagger: $(BUILD)/gen/third_party.binpb ## write clients/openapi anew after a change of idl/
	$(PYTHON) tools/swagger.py --protoc $(PROTOC) --idl idl --deps $< --out clients/openapi

# ---- pb against the official Python protobuf: random messages of every type, the published IDL, the rules -----------
PB_VENV ?= build/venv-pb
$(PB_VENV)/ready: test/pb/requirements.txt
	@echo "setting up $(PB_VENV)"
	$(PYTHON) -m venv $(PB_VENV)
	$(PB_VENV)/bin/pip install --quiet --disable-pip-version-check -r test/pb/requirements.txt
	@# both packages carry buf/validate; the one that belongs to protovalidate has to win
	$(PB_VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps flyteidl2==2.0.53
	$(PB_VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps --force-reinstall \
	  $$(grep ^protovalidate test/pb/requirements.txt)
	@touch $@

# A second set of messages, test/pb/proto, is linked beside the IDL's.
KINDS_OBJ := $(BUILD)/obj/gen/kinds.o $(BUILD)/obj/gen/kinds_pb_registry.o
$(BUILD)/gen/kinds_pb.stamp: $(wildcard test/pb/proto/*.proto tools/pb*.py)
	@mkdir -p $(@D)
	$(PYTHON) tools/pbgen.py --protoc $(PROTOC) --idl test/pb/proto --out $(BUILD) --prefix kinds --have google.protobuf
	@touch $@
$(BUILD)/gen/kinds.c $(BUILD)/gen/kinds_pb_registry.c: $(BUILD)/gen/kinds_pb.stamp ;

$(BUILD)/test/pbtool: test/pb/pbtool.c $(KINDS_OBJ) $(BUILD)/libtern.a
	@mkdir -p $(@D)
	$(call say,CC,$<) $(CC) $(CPPFLAGS) $(CFLAGS) -Wall -Wextra -Werror $(LDFLAGS) -o $@ $< $(KINDS_OBJ) $(BUILD)/libtern.a $(LDLIBS)

.PHONY: pb-ready test-pb
pb-ready: $(BUILD)/test/pbtool $(BUILD)/tern $(PB_VENV)/ready

test-pb: pb-ready ## messages, JSON, rules and IDL against the published packages
	BUILD=$(BUILD) TERN=$(BUILD)/tern $(PB_VENV)/bin/python -m pytest -q -p no:cacheprovider test/pb

# Suites with rules of their own.
include $(wildcard test/*/*.mk)

# ---- fuzzers: test/fuzz/fuzz_<x>.c, built by clang into build/fuzz; what they keep goes to build/fuzz/corpus/<x> ------
FUZZ := $(patsubst test/fuzz/fuzz_%.c,fuzz-%,$(sort $(wildcard test/fuzz/fuzz_*.c)))
FUZZ_SECONDS ?= 20
fuzz: ## every fuzzer for FUZZ_SECONDS=20
	+@$(AGAIN) MODE=fuzz BUILD=build/fuzz CC=clang $(FUZZ:fuzz-%=build/fuzz/fuzz_%)
	+@$(AGAIN) $(FUZZ)

.PHONY: $(FUZZ)

$(FUZZ): fuzz-%:
	+@$(AGAIN) MODE=fuzz BUILD=build/fuzz CC=clang build/fuzz/fuzz_$*
	@mkdir -p build/fuzz/corpus/$* build/fuzz/found
	@echo "== $* for $(FUZZ_SECONDS) s"
	@build/fuzz/fuzz_$* -max_total_time=$(FUZZ_SECONDS) -timeout=10 -max_len=16384 -print_final_stats=1 \
	  -artifact_prefix=build/fuzz/found/$*- build/fuzz/corpus/$* $(wildcard test/fuzz/corpus/$*) \
	  >build/fuzz/$*.log 2>&1 || { tail -40 build/fuzz/$*.log; exit 1; }
	@sed -n 's/^stat::number_of_executed_units: */$* inputs: /p; s/^stat::peak_rss_mb: */$* peak MB: /p' build/fuzz/$*.log

build/fuzz/fuzz_%: test/fuzz/fuzz_%.c build/fuzz/libtern.a
	clang $(CPPFLAGS) $(CFLAGS) -fsanitize=fuzzer -rdynamic -o $@ $< build/fuzz/libtern.a $(LDLIBS)

clean: ## remove everything built
	rm -rf $(BUILD)

-include $(OBJ:.o=.d) $(GEN_OBJ:.o=.d) $(UNIT:=.d)
