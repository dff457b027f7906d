/* What callers have changed, in the order of the changes. */
#ifndef STORE_AUDIT_H
#define STORE_AUDIT_H

#include "base/ctx.h"

struct store_audit {
    int64_t id; /* grows */
    int64_t time_ns;
    str rpc;     /* the path of the RPC */
    str subject; /* of the caller; empty = not known */
    str name;    /* the caller's, for people */
    str address; /* where the call came from; empty = this machine */
    str about;   /* what it changed */
};

/* Write entry. By cx->who; a->time_ns is that of the wall clock, whatever it was set to. a->id is not looked at. */
must_check_ enum code store_audit_add(struct ctx *cx, const struct store_audit *a);
/* Rows with since_ns <= time_ns < before_ns and id < before_id, newest first, at most max. */
must_check_ enum code store_audit_list(struct ctx *cx, int64_t since_ns, int64_t before_ns, int64_t before_id,
                                       size_t max, struct store_audit **out, size_t *n);
/* How many rows are older. */
must_check_ enum code store_audit_count(struct ctx *cx, int64_t before_ns, uint64_t *out);
/* Write entry: forgets them, at most max; *removed tells how many. */
must_check_ enum code store_audit_sweep(struct ctx *cx, int64_t before_ns, size_t max, size_t *removed);

#endif
