/* The protocols: how a call's settings are read from the request's head, and how answers are written. All functions run
 * on the loop thread. One const struct protocol for each, and a table of the media types that select them. */
#ifndef RPC_PROTOCOL_H
#define RPC_PROTOCOL_H

#include "rpc/call_int.h"

/* As answers are counted; names in count.c. */
enum protocol_kind { PROTOCOL_CONNECT, PROTOCOL_GRPC, PROTOCOL_GRPC_WEB, PROTOCOL_REST, PROTOCOL_KINDS_ };

struct protocol {
    enum protocol_kind kind;
    bool streams;   /* serves streaming methods */
    bool unary;     /* serves unary methods */
    bool envelopes; /* messages are in envelopes */
    bool text;      /* bodies are base64 */
    /* Reads the protocol's own headers: encodings into c->in and c->out, the timeout. Errors are answered by finish().
     */
    enum code (*open)(struct ctx *cx, struct call *c, const struct head *h);
    /* Makes a request's message of what was received; any thread. NULL = message_read(). */
    enum code (*read)(struct ctx *cx, const struct call *c, const struct message_form *form, str payload, bool gzip,
                      void **out);
    /* The whole answer of a unary call that succeeded: run->out, as message_write() made it. */
    void (*reply)(struct call *c, const struct run *run);
    /* The head of a stream's response. */
    void (*head)(struct call *c);
    /* Ends the response, whether its head is sent or not. e->code may be OK. meta: what the handler set goes along (not
     * while a worker may still be setting it). */
    void (*finish)(struct call *c, const struct err *e, bool meta);
};

struct media {
    str type; /* of requests and responses */
    const struct protocol *proto;
    enum codec codec;
};

extern const struct protocol protocol_connect_unary, protocol_connect_get, protocol_connect_stream, protocol_grpc,
    protocol_grpc_web, protocol_grpc_web_text;

/* NULL when the media type is none of ours. */
const struct media *protocol_find(str media_type);
/* The row of a Connect GET with this encoding ("proto", "json"); NULL = unknown. */
const struct media *protocol_find_get(str encoding);

/* ---- shared by the protocols ---- */

/* Reads how a client compresses (`sent`) and what it takes (`accepted`). Errors: UNIMPLEMENTED. */
must_check_ enum code protocol_encodings(struct ctx *cx, struct call *c, str sent, str accepted);
void protocol_timeout(struct call *c, int64_t ns);
/* A request's message, read as the call's protocol does. Errors: INVALID_ARGUMENT, RESOURCE_EXHAUSTED. */
must_check_ enum code protocol_read(struct ctx *cx, const struct call *c, const struct message_form *form, str payload,
                                    bool gzip, void **out);

/* ---- errors on the wire: error.c ---- */

/* Connect's HTTP status of a code. */
int error_status(enum code code);
/* {"code":...,"message":...,"details":[...]} */
void error_put_json(buf *b, const struct err *e);
/* google.rpc.Status, binary. */
void error_put_status(buf *b, const struct err *e);

#endif
