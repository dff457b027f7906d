/* The media types of requests and what they select; what the protocols share. Loop threads. */
#include "rpc/protocol.h"

#define TYPE(text)                                                                                                     \
    {                                                                                                                  \
        text, sizeof(text) - 1                                                                                         \
    }

static const struct media medias[] = {
    {TYPE("application/proto"), &protocol_connect_unary, CODEC_PROTO},
    {TYPE("application/json"), &protocol_connect_unary, CODEC_JSON},
    {TYPE("application/connect+proto"), &protocol_connect_stream, CODEC_PROTO},
    {TYPE("application/connect+json"), &protocol_connect_stream, CODEC_JSON},
    {TYPE("application/grpc"), &protocol_grpc, CODEC_PROTO},
    {TYPE("application/grpc+proto"), &protocol_grpc, CODEC_PROTO},
    {TYPE("application/grpc+json"), &protocol_grpc, CODEC_JSON},
    {TYPE("application/grpc-web"), &protocol_grpc_web, CODEC_PROTO},
    {TYPE("application/grpc-web+proto"), &protocol_grpc_web, CODEC_PROTO},
    {TYPE("application/grpc-web+json"), &protocol_grpc_web, CODEC_JSON},
    {TYPE("application/grpc-web-text"), &protocol_grpc_web_text, CODEC_PROTO},
    {TYPE("application/grpc-web-text+proto"), &protocol_grpc_web_text, CODEC_PROTO},
};

/* A Connect GET names its codec in the query. */
static const struct media get_medias[] = {
    {TYPE("application/proto"), &protocol_connect_get, CODEC_PROTO},
    {TYPE("application/json"), &protocol_connect_get, CODEC_JSON},
};

const struct media *protocol_find(str media_type)
{
    for (size_t i = 0; i < sizeof(medias) / sizeof(*medias); i++)
        if (str_eq_nocase(medias[i].type, media_type))
            return &medias[i];
    return NULL;
}

const struct media *protocol_find_get(str encoding)
{
    for (size_t i = 0; i < sizeof(get_medias) / sizeof(*get_medias); i++)
        if (str_eq(str_skip(get_medias[i].type, sizeof("application/") - 1), encoding))
            return &get_medias[i];
    return NULL;
}

enum code protocol_encodings(struct ctx *cx, struct call *c, str sent, str accepted)
{
    c->out.gzip = text_accepts_gzip(accepted);
    if (!sent.n || str_eq(sent, STR("identity")))
        return CODE_OK;
    if (!str_eq(sent, STR("gzip")))
        return fail(cx, CODE_UNIMPLEMENTED, "unknown compression \"%.40s\": this server reads gzip and identity",
                    arena_cstr(cx->mem, sent));
    c->in.gzip = true;
    return CODE_OK;
}

enum code protocol_read(struct ctx *cx, const struct call *c, const struct message_form *form, str payload, bool gzip,
                        void **out)
{
    if (c->media->proto->read)
        return c->media->proto->read(cx, c, form, payload, gzip, out);
    return message_read(cx, form, payload, gzip, c->method->pb->input, out);
}

void protocol_timeout(struct call *c, int64_t ns)
{
    if (__builtin_add_overflow(c->started_ns, ns, &c->deadline_ns))
        c->deadline_ns = INT64_MAX;
}
