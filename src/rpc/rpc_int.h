/* What the files of rpc/ share about the server as a whole. */
#ifndef RPC_RPC_INT_H
#define RPC_RPC_INT_H

#include "base/list.h"
#include "base/map.h"
#include "rpc/rpc.h"

#include <pthread.h>
#include <stdatomic.h>

#define RPC_LOOPS_MAX 64
/* Runs kept for reuse by a loop, each with a block of memory. */
#define RPC_RUNS_KEPT 256

enum stream_kind {
    STREAM_NONE,  /* unary */
    STREAM_STATE, /* the latest state wins */
    STREAM_LOG,   /* nothing is skipped */
};

struct rest_node;
struct rpc_count;

/* An RPC and its policy. */
struct method {
    const struct pb_method *pb;
    enum lane_kind lane;
    enum stream_kind kind;
    bool audited;  /* it changes something */
    bool priority; /* write lane: the share of the queue kept for Enqueue (D-04); patient (lane.h) */
    uint32_t max;  /* bytes of one message */
    str path;      /* "/flyteidl2.workflow.RunService/CreateRun" */
    str name;      /* the same without the slash */
    struct rpc_count *count;
};

struct run;

/* Steps that a loop submits in one round and that others may share. */
#define RPC_SHARES 512
struct rpc_share {
    struct run *run;
    uint64_t hash;
    uint64_t round; /* older than the loop's: empty */
};

/* What belongs to one event loop; its thread only. */
struct rpc_loop {
    struct rpc *rpc;
    struct loop *loop;
    /* Entries collected in this round, handed to the lanes at its end. */
    struct {
        struct lane_entry *first, **end;
    } batch[LANE_KINDS_];
    struct loop_post flush;
    bool flush_asked;
    uint64_t round;
    struct rpc_share shares[RPC_SHARES];
    struct run *kept; /* for reuse */
    size_t kept_count;
    struct list streams;
    struct loop_timer sweep_timer;
    struct loop_post sweep;
    uint32_t sweep_no;
    struct loop_post drain;
    bool drain_seen;
};

struct rpc {
    struct rpc_config cfg;
    uint32_t message_max, response_max, gzip_min; /* of cfg, as calls keep them */
    struct http_service service;
    struct method *methods; /* in the order of the table */
    size_t method_count;
    uint32_t *routes; /* hash table: index + 1 of a method */
    size_t route_mask;
    struct rest_node *rest; /* the tree of REST's paths */
    _Atomic uint32_t port;  /* 0 = not told */
    _Atomic bool draining;
    _Atomic int64_t inflight_bytes;
    struct arena_budget decoded; /* of all runs (D-34) */
    _Atomic int64_t on_lanes;    /* entries that a lane holds */
    uint64_t error_base;         /* random, so that numbers of two starts differ */
    _Atomic uint64_t error_ids;
    struct arena mem;
    struct principal *known; /* accounts that may call over loopback; only grows */
    size_t known_max;
    _Atomic size_t known_count;
    struct map people;    /* whom trusted proxies have named; only grows; under lock */
    pthread_mutex_t lock; /* held to add an account or a loop, which are found without it */
    struct rpc_loop loops[RPC_LOOPS_MAX];
    _Atomic size_t loop_count;
};

/* ---- method.c ---- */

/* Builds the table of methods and their policies. Errors: INTERNAL when methods.def names one that is not there. */
must_check_ enum code method_table(struct ctx *cx, struct rpc *r);
/* NULL = no RPC has this path. */
const struct method *method_find(const struct rpc *r, str path);

/* ---- rpc.c ---- */

/* Of the calling loop thread; made at its first call. */
struct rpc_loop *rpc_loop_get(struct rpc *r, struct loop *loop);
/* Queues the entry for the end of this round. */
void rpc_loop_submit(struct rpc_loop *l, enum lane_kind kind, struct lane_entry *e);

#endif
