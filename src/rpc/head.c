/* Sorting out the headers of a request: one look at the name's length and last bytes tells which it can be. */
#include "rpc/head_int.h"

static const str names[HEAD_COUNT_] = {
#define HEADER(id, name) [HEAD_##id] = {name, sizeof(name) - 1},
#include "rpc/headers.def"
#undef HEADER
};

/* Lengths of the names above; a name of another length is compared with none. */
static const uint32_t lengths = 0
#define HEADER(id, name) | UINT32_C(1) << (sizeof(name) - 1)
#include "rpc/headers.def"
#undef HEADER
    ;

static void put(struct head *h, const struct http_header *x)
{
    if (x->name.n > 31 || !(lengths >> x->name.n & 1))
        return;
    for (size_t i = 0; i < HEAD_COUNT_; i++)
        if (str_eq(names[i], x->name) && !h->value[i].p) {
            h->value[i] = str_trim(x->value);
            return;
        }
}

void head_read(struct head *h, const struct http_request *req)
{
    *h = (struct head){.req = req};
    for (size_t i = 0; i < req->header_count; i++)
        put(h, &req->headers[i]);
}

str head_media_type(const struct head *h)
{
    str type, params;
    str_cut(h->value[HEAD_CONTENT_TYPE], ';', &type, &params);
    return str_trim(type);
}
