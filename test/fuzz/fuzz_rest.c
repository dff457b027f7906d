/* A REST request: path, query and body, separated by NUL bytes, of any binding of the IDL; the first byte chooses the HTTP
 * method. Whatever becomes a message can be written and read again, and says the same. */
#include "fuzz.h"

#include "rpc/rest_int.h"

static struct rpc *routes(void)
{
    static struct rpc *r;
    if (!r) {
        static struct arena mem;
        const struct rpc_config cfg = {0};
        struct ctx cx;
        arena_init(&mem, 0);
        ctx_init(&cx, &mem);
        if (rpc_new(&cx, &cfg, &r) != CODE_OK)
            abort();
    }
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const methods[] = {"GET", "POST", "PUT", "DELETE", "PATCH"};
    struct rest_found found;
    struct rest rest;
    struct fuzz f;
    str left = {(const char *)data + 1, size ? size - 1 : 0}, path, body, bytes, again;
    void *msg, *copy;
    if (!size)
        return 0;
    fuzz_init(&f);
    str_cut(left, '\0', &path, &left);
    str_cut(left, '\0', &rest.query, &body);
    rest_find(routes(), str_from(methods[data[0] % 5]), path, &found);
    rest.binding = found.binding;
    if (found.binding && rest_values(&f.cx, found.binding, path, &rest.values) == CODE_OK &&
        rest_read(&f.cx, &rest, body, &msg) == CODE_OK) {
        const struct pb_type *t = found.binding->method->pb->input;
        fuzz_check(pb_encode(&f.cx, t, msg, &bytes) == CODE_OK);
        fuzz_check(pb_decode(&f.cx, t, bytes, &copy) == CODE_OK && pb_equal(t, msg, copy));
        fuzz_check(pb_encode(&f.cx, t, copy, &again) == CODE_OK && str_eq(bytes, again));
    }
    fuzz_done(&f);
    return 0;
}
