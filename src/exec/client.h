/* The server's end of the connection to the supervisor: one thread that connects, starts a supervisor when there is
 * none, sends what is queued, and hands over what arrives. */
#ifndef EXEC_CLIENT_H
#define EXEC_CLIENT_H

#include "exec/wire.h"

struct exec_client;

struct exec_client_config {
    str data_dir;
    str program;      /* "" = this program */
    bool s3_keep;     /* its last address counts first */
    str s3_listen;    /* of the S3 endpoint that the supervisor keeps running; "" = none */
    str s3_upstreams; /* what it serves of others' buckets */
    bool cgroup;
    int64_t idle_exit_s; /* 0 = default */
    /* On the client's thread. After every (re)connection: WELCOME, a STATE per attempt, SYNCED; then news. */
    void (*on_message)(void *arg, const struct exec_msg *m);
    void *arg;
};

/* Returns when the first SYNCED has been handed over. */
must_check_ enum code exec_client_start(struct ctx *cx, const struct exec_client_config *cfg, struct exec_client **out);
void exec_client_stop(struct exec_client *c);
/* Any thread. Lost when the connection is: after SYNCED the caller says again what still matters. */
void exec_client_send(struct exec_client *c, const struct exec_msg *m);
/* The same for a frame that was made before. */
void exec_client_send_frame(struct exec_client *c, str frame);
/* Why there is no connection now; empty when there is one. In cx->mem. */
str exec_client_trouble(struct ctx *cx, struct exec_client *c);

#endif
