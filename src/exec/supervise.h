/* The supervisor: a small process, one per data folder, that is the parent of all tasks. It outlives the server, starts
 * tasks, and writes every start and every end to disk before it matters (D-20). */
#ifndef EXEC_SUPERVISE_H
#define EXEC_SUPERVISE_H

#include "base/ctx.h"

/* Part of the message when another supervisor has the folder. */
#define EXEC_SUPERVISE_ANOTHER "another supervisor serves this data folder"

struct exec_supervise_options {
    str data_dir;        /* absolute */
    bool s3_keep;        /* the address it had last counts first */
    str s3_listen;       /* of the S3 endpoint (exec/endpoint.h); "" = none */
    int64_t ready_fd;    /* gets "ok\n" or a line that says why not; 0 = none */
    bool no_cgroup;      /* sample memory instead */
    int64_t idle_exit_s; /* ends after that long without tasks and servers; 0 = 60 s */
};

/* Serves until it is told to stop or idle; the whole work of `tern supervise`. One call in a process.
 * Errors: FAILED_PRECONDITION when another supervisor serves the folder, and what files and sockets answer. */
must_check_ enum code exec_supervise_run(struct ctx *cx, const struct exec_supervise_options *options);

/* Asks the supervisor of this folder to end. With tasks: ends its tasks too and waits for that; without: only when it
 * has none (*stopped says which). No supervisor is no error. */
must_check_ enum code exec_supervise_stop(struct ctx *cx, str data_dir, bool tasks, bool *stopped);

#endif
