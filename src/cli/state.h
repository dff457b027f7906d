/* The file by which a running server is found: <data>/run/server.json, {"pid", "start_time", "api", "s3"}. A pid is
 * believed only with the start time of /proc, so that a reused one is never signalled. Any thread. */
#ifndef CLI_STATE_H
#define CLI_STATE_H

#include "base/ctx.h"

struct cli_state {
    int64_t pid;
    int64_t start_time; /* clock ticks since boot: field 22 of /proc/<pid>/stat */
    str api;            /* "localhost:30080" */
    str s3;             /* "localhost:30002" */
};

/* For this process; api and s3 are the caller's. Durable when it returns. */
must_check_ enum code cli_state_write(struct ctx *cx, str data_dir, str api, str s3);
/* Removes the file; no error when it is not there. */
void cli_state_remove(struct ctx *cx, str data_dir);
/* *out = NULL when there is no file, or its process is gone. Errors: DATA_LOSS for a file that says nothing. */
must_check_ enum code cli_state_find(struct ctx *cx, str data_dir, struct cli_state **out);
/* The start time of a process; false when there is none. */
bool cli_state_start_time(struct ctx *cx, int64_t pid, int64_t *out);

#endif
