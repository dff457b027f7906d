/* The inside of a stream: shared by stream.c (the loop's side), step.c (the worker's side). */
#ifndef RPC_STREAM_INT_H
#define RPC_STREAM_INT_H

#include "rpc/protocol.h"
#include "rpc/stream.h"

/* What a step may queue before stream_writable() says no, and what may have arrived before the client is paused. */
#define STREAM_MARK ((size_t)256 << 10)

/* A message of the client as it came. */
struct inbound {
    struct inbound *next;
    size_t n;
    bool gzip;
    char data[];
};

struct inbox {
    struct inbound *first, *last;
    size_t bytes;
};

enum verdict { VERDICT_END, VERDICT_WAIT, VERDICT_AGAIN };

/* Where a client's messages wait. A server stream has one until its request is complete. */
struct inlet {
    /* Whoever holds the stream: the worker during a step, else the loop. */
    struct inbox todo;  /* handed to the step */
    struct inbox spent; /* taken by it; freed when it is over */
    bool todo_is_last;  /* the client has half-closed behind todo */
    /* The loop. */
    struct inbox arrived;
    struct inbound *partial; /* being received */
    size_t partial_n;
    size_t handed_bytes; /* of todo, when it was last the loop's */
    size_t refused_n;    /* bytes of a message that is too large */
    char head[ENVELOPE_HEAD];
    uint8_t head_n;
    bool half_closed, paused;
};

/* Small, since ten thousand may be parked. */
struct stream {
    struct call *call;
    struct list node; /* of the loop's streams */

    /* Whoever holds the stream: the worker during a step, else the loop. */
    struct inlet *in;        /* NULL: the request is below */
    struct inbound *request; /* of a server stream */
    void *state;
    size_t state_size;
    struct arena *mem; /* made when first asked for */
    struct topic_sub *sub;
    int64_t wake_ns;
    size_t sent;
    enum verdict verdict;
    bool validated;
    bool head_asked;
    bool audited;

    /* The loop. */
    struct stream *follow_next; /* while another stream's step runs for this one too */
    uint32_t sweep_no;          /* of the last sweep that woke it */
    bool ready, again, dying;
    bool unshared; /* its state has pointers */

    /* Any thread. */
    _Atomic bool fired; /* fired_post is on its way */
    struct loop_post fired_post;
};

void stream_inbox_add(struct inbox *box, struct inbound *m);
struct inbound *stream_inbox_take(struct inbox *box);

/* False when it was subscribed to that already. */
bool stream_subscribe_to(struct stream *st, struct topic_key key);

/* ---- share.c: steps of equal watchers ---- */

/* True: a step that is on its way to a lane will do for this stream too; c->on_lane is set until it is back. */
bool share_join(struct stream *st);
/* Others of this round may join the run, which is submitted right after. */
void share_lead(struct stream *st, struct run *run);
/* The step is back: keeps what the followers need. Before the leader goes on. */
void share_keep(struct run *run);
/* Gives a follower what the step made. False: it must make a step of its own. */
bool share_take(struct stream *st, const struct run *run);

/* step.c: one step, on a worker. */
enum code stream_step(struct lane_entry *e, struct ctx *cx);
/* Topic firings, any thread. */
void stream_on_topic(void *arg);

#endif
