# make cron: engine/cron.c against robfig/cron and Go's time zones (oracle/), and against croniter.

CRON_ORACLE := $(BUILD)/tools/cron-oracle

.PHONY: cron
cron: $(CRON_ORACLE) $(BUILD)/test/cronsum ## cron expressions against other implementations
	@CRON_ORACLE=$(CRON_ORACLE) CRONSUM=$(BUILD)/test/cronsum .venv/bin/python -m pytest -q -p no:cacheprovider test/cron

.PHONY: cron-ready
cron-ready: $(CRON_ORACLE) $(BUILD)/test/cronsum

$(CRON_ORACLE): test/cron/oracle/main.go test/cron/oracle/go.mod test/cron/oracle/go.sum
	@test -n "$(GO)" || { echo "make cron needs Go 1.24 or newer: make setup, or https://go.dev/dl/" >&2; exit 1; }
	@mkdir -p $(@D)
	cd test/cron/oracle && $(GO) build -o $(abspath $@) .

$(BUILD)/test/cronsum: test/cron/cronsum.c $(BUILD)/libtern.a
	@mkdir -p $(@D)
	$(call say,CC,$<) $(CC) $(CPPFLAGS) $(CFLAGS) -Wall -Wextra -Werror $(LDFLAGS) -o $@ $< $(BUILD)/libtern.a $(LDLIBS)
