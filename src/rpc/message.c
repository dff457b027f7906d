/* Messages on the wire. See message.h. */
#include "rpc/message.h"

#include "rpc/gzip.h"
#include "rpc/text.h"

/* What gzip needs beyond the plain bytes when they are few. */
#define GZIP_SLACK ((size_t)1024)

size_t message_envelope_length(const char *head)
{
    const unsigned char *h = (const unsigned char *)head + 1;
    return (size_t)h[0] << 24 | (size_t)h[1] << 16 | (size_t)h[2] << 8 | h[3];
}

bool message_envelope_next(str *rest, uint8_t *flags, str *payload)
{
    if (rest->n < ENVELOPE_HEAD)
        return false;
    size_t n = message_envelope_length(rest->p);
    if (rest->n - ENVELOPE_HEAD < n)
        return false;
    *flags = (uint8_t)rest->p[0];
    *payload = (str){rest->p + ENVELOPE_HEAD, n};
    *rest = str_skip(*rest, ENVELOPE_HEAD + n);
    return true;
}

static void put_head(char *at, uint8_t flags, size_t n)
{
    at[0] = (char)flags;
    at[1] = (char)(n >> 24);
    at[2] = (char)(n >> 16);
    at[3] = (char)(n >> 8);
    at[4] = (char)n;
}

void message_envelope_put(buf *b, uint8_t flags, str payload)
{
    char head[ENVELOPE_HEAD];
    put_head(head, flags, payload.n);
    buf_add(b, head, sizeof(head));
    buf_str(b, payload);
}

enum code message_flags(struct ctx *cx, const struct message_form *form, uint8_t flags)
{
    if (flags & ~ENVELOPE_GZIP)
        return fail(cx, CODE_INVALID_ARGUMENT, "unknown envelope flags 0x%02x", flags);
    if (flags && !form->gzip)
        return fail(cx, CODE_INTERNAL, "the message is compressed, but the request names no compression");
    return CODE_OK;
}

enum code message_payload(struct ctx *cx, const struct message_form *form, str payload, bool gzip, str *out)
{
    if (gzip && payload.n) /* some clients say gzip of a body that is not there */
        TRY(gzip_inflate(cx, payload, form->max, &payload));
    if (payload.n > form->max)
        return fail(cx, CODE_RESOURCE_EXHAUSTED, "message of %zu bytes is larger than %u", payload.n, form->max);
    *out = payload;
    return CODE_OK;
}

enum code message_read(struct ctx *cx, const struct message_form *form, str payload, bool gzip,
                       const struct pb_type *type, void **out)
{
    TRY(message_payload(cx, form, payload, gzip, &payload));
    if (form->codec == CODEC_JSON && payload.n)
        return pb_json_decode(cx, type, payload, true, out);
    return pb_decode(cx, type, payload, out);
}

/* Puts the encoded message behind what b has. */
static enum code put_plain(struct ctx *cx, const struct message_form *form, const struct pb_type *type, const void *msg,
                           buf *b)
{
    if (form->codec == CODEC_JSON) {
        str text;
        TRY(pb_json_encode(cx, type, msg, &text));
        buf_str(b, text);
    } else {
        pb_encode_to(b, type, msg);
    }
    return CODE_OK;
}

/* Replaces what follows `from` by its compressed form, unless that is no smaller. */
static bool put_gzip(struct ctx *cx, buf *b, size_t from)
{
    buf z;
    str plain = str_skip(buf_view(b), from);
    buf_init_arena(&z, cx->mem, 2 * plain.n + GZIP_SLACK);
    gzip_deflate_to(&z, plain);
    if (z.failed || z.n >= plain.n)
        return false;
    b->n = from;
    buf_str(b, buf_view(&z));
    return true;
}

/* The bytes after `from` in base64. */
static void to_text(struct ctx *cx, buf *b, size_t from)
{
    str bytes = arena_str(cx->mem, str_skip(buf_view(b), from));
    b->n = from;
    text_base64_put(b, bytes, true);
}

static enum code too_large(struct ctx *cx, const struct message_form *form)
{
    return fail(cx, CODE_RESOURCE_EXHAUSTED, "response is larger than %u bytes", form->max);
}

static enum code put_message(struct ctx *cx, const struct message_form *form, const struct pb_type *type,
                             const void *msg, buf *b, bool *gzip)
{
    size_t from = b->n;
    size_t body = from + (form->envelope ? ENVELOPE_HEAD : 0);
    if (form->envelope && buf_room(b, ENVELOPE_HEAD))
        buf_wrote(b, ENVELOPE_HEAD);
    if (form->line)
        buf_str(b, STR("{\"result\":"));
    TRY(put_plain(cx, form, type, msg, b));
    if (form->line)
        buf_str(b, STR("}\n"));
    if (b->failed || b->n - body > form->max)
        return too_large(cx, form);
    bool small = form->gzip && b->n - body >= form->gzip_min && put_gzip(cx, b, body);
    if (form->envelope)
        put_head(b->p + from, small ? ENVELOPE_GZIP : 0, b->n - body);
    if (form->text)
        to_text(cx, b, from);
    if (b->failed)
        return too_large(cx, form);
    if (gzip)
        *gzip = small;
    return CODE_OK;
}

enum code message_write(struct ctx *cx, const struct message_form *form, const struct pb_type *type, const void *msg,
                        buf *b, bool *gzip)
{
    size_t from = b->n;
    enum code code = put_message(cx, form, type, msg, b, gzip);
    if (code != CODE_OK) { /* what was there before is still sent */
        b->n = from;
        b->failed = false;
    }
    return code;
}
