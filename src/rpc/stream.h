/* Streams as level-triggered steps: a parked stream is only memory.
 *
 * A handler of a streaming RPC is called from the top: when the stream opens, when its topic fires, when a message, the
 * half-close or a cancel arrives, and when the send buffer has room again. It reads state, sends what is newer than its
 * cursor, and returns: CODE_OK after stream_wait() parks it, CODE_OK without stream_wait() ends the stream, any error
 * ends it with that error. It runs on the lane its row names, never twice at once for one stream. */
#ifndef RPC_STREAM_H
#define RPC_STREAM_H

#include "base/ctx.h"
#include "lane/topic.h"

struct stream;

/* Memory that lives as long as the stream: zeroed at the first step. One size for all calls. */
void *stream_state(struct stream *st, size_t size);
/* Lives as long as the stream; for strings that the state points to. Small. */
struct arena *stream_mem(struct stream *st);

/* The head of the response is sent with the first message, at the end, and when a server stream parks. This sends it
 * when this step is over in any case: for client and bidirectional streams whose clients wait for it. */
void stream_send_head(struct stream *st);

/* Encodes msg (of the method's output type) and queues it in order. Errors: RESOURCE_EXHAUSTED over the message cap. */
must_check_ enum code stream_send(struct ctx *cx, struct stream *st, const void *msg);
/* False when the send buffer is over its mark: stop reading, keep the cursor, return stream_again(): the next step
 * comes when there is room. */
bool stream_writable(const struct stream *st);
/* Subscribes to the topic (a stream has at most one; asking for the same again keeps it). Call it BEFORE the first
 * read. */
void stream_subscribe(struct ctx *cx, struct stream *st, struct topic_key key);
/* Parks until the topic fires or something arrives. */
must_check_ enum code stream_wait(struct stream *st);
/* Parks, and also asks for a step at this time (time_now_ns() clock). */
must_check_ enum code stream_wait_until(struct stream *st, int64_t at_ns);
/* Asks for another step as soon as the send buffer allows. */
must_check_ enum code stream_again(struct stream *st);

/* Client and bidirectional streams: the next message of the client, decoded into the step's arena. *out = NULL when
 * none has arrived yet (then stream_wait()). */
must_check_ enum code stream_recv(struct ctx *cx, struct stream *st, void **out);
/* The client has half-closed and stream_recv() has delivered everything. */
bool stream_recv_done(const struct stream *st);

#endif
