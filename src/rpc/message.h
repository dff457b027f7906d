/* One message between its struct and its bytes on the wire: codec, compression, envelope, base64. Runs on workers (and
 * on a loop thread for small requests); touches nothing of the call but its constant settings. */
#ifndef RPC_MESSAGE_H
#define RPC_MESSAGE_H

#include "base/buf.h"
#include "base/ctx.h"
#include "pb/pb.h"

enum codec { CODEC_PROTO, CODEC_JSON };

/* How the messages of one direction of a call are written. */
struct message_form {
    enum codec codec : 8;
    bool gzip;     /* in: how compressed ones are; out: the client takes it */
    bool envelope; /* each behind a flag byte and its length */
    bool text;     /* the whole in base64 (gRPC-Web text) */
    bool line;     /* out: each as {"result":...} on a line (REST streams) */
    uint32_t max;  /* bytes, inflated */
    uint32_t gzip_min;
};

#define ENVELOPE_HEAD ((size_t)5)
#define ENVELOPE_GZIP 0x01u
#define ENVELOPE_END 0x02u      /* Connect: end of the stream */
#define ENVELOPE_TRAILERS 0x80u /* gRPC-Web */

/* One envelope of *rest. False when it is cut short (then *rest is unchanged). */
bool message_envelope_next(str *rest, uint8_t *flags, str *payload);
/* The length that an envelope's head tells; head has 5 bytes. */
size_t message_envelope_length(const char *head);
/* Appends an envelope that is not compressed. */
void message_envelope_put(buf *b, uint8_t flags, str payload);

/* Whether the flags of an envelope from a client make sense. Errors: INVALID_ARGUMENT, INTERNAL (as the specifications
 * of gRPC and Connect say: compressed, but no compression was named). */
must_check_ enum code message_flags(struct ctx *cx, const struct message_form *form, uint8_t flags);

/* Inflates payload and checks its size. Errors: INVALID_ARGUMENT, RESOURCE_EXHAUSTED. */
must_check_ enum code message_payload(struct ctx *cx, const struct message_form *form, str payload, bool gzip,
                                      str *out);
/* Decodes payload; *out borrows from it. Errors: INVALID_ARGUMENT, RESOURCE_EXHAUSTED. */
must_check_ enum code message_read(struct ctx *cx, const struct message_form *form, str payload, bool gzip,
                                   const struct pb_type *type, void **out);
/* Appends msg to b, which on failure is as before. *gzip says whether it is compressed (without an envelope the head
 * must say it); may be NULL. Errors: RESOURCE_EXHAUSTED (over max), INTERNAL. */
must_check_ enum code message_write(struct ctx *cx, const struct message_form *form, const struct pb_type *type,
                                    const void *msg, buf *b, bool *gzip);

#endif
