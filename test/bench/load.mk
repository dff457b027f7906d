# The load generator, and make bench: every number that Tern promises, with the command that gives it.
LOAD_SRC := test/bench/load.c test/bench/load_message.c
$(BUILD)/bench/load: $(LOAD_SRC) test/bench/load_int.h $(BUILD)/libtern.a
	@mkdir -p $(@D)
	$(call say,CC,$<) $(CC) $(CPPFLAGS) $(filter-out -MMD -MP,$(CFLAGS)) -Wall -Wextra -Werror $(LDFLAGS) -o $@ $(LOAD_SRC) $(BUILD)/libtern.a $(LDLIBS)

.PHONY: bench bench-ready
bench-ready: $(BUILD)/tern $(BUILD)/bench/load $(BUILD)/bench/s3_bench $(BUILD)/test/s3d
	@:

bench: bench-ready ## every number, about 20 minutes; BENCH_QUICK=1: one run of each; BENCH_ROWS="create get" some rows
	@$(PYTHON) test/bench/bench.py --build $(BUILD) $(BENCH_ROWS)
