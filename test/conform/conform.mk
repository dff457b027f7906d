# make conform: the Connect project's own conformance suite against Tern's server code (test/conform/server.c).

CONFORM_VERSION := v1.0.7
CONFORM_DIR := $(BUILD)/conform
CONFORM_SUITE := $(BUILD)/tools/connectconformance-$(CONFORM_VERSION)
# The suite's .proto files are in the Go module that `go install` has fetched.
CONFORM_IDL = $$($(GO) env GOMODCACHE)/connectrpc.com/conformance@$(CONFORM_VERSION)/proto

.PHONY: conform
conform: $(CONFORM_SUITE) $(CONFORM_DIR)/server ## the Connect conformance suite; CONFORM_ARGS="--run '**/timeouts/**'" runs a part
	@test/conform/run $(CONFORM_SUITE) $(CONFORM_DIR)/server $(CONFORM_ARGS)

$(CONFORM_SUITE):
	@test -n "$(GO)" || { echo "make conform needs Go 1.24 or newer: make setup, or https://go.dev/dl/" >&2; exit 1; }
	@mkdir -p $(@D)
	GOBIN=$(abspath $(@D)) $(GO) install connectrpc.com/conformance/cmd/connectconformance@$(CONFORM_VERSION)
	@mv $(@D)/connectconformance $@

$(CONFORM_DIR)/gen.stamp: $(CONFORM_SUITE) $(BUILD)/gen/third_party.binpb tools/pbgen.py tools/pb_descriptor.py
	@mkdir -p $(@D)
	$(PYTHON) tools/pbgen.py --protoc $(PROTOC) --idl "$(CONFORM_IDL)" --deps $(BUILD)/gen/third_party.binpb \
	  --out $(CONFORM_DIR) --prefix conform --have google.protobuf
	@touch $@

CONFORM_SRC := test/conform/server.c test/conform/service.c
CONFORM_GEN := $(CONFORM_DIR)/gen/conform_pb_registry.c $(CONFORM_DIR)/gen/connectrpc_conformance_v1.c
$(CONFORM_GEN): $(CONFORM_DIR)/gen.stamp ;

$(CONFORM_DIR)/server: $(CONFORM_SRC) $(CONFORM_GEN) $(BUILD)/libtern.a
	$(CC) $(CPPFLAGS) -I$(CONFORM_DIR) $(filter-out -MMD -MP,$(CFLAGS)) -Wall -Wextra -Werror $(LDFLAGS) -o $@ \
	  $(CONFORM_SRC) $(CONFORM_GEN) $(BUILD)/libtern.a $(LDLIBS)
