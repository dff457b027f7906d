/* AWS Signature Version 4. See sign_int.h. */
#include "object/sign_int.h"

#include "base/codec.h"
#include "base/mem.h"
#include "base/time.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define ALGORITHM "AWS4-HMAC-SHA256"
/* Of a canonical request: a few times the header bytes that a server accepts. */
#define CANONICAL_MAX ((size_t)512 * 1024)
#define EMPTY_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

str object_sign_header(const struct object_sign_request *r, str name)
{
    for (size_t i = 0; i < r->header_count; i++)
        if (str_eq(r->headers[i].name, name))
            return r->headers[i].value;
    return STR_NONE;
}

const struct object_uri_param *object_sign_param(const struct object_sign_request *r, str name)
{
    for (size_t i = 0; i < r->param_count; i++)
        if (str_eq(r->params[i].name, name))
            return &r->params[i];
    return NULL;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static bool all_digits(str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
    return true;
}

static int number(str s, size_t at, size_t n)
{
    int v = 0;
    for (size_t i = at; i < at + n; i++)
        v = v * 10 + (s.p[i] - '0');
    return v;
}

/* "20260131T120000Z" */
static bool parse_time(str s, int64_t *out_s)
{
    struct time_civil c;
    if (s.n != OBJECT_SIGN_TIME_SIZE || s.p[8] != 'T' || s.p[15] != 'Z' || !all_digits(str_head(s, 8)) ||
        !all_digits(str_make(s.p + 9, 6)))
        return false;
    int year = number(s, 0, 4), month = number(s, 4, 2), day = number(s, 6, 2);
    int hour = number(s, 9, 2), minute = number(s, 11, 2), second = number(s, 13, 2);
    if (month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 59)
        return false;
    int64_t t = time_from_civil(year, month, day, hour, minute, second);
    time_to_civil(t, &c); /* 31 February would be in March */
    *out_s = t;
    return c.day == day && c.month == month;
}

/* "ID/20260131/us-east-1/s3/aws4_request" */
static bool parse_credential(struct arena *mem, str s, struct object_sign *out)
{
    str end;
    if (!str_next(&s, '/', &out->access_key_id) || !str_next(&s, '/', &out->date) || !str_next(&s, '/', &out->region) ||
        !str_next(&s, '/', &out->service) || !str_next(&s, '/', &end))
        return false;
    out->scope = arena_printf(mem, STR_FMT "/" STR_FMT "/" STR_FMT "/aws4_request", STR_ARG(out->date),
                              STR_ARG(out->region), STR_ARG(out->service));
    return out->access_key_id.n && out->date.n == 8 && out->region.n && out->region.n <= 64 &&
           str_eq(out->service, STR("s3")) && str_eq(end, STR("aws4_request")) && !s.n;
}

static enum s3_error parse_header(struct ctx *cx, str authorization, struct object_sign *out)
{
    str rest = str_skip(authorization, sizeof(ALGORITHM) - 1), field, name, value, credential = STR_NONE;
    while (str_next(&rest, ',', &field)) {
        str_cut(str_trim(field), '=', &name, &value);
        if (str_eq(name, STR("Credential")))
            credential = value;
        else if (str_eq(name, STR("SignedHeaders")))
            out->signed_headers = value;
        else if (str_eq(name, STR("Signature")))
            out->signature = value;
    }
    if (!parse_credential(cx->mem, credential, out) || !out->signed_headers.n || out->signature.n != 64)
        return S3_AuthorizationHeaderMalformed;
    return S3_OK;
}

static str param_value(const struct object_sign_request *r, str name)
{
    const struct object_uri_param *p = object_sign_param(r, name);
    return p ? p->value : STR_NONE;
}

static enum s3_error parse_query(struct ctx *cx, const struct object_sign_request *r, struct object_sign *out)
{
    if (!str_eq(param_value(r, STR("X-Amz-Algorithm")), STR(ALGORITHM)) ||
        !parse_credential(cx->mem, param_value(r, STR("X-Amz-Credential")), out))
        return S3_AuthorizationQueryParametersError;
    out->signed_headers = param_value(r, STR("X-Amz-SignedHeaders"));
    out->signature = param_value(r, STR("X-Amz-Signature"));
    out->time = param_value(r, STR("X-Amz-Date"));
    if (!out->signed_headers.n || out->signature.n != 64 ||
        !str_to_i64(param_value(r, STR("X-Amz-Expires")), &out->expires_s) || out->expires_s < 1 ||
        out->expires_s > OBJECT_SIGN_EXPIRES_MAX_S)
        return S3_AuthorizationQueryParametersError;
    return S3_OK;
}

static bool is_hash(str s)
{
    uint8_t raw[HASH_SHA256_SIZE];
    return object_hash_unhex(s, raw, sizeof(raw));
}

static enum s3_error parse_payload(struct ctx *cx, const struct object_sign_request *r, struct object_sign *out)
{
    static const struct {
        const char *text;
        enum object_sign_payload payload;
    } forms[] = {
        {"UNSIGNED-PAYLOAD", SIGN_PAYLOAD_UNSIGNED},
        {"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", SIGN_PAYLOAD_CHUNKS},
        {"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", SIGN_PAYLOAD_CHUNKS_TRAILER},
        {"STREAMING-UNSIGNED-PAYLOAD-TRAILER", SIGN_PAYLOAD_UNSIGNED_TRAILER},
    };
    str said = object_sign_header(r, STR("x-amz-content-sha256"));
    if (!said.n && out->presigned)
        said = param_value(r, STR("X-Amz-Content-Sha256"));
    if (!said.n && out->presigned)
        said = STR("UNSIGNED-PAYLOAD");
    out->payload_hash = said;
    for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++)
        if (str_eq(said, str_from(forms[i].text))) {
            out->payload = forms[i].payload;
            return S3_OK;
        }
    if (!is_hash(said))
        return object_s3_error_say(cx, S3_InvalidRequest, "x-amz-content-sha256 is missing or of an unknown form.");
    out->payload = SIGN_PAYLOAD_HASH;
    return S3_OK;
}

enum s3_error object_sign_parse(struct ctx *cx, const struct object_sign_request *r, struct object_sign *out)
{
    str authorization = object_sign_header(r, STR("authorization"));
    struct object_sign sign = {.presigned = object_sign_param(r, STR("X-Amz-Signature")) != NULL};
    if (authorization.n && sign.presigned)
        return object_s3_error_say(cx, S3_InvalidArgument, "Only one way of signing is allowed in one request.");
    if (sign.presigned) {
        S3_TRY(parse_query(cx, r, &sign));
    } else {
        if (!authorization.n)
            return object_s3_error_say(cx, S3_AccessDenied, "Requests must be signed (AWS Signature Version 4).");
        if (!str_starts(authorization, STR(ALGORITHM " ")))
            return object_s3_error_say(cx, S3_InvalidRequest, "Please sign with " ALGORITHM ".");
        S3_TRY(parse_header(cx, authorization, &sign));
        sign.time = object_sign_header(r, STR("x-amz-date"));
    }
    if (!parse_time(sign.time, &sign.time_s) || !str_eq(str_head(sign.time, 8), sign.date))
        return object_s3_error_say(cx, sign.presigned ? S3_AuthorizationQueryParametersError : S3_AccessDenied,
                                   "X-Amz-Date is missing, malformed, or of another day than the credential.");
    S3_TRY(parse_payload(cx, r, &sign));
    *out = sign;
    return S3_OK;
}

/* ---- the canonical request --------------------------------------------------------------------------------------- */

struct pair {
    str name, value; /* encoded */
};

static int compare_pairs(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    int c = str_cmp(x->name, y->name);
    return c ? c : str_cmp(x->value, y->value);
}

static str encoded(struct arena *mem, str s, enum object_uri_keep keep)
{
    buf b;
    buf_init_arena(&b, mem, CANONICAL_MAX);
    object_uri_encode(&b, s, keep);
    return buf_view(&b);
}

/* All parameters but the signature, encoded our way and sorted. */
static void put_query(buf *out, struct arena *mem, const struct object_sign_request *r)
{
    struct pair *pairs = arena_new_array(mem, struct pair, r->param_count + 1);
    size_t n = 0;
    for (size_t i = 0; i < r->param_count; i++) {
        if (str_eq(r->params[i].name, STR("X-Amz-Signature")))
            continue;
        pairs[n].name = encoded(mem, r->params[i].name, OBJECT_URI_KEEP_NONE);
        pairs[n++].value = encoded(mem, r->params[i].value, OBJECT_URI_KEEP_NONE);
    }
    qsort(pairs, n, sizeof(*pairs), compare_pairs);
    for (size_t i = 0; i < n; i++) {
        if (i)
            buf_char(out, '&');
        buf_str(out, pairs[i].name);
        buf_char(out, '=');
        buf_str(out, pairs[i].value);
    }
}

/* Without white space at the ends; runs of spaces inside become one. */
static void put_folded(buf *out, str value)
{
    value = str_trim(value);
    for (size_t i = 0; i < value.n; i++)
        if (value.p[i] != ' ' || value.p[i - 1] != ' ')
            buf_char(out, value.p[i]);
}

/* name:value\n; several of one name are joined with commas. */
static void put_header(buf *out, const struct object_sign_request *r, str name)
{
    bool first = true;
    buf_str(out, name);
    buf_char(out, ':');
    for (size_t i = 0; i < r->header_count; i++)
        if (str_eq(r->headers[i].name, name)) {
            if (!first)
                buf_char(out, ',');
            first = false;
            put_folded(out, r->headers[i].value);
        }
    buf_char(out, '\n');
}

/* path: decoded. */
static void put_canonical(buf *out, struct arena *mem, const struct object_sign_request *r,
                          const struct object_sign *sign, str path)
{
    str rest = sign->signed_headers, name;
    buf_str(out, r->method);
    buf_char(out, '\n');
    object_uri_encode(out, path, OBJECT_URI_KEEP_SLASH);
    buf_char(out, '\n');
    put_query(out, mem, r);
    buf_char(out, '\n');
    while (str_next(&rest, ';', &name))
        put_header(out, r, name);
    buf_char(out, '\n');
    buf_str(out, sign->signed_headers);
    buf_char(out, '\n');
    buf_str(out, sign->payload_hash);
}

/* ---- keys and signatures ----------------------------------------------------------------------------------------- */

static str bytes_of(const uint8_t *p, size_t n)
{
    return str_make((const char *)p, n);
}

static void derive_key(struct arena *mem, str secret, str date, str region, uint8_t out[HASH_SHA256_SIZE])
{
    uint8_t a[HASH_SHA256_SIZE], b[HASH_SHA256_SIZE];
    object_hash_hmac(arena_concat(mem, STR("AWS4"), secret), date, a);
    object_hash_hmac(bytes_of(a, sizeof(a)), region, b);
    object_hash_hmac(bytes_of(b, sizeof(b)), STR("s3"), a);
    object_hash_hmac(bytes_of(a, sizeof(a)), STR("aws4_request"), out);
}

/* The hexadecimal signature over a canonical request. */
static void sign_canonical(const uint8_t key[HASH_SHA256_SIZE], str time, str scope, str canonical, char out[65])
{
    char text[256], hash[65];
    uint8_t md[HASH_SHA256_SIZE];
    object_hash_sha256(canonical, md);
    object_hash_hex(md, sizeof(md), hash);
    int n =
        snprintf(text, sizeof(text), ALGORITHM "\n" STR_FMT "\n" STR_FMT "\n%s", STR_ARG(time), STR_ARG(scope), hash);
    object_hash_hmac(bytes_of(key, HASH_SHA256_SIZE), str_make(text, (size_t)n), md);
    object_hash_hex(md, sizeof(md), out);
}

void object_sign_chunk(const struct object_sign *sign, bool trailer, const char previous[64],
                       const uint8_t sha256[HASH_SHA256_SIZE], char out[65])
{
    char text[512], hash[65];
    uint8_t md[HASH_SHA256_SIZE];
    object_hash_hex(sha256, HASH_SHA256_SIZE, hash);
    int n = snprintf(text, sizeof(text), ALGORITHM "-%s\n" STR_FMT "\n" STR_FMT "\n%.64s\n%s%s",
                     trailer ? "TRAILER" : "PAYLOAD", STR_ARG(sign->time), STR_ARG(sign->scope), previous,
                     trailer ? "" : EMPTY_SHA256 "\n", hash);
    object_hash_hmac(bytes_of(sign->key, sizeof(sign->key)), str_make(text, (size_t)n), md);
    object_hash_hex(md, sizeof(md), out);
}

/* ---- the cache of signing keys ----------------------------------------------------------------------------------- */

#define CACHE_SLOTS 128
#define CACHE_NAME_MAX ((size_t)480)

struct cache_slot {
    size_t n;
    char name[CACHE_NAME_MAX]; /* access key id "/" scope */
    uint8_t key[HASH_SHA256_SIZE];
};

struct object_sign_cache {
    pthread_mutex_t mutex;
    struct cache_slot *slots[CACHE_SLOTS];
};

struct object_sign_cache *object_sign_cache_new(void)
{
    struct object_sign_cache *c = mem_new(struct object_sign_cache);
    pthread_mutex_init(&c->mutex, NULL);
    return c;
}

void object_sign_cache_free(struct object_sign_cache *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < CACHE_SLOTS; i++)
        mem_free(c->slots[i]);
    pthread_mutex_destroy(&c->mutex);
    mem_free(c);
}

static bool cache_get(struct object_sign_cache *c, str name, uint8_t key[HASH_SHA256_SIZE])
{
    pthread_mutex_lock(&c->mutex);
    const struct cache_slot *s = c->slots[str_hash(name) % CACHE_SLOTS];
    bool hit = s && str_eq(str_make(s->name, s->n), name);
    if (hit)
        memcpy(key, s->key, HASH_SHA256_SIZE);
    pthread_mutex_unlock(&c->mutex);
    return hit;
}

static void cache_put(struct object_sign_cache *c, str name, const uint8_t key[HASH_SHA256_SIZE])
{
    if (name.n > CACHE_NAME_MAX)
        return;
    pthread_mutex_lock(&c->mutex);
    struct cache_slot **s = &c->slots[str_hash(name) % CACHE_SLOTS];
    if (!*s)
        *s = mem_new(struct cache_slot);
    memcpy((*s)->name, name.p, name.n);
    (*s)->n = name.n;
    memcpy((*s)->key, key, HASH_SHA256_SIZE);
    pthread_mutex_unlock(&c->mutex);
}

/* ---- checking ---------------------------------------------------------------------------------------------------- */

static bool is_signed(str signed_headers, str name)
{
    str piece;
    while (str_next(&signed_headers, ';', &piece))
        if (str_eq(piece, name))
            return true;
    return false;
}

/* The host, and every header that changes what S3 does. */
static enum s3_error check_signed(struct ctx *cx, const struct object_sign_request *r, const struct object_sign *sign)
{
    if (!is_signed(sign->signed_headers, STR("host")))
        return object_s3_error_say(cx, S3_AccessDenied, "The host header must be signed.");
    for (size_t i = 0; i < r->header_count; i++)
        if (str_starts(r->headers[i].name, STR("x-amz-")) && !is_signed(sign->signed_headers, r->headers[i].name))
            return object_s3_error_say(cx, S3_AccessDenied, "The header " STR_FMT " was sent but not signed.",
                                       STR_ARG(str_head(r->headers[i].name, 80)));
    return S3_OK;
}

static enum s3_error check_clock(struct ctx *cx, const struct object_sign *sign, int64_t now_s)
{
    if (sign->presigned) {
        if (sign->time_s - now_s > OBJECT_SIGN_SKEW_S)
            return object_s3_error_say(cx, S3_AccessDenied, "Request is not yet valid");
        if (now_s - sign->time_s > sign->expires_s)
            return object_s3_error_say(cx, S3_AccessDenied, "Request has expired");
        return S3_OK;
    }
    int64_t skew = now_s - sign->time_s;
    return skew > OBJECT_SIGN_SKEW_S || skew < -OBJECT_SIGN_SKEW_S ? S3_RequestTimeTooSkewed : S3_OK;
}

enum s3_error object_sign_verify(struct ctx *cx, const struct object_sign_request *r, struct object_sign *sign,
                                 int64_t now_s, struct object_sign_cache *cache, object_sign_secret_fn *secret,
                                 void *arg)
{
    buf canonical;
    char expected[65];
    str path;
    if (!codec_percent_decode(cx->mem, r->path, false, &path))
        return S3_InvalidURI;
    buf_init_arena(&canonical, cx->mem, CANONICAL_MAX);
    put_canonical(&canonical, cx->mem, r, sign, path);
    if (canonical.failed)
        return S3_InvalidRequest;
    str name = arena_printf(cx->mem, STR_FMT "/" STR_FMT, STR_ARG(sign->access_key_id), STR_ARG(sign->scope));
    bool hit = cache && cache_get(cache, name, sign->key);
    if (!hit)
        derive_key(cx->mem, secret(arg, cx->mem, sign->access_key_id), sign->date, sign->region, sign->key);
    sign_canonical(sign->key, sign->time, sign->scope, buf_view(&canonical), expected);
    if (!object_hash_equal(expected, sign->signature.p, 64))
        return S3_SignatureDoesNotMatch;
    if (cache && !hit)
        cache_put(cache, name, sign->key);
    S3_TRY(check_signed(cx, r, sign));
    return check_clock(cx, sign, now_s);
}

/* ---- making signatures ------------------------------------------------------------------------------------------- */

str object_sign_time(struct arena *mem, int64_t now_s)
{
    struct time_civil c;
    time_to_civil(now_s, &c);
    return arena_printf(mem, "%04d%02d%02dT%02d%02d%02dZ", (int)c.year, c.month, c.day, c.hour, c.minute, c.second);
}

static str join_names(struct arena *mem, const struct object_sign_header *headers, size_t n)
{
    buf b;
    buf_init_arena(&b, mem, CANONICAL_MAX);
    for (size_t i = 0; i < n; i++) {
        if (i)
            buf_char(&b, ';');
        buf_str(&b, headers[i].name);
    }
    return buf_view(&b);
}

str object_sign_query(struct arena *mem, const struct object_sign_request *r)
{
    buf b;
    buf_init_arena(&b, mem, CANONICAL_MAX);
    put_query(&b, mem, r);
    return buf_view(&b);
}

str object_sign_make_header(struct arena *mem, const struct object_sign_request *r, str path,
                            const struct object_sign_as *as)
{
    struct object_sign sign = {.time = object_sign_header(r, STR("x-amz-date")),
                               .payload_hash = object_sign_header(r, STR("x-amz-content-sha256"))};
    char signature[65];
    buf b;
    sign.date = str_head(sign.time, 8);
    sign.scope = arena_printf(mem, STR_FMT "/" STR_FMT "/s3/aws4_request", STR_ARG(sign.date), STR_ARG(as->region));
    sign.signed_headers = join_names(mem, r->headers, r->header_count);
    buf_init_arena(&b, mem, CANONICAL_MAX);
    put_canonical(&b, mem, r, &sign, path);
    if (b.failed)
        return STR_NONE;
    derive_key(mem, as->secret, sign.date, as->region, sign.key);
    sign_canonical(sign.key, sign.time, sign.scope, buf_view(&b), signature);
    return arena_printf(mem, ALGORITHM " Credential=" STR_FMT "/" STR_FMT ", SignedHeaders=" STR_FMT ", Signature=%s",
                        STR_ARG(as->access_key_id), STR_ARG(sign.scope), STR_ARG(sign.signed_headers), signature);
}

/* Parameters in the order in which they are sorted when signed. */
static void put_params(buf *out, const struct object_sign_url *u, const struct object_sign *sign)
{
    buf_str(out, STR("X-Amz-Algorithm=" ALGORITHM "&X-Amz-Credential="));
    buf_str(out, u->access_key_id);
    buf_str(out, STR("%2F"));
    object_uri_encode(out, sign->scope, OBJECT_URI_KEEP_NONE);
    buf_printf(out, "&X-Amz-Date=" STR_FMT "&X-Amz-Expires=%lld&X-Amz-SignedHeaders=", STR_ARG(sign->time),
               (long long)u->expires_s);
    object_uri_encode(out, sign->signed_headers, OBJECT_URI_KEEP_NONE);
    if (u->content_type.n) {
        buf_str(out, STR("&response-content-type="));
        object_uri_encode(out, u->content_type, OBJECT_URI_KEEP_NONE);
    }
}

str object_sign_make_url(struct arena *mem, const struct object_sign_url *u)
{
    struct object_sign sign = {.region = u->region, .time = object_sign_time(mem, u->now_s)};
    struct object_sign_request r = {.headers = u->headers, .header_count = u->header_count};
    buf params, canonical, url;
    char signature[65];
    sign.date = str_head(sign.time, 8);
    sign.scope = arena_printf(mem, STR_FMT "/" STR_FMT "/s3/aws4_request", STR_ARG(sign.date), STR_ARG(u->region));
    sign.signed_headers = join_names(mem, u->headers, u->header_count);
    buf_init_arena(&params, mem, CANONICAL_MAX);
    put_params(&params, u, &sign);

    buf_init_arena(&canonical, mem, CANONICAL_MAX);
    str path = encoded(mem, u->path, OBJECT_URI_KEEP_SLASH);
    buf_printf(&canonical, STR_FMT "\n" STR_FMT "\n" STR_FMT "\n", STR_ARG(u->method), STR_ARG(path),
               STR_ARG(buf_view(&params)));
    for (size_t i = 0; i < u->header_count; i++)
        put_header(&canonical, &r, u->headers[i].name);
    buf_printf(&canonical, "\n" STR_FMT "\nUNSIGNED-PAYLOAD", STR_ARG(sign.signed_headers));
    derive_key(mem, u->secret, sign.date, u->region, sign.key);
    sign_canonical(sign.key, sign.time, sign.scope, buf_view(&canonical), signature);

    buf_init_arena(&url, mem, CANONICAL_MAX);
    buf_printf(&url, STR_FMT STR_FMT "?" STR_FMT "&X-Amz-Signature=%s", STR_ARG(u->endpoint), STR_ARG(path),
               STR_ARG(buf_view(&params)), signature);
    return buf_view(&url);
}
