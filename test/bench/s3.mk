# The load for the S3 endpoint.
$(BUILD)/bench/s3_bench: test/bench/s3_bench.c $(BUILD)/libtern.a
	@mkdir -p $(@D)
	$(call say,CC,$<) $(CC) $(CPPFLAGS) $(CFLAGS) -Wall -Wextra -Werror $(LDFLAGS) -o $@ $< $(BUILD)/libtern.a $(LDLIBS)

.PHONY: bench-s3
bench-s3: $(BUILD)/bench/s3_bench $(BUILD)/test/s3d ## durable PUTs per second and GET of 1 GiB of the S3 endpoint alone
	@test/bench/s3_bench.sh $(BUILD)
