/* Shared by the load generator's files. One thread. */
#ifndef LOAD_INT_H
#define LOAD_INT_H

#include "base/arena.h"
#include "pb/pb.h"

struct load_opt {
    const char *host, *op, *seed;
    char authority[64];
    int port, connections, streams;
    long count, pid, rate;
};

/* What operations need to be there first. */
struct load_made {
    char run[64];
    str uri, hash; /* of uploaded inputs */
};

enum load_how {
    LOAD_UNARY,
    LOAD_STREAM, /* the answer is a stream of messages, which ends when the client has seen enough */
    LOAD_RESET,  /* the client gives up at once */
};

struct load_message {
    const struct pb_type *type;
    void *msg;
    const char *path;
    enum load_how how;
};

struct load_op {
    const char *name;
    struct load_message (*make)(struct arena *mem, long i);
    bool needs_run;   /* a run of core-echo to read */
    bool needs_open;  /* a run that stays open */
    bool then_create; /* each answer is followed by a CreateRun: one call is both */
    bool
        then_get; /* each CreateRun is followed by a GetRunDetails of that run, on another connection: one call is both */
    bool parents;      /* each connection is the parent of a run of its own, and watches its children */
    bool watches;      /* every stream stays open; what is timed are changes */
    bool first_only;   /* a stream is a call, over at its first message */
    bool errors_too;   /* answers that are errors, and connections that break, belong to it */
    bool holds;        /* connections are only held open */
    bool needs_inputs; /* --run, which stays open, and --inputs of its root */
};

enum { LOAD_CREATE, LOAD_GET, LOAD_LIST, LOAD_ENQUEUE, LOAD_SLEEPER, LOAD_OPS = 14 };

extern struct load_opt load_opt;
extern struct load_made load_made;
extern const struct load_op load_ops[LOAD_OPS];

/* What a parent opens before its first child: the stream of its children's changes. */
struct load_message load_watch_children(struct arena *mem, int parent);
/* The name of that parent's run. */
const char *load_parent_run(struct arena *mem, int parent);

#endif
