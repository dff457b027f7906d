/* The S3 endpoint's process, `tern s3`: it serves the data folder's objects on a port of its own and outlives both the
 * server and the supervisor's death (D-13, docs/decisions/0002). The supervisor starts it, starts it again when it dies,
 * and ends it with itself. Where it listens is in <data>/run/s3.endpoint, which is right while <data>/run/s3.lock is held. */
#ifndef EXEC_ENDPOINT_H
#define EXEC_ENDPOINT_H

#include "base/ctx.h"

/* The process itself: serves until SIGTERM. listen: "host:port"; keep: the address that was used last is tried first.
 * While tasks run, which know that address, it is the only one. Errors: FAILED_PRECONDITION when another process serves
 * the folder, or the port is taken. */
struct exec_endpoint_options {
    str data_dir, listen;
    bool keep;
    int64_t upstreams_fd; /* a file with the list of others' buckets (object/upstream.h); 0 = none */
};
must_check_ enum code exec_endpoint_run(struct ctx *cx, const struct exec_endpoint_options *options);

/* "localhost:30002" of the process that serves now; waits for one at most wait_ns. Errors: UNAVAILABLE, saying where its log
 * is; FAILED_PRECONDITION when it could not listen, saying why. */
must_check_ enum code exec_endpoint_find(struct ctx *cx, str data_dir, int64_t wait_ns, str *out);
/* Before a process is started: from here on exec_endpoint_find() waits for its announcement, and does not take that of one
 * that was killed. One that still serves, a dead supervisor's, is asked to make room: the new one waits for that. */
void exec_endpoint_replace(struct ctx *cx, str data_dir);
/* Ends the process that serves now, if there is one. */
void exec_endpoint_stop(struct ctx *cx, str data_dir);

#endif
