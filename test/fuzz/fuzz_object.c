/* What strangers send to the S3 endpoint: signatures, queries, chunked bodies, XML, access key ids, URIs. The first
 * byte chooses; each has something that must hold whatever the bytes are. */
#include "object/chunked_int.h"
#include "object/keys_int.h"
#include "object/s3_date_int.h"
#include "object/s3_xml_int.h"
#include "object/sign_int.h"

#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                            \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

#define NOW INT64_C(1369353600)

static str secret_of(void *arg, struct arena *mem, str id)
{
    (void)arg;
    (void)mem;
    (void)id;
    return STR("secret");
}

static enum s3_error verify(struct ctx *cx, const struct object_sign_request *r)
{
    struct object_sign sign;
    S3_TRY(object_sign_parse(cx, r, &sign));
    return object_sign_verify(cx, r, &sign, NOW, NULL, secret_of, NULL);
}

/* "METHOD path query\nname:value\n...": nobody can sign without the secret. */
static void fuzz_signature(struct ctx *cx, str in)
{
    struct object_sign_header headers[32];
    struct object_sign_request r = {.headers = headers};
    struct object_uri_param *params;
    str line, name, value;
    str_next(&in, '\n', &line);
    str_cut(line, ' ', &r.method, &line);
    str_cut(line, ' ', &r.path, &r.query);
    while (r.header_count < 32 && str_next(&in, '\n', &line)) {
        str_cut(line, ':', &name, &value);
        headers[r.header_count++] = (struct object_sign_header){name, value};
    }
    if (!object_uri_query(cx->mem, r.query, &params, &r.param_count))
        return;
    r.params = params;
    CHECK(verify(cx, &r) != S3_OK);
}

/* A URL that we make passes our check, whatever is in it: "path\nheader value\ncontent type". */
static void fuzz_url(struct ctx *cx, str in)
{
    str path, value, type, url, query;
    str_cut(in, '\n', &path, &in);
    str_cut(in, '\n', &value, &type);
    struct object_sign_header headers[] = {{STR("host"), STR("h")}, {STR("x-amz-meta-a"), value}};
    struct object_sign_url u = {.method = STR("PUT"),
                                .path = arena_concat(cx->mem, STR("/"), path),
                                .access_key_id = STR("ID"),
                                .secret = STR("secret"),
                                .region = STR("r"),
                                .now_s = NOW,
                                .expires_s = 60,
                                .headers = headers,
                                .header_count = 2,
                                .content_type = type};
    struct object_sign_request r = {.method = STR("PUT"), .headers = headers, .header_count = 2};
    struct object_uri_param *params;
    url = object_sign_make_url(cx->mem, &u);
    str_cut(url, '?', &r.path, &query);
    CHECK(object_uri_query(cx->mem, query, &params, &r.param_count));
    r.params = params;
    CHECK(verify(cx, &r) == S3_OK);
}

static enum s3_error decode(struct ctx *cx, const struct object_sign *sign, str in, size_t piece, buf *out)
{
    static struct object_chunked c;
    enum s3_error e = S3_OK;
    object_chunked_init(&c, sign);
    while (in.n && e == S3_OK) {
        str some = str_head(in, piece), data;
        in = str_skip(in, some.n);
        do {
            e = object_chunked_next(cx, &c, &some, &data);
            buf_str(out, data);
        } while (e == S3_OK && data.n);
    }
    if (e == S3_OK)
        e = object_chunked_end(cx, &c);
    object_chunked_trailer(&c, STR("x-amz-checksum-crc32"));
    object_chunked_done(&c);
    return e;
}

/* It does not matter how a body was cut on its way; nobody can sign chunks. */
static void fuzz_chunked(struct ctx *cx, str in)
{
    struct object_sign sign = {.signature = STR("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")};
    if (in.n < 2)
        return;
    size_t piece = 1 + (uint8_t)in.p[0] % 64;
    sign.payload = (enum object_sign_payload)(SIGN_PAYLOAD_CHUNKS + (uint8_t)in.p[1] % 3);
    in = str_skip(in, 2);
    buf whole, cut;
    buf_init_arena(&whole, cx->mem, in.n + 1);
    buf_init_arena(&cut, cx->mem, in.n + 1);
    enum s3_error a = decode(cx, &sign, in, SIZE_MAX, &whole), b = decode(cx, &sign, in, piece, &cut);
    CHECK(a == b);
    CHECK(a != S3_OK || str_eq(buf_view(&whole), buf_view(&cut)));
    CHECK(a != S3_OK || sign.payload == SIGN_PAYLOAD_UNSIGNED_TRAILER);
    CHECK(!whole.failed && !cut.failed);
}

struct xml {
    struct ctx *cx;
    buf out;
    size_t fields, last;
};

static enum s3_error on_field(void *arg, size_t number, str record, str field, str text)
{
    struct xml *x = arg;
    CHECK(field.n && number >= x->last);
    x->last = number;
    x->fields++;
    if (record.n)
        object_s3_xml_text(&x->out, "Key", text);
    return S3_OK;
}

static enum s3_error count_field(void *arg, size_t number, str record, str field, str text)
{
    (void)number;
    (void)record;
    (void)field;
    (void)text;
    (*(size_t *)arg)++;
    return S3_OK;
}

/* What was read can be written so that it is read again. */
static void fuzz_xml(struct ctx *cx, str in)
{
    struct xml x = {.cx = cx};
    size_t again = 0;
    buf_init_arena(&x.out, cx->mem, (size_t)8 << 20);
    object_s3_xml_begin(&x.out, S3_XML_NS, "Delete");
    object_s3_xml_open(&x.out, "Object");
    enum s3_error e = object_s3_xml_walk(cx, in, "Delete", on_field, &x);
    object_s3_xml_end(&x.out, "Object");
    object_s3_xml_end(&x.out, "Delete");
    if (e == S3_OK && x.fields)
        CHECK(object_s3_xml_walk(cx, buf_view(&x.out), "Delete", count_field, &again) == S3_OK);
}

static void fuzz_names(struct ctx *cx, str in)
{
    struct object_scope scope, same;
    str id, bucket, key, bucket2, key2;
    int64_t seconds, seconds2;
    if (object_keys_scope(cx->mem, in, &scope)) {
        CHECK(object_keys_id(cx, &scope, &id) == CODE_OK && object_keys_scope(cx->mem, id, &same));
        CHECK(same.kind == scope.kind && same.action_id == scope.action_id && str_eq(same.run, scope.run));
    }
    if (object_uri_parse(cx, "field", in, &bucket, &key) == CODE_OK) {
        CHECK(key.n <= OBJECT_KEY_MAX && !str_starts(key, STR("/")) && str_find(key, STR("/../")) == SIZE_MAX);
        CHECK(object_uri_parse(cx, "field", object_uri_make(cx->mem, bucket, key), &bucket2, &key2) == CODE_OK);
        CHECK(str_eq(bucket, bucket2) && str_eq(key, key2));
    }
    if (object_s3_date_parse(in, &seconds))
        CHECK(object_s3_date_parse(object_s3_date_format(cx->mem, seconds), &seconds2) && seconds == seconds2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const targets[])(struct ctx * cx, str in) = {fuzz_signature, fuzz_url, fuzz_chunked, fuzz_xml,
                                                               fuzz_names};
    struct arena mem;
    struct ctx cx;
    if (!size)
        return 0;
    arena_init(&mem, 0);
    ctx_init(&cx, &mem);
    targets[data[0] % (sizeof(targets) / sizeof(*targets))](&cx, str_make((const char *)data + 1, size - 1));
    arena_done(&mem);
    return 0;
}
