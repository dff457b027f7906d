# The micro-benchmark of the lanes.
BENCH_DIR ?= $(BUILD)/bench/data
$(BUILD)/bench/lane_bench: test/bench/lane_bench.c $(BUILD)/libtern.a
	@mkdir -p $(@D)
	$(call say,CC,$<) $(CC) $(CPPFLAGS) $(CFLAGS) -Wall -Wextra -Werror $(LDFLAGS) -o $@ $< $(BUILD)/libtern.a $(LDLIBS)

.PHONY: bench-lane
bench-lane: $(BUILD)/bench/lane_bench ## durable creates and reads per second of the lanes alone
	@mkdir -p $(BENCH_DIR) && rm -f $(BENCH_DIR)/lane.db*
	@$< $(abspath $(BENCH_DIR))/lane.db; rc=$$?; rm -f $(BENCH_DIR)/lane.db*; exit $$rc
