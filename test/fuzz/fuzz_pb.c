/* Binary messages of every type: whatever is read can be written, read again and copied without a change, printed and
 * validated. The first two bytes choose the type. */
#include "fuzz.h"

#include "pb/table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz f;
    void *msg, *again;
    str bytes, same, text;
    const struct pb_type *t = fuzz_type(&data, &size);
    fuzz_init(&f);
    if (t && pb_decode(&f.cx, t, (str){(const char *)data, size}, &msg) == CODE_OK) {
        fuzz_check(pb_encode(&f.cx, t, msg, &bytes) == CODE_OK);
        fuzz_check(pb_decode(&f.cx, t, bytes, &again) == CODE_OK);
        fuzz_check(pb_equal(t, msg, again));
        fuzz_check(pb_encode(&f.cx, t, again, &same) == CODE_OK && str_eq(bytes, same));
        fuzz_check(pb_equal(t, msg, pb_clone(&f.mem, t, msg)));
        fuzz_ignore(pb_validate(&f.cx, t, msg));
        /* Some values have no JSON; what has can be read. */
        if (pb_json_encode(&f.cx, t, msg, &text) == CODE_OK)
            fuzz_check(pb_json_decode(&f.cx, t, text, false, &again) == CODE_OK);
    }
    fuzz_done(&f);
    return 0;
}
