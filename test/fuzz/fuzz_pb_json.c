/* ProtoJSON of every type: whatever is read can be written and read again, in both forms. The first two bytes choose
 * the type, and whether unknown fields are ignored. */
#include "fuzz.h"

#include "pb/table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz f;
    void *msg, *again;
    str bytes, text, same;
    bool ignore = size && data[0] & 128;
    const struct pb_type *t = fuzz_type(&data, &size);
    fuzz_init(&f);
    if (t && pb_json_decode(&f.cx, t, (str){(const char *)data, size}, ignore, &msg) == CODE_OK) {
        fuzz_check(pb_encode(&f.cx, t, msg, &bytes) == CODE_OK);
        fuzz_check(pb_decode(&f.cx, t, bytes, &again) == CODE_OK && pb_equal(t, msg, again));
        fuzz_check(pb_json_encode(&f.cx, t, msg, &text) == CODE_OK);
        fuzz_check(pb_json_decode(&f.cx, t, text, false, &again) == CODE_OK);
        fuzz_check(pb_json_encode(&f.cx, t, again, &same) == CODE_OK && str_eq(text, same));
    }
    fuzz_done(&f);
    return 0;
}
