/* Tasks as processes of this machine: slots, the choice of Python, folders, and the way to the supervisor
 * (supervise.h). */
#ifndef EXEC_LOCAL_H
#define EXEC_LOCAL_H

#include "exec/exec.h"

struct exec_local_config {
    str data_dir;          /* absolute */
    str python;            /* exec.local.python: an interpreter or a venv; "" = by image, VIRTUAL_ENV, PATH (D-24) */
    str uv;                /* exec.local.uv */
    bool warm_pool;        /* exec.local.warm_pool */
    bool cgroup;           /* false: never use cgroups, sample memory instead */
    bool ignore_gpu;       /* exec.local.ignore_gpu: GPU requests are dropped */
    bool aws_variables;    /* exec.local.aws_variables */
    double cpus;           /* slots; 0 = as many as this machine has */
    int64_t memory_bytes;  /* 0 = what this machine has */
    int64_t grace_ms;      /* between SIGTERM and SIGKILL; 0 = 5 s */
    str container_runtime; /* exec.local.container_runtime */
    const str *container_options; /* exec.local.container_options */
    size_t container_option_count;
    bool s3_keep;        /* the S3 endpoint's last address counts first */
    str s3_listen;       /* address of the S3 endpoint; "" = none */
    str s3_upstreams;    /* buckets of others, as of object_upstream_resolve() */
    str program;         /* what is started with "supervise"; "" = this program */
    int64_t idle_exit_s; /* of the supervisor, without servers and tasks; 0 = its default */
    /* The attempt's log has more, or has ended. Any thread; must not call back. NULL = nobody asks. */
    void (*log_notify)(void *arg, struct exec_key key);
};

/* Reaches the supervisor of the data folder, starting it when there is none, and learns what runs. notify and
 * log_notify get arg; they run on any thread and must not call exec functions. Errors: FAILED_PRECONDITION (a
 * supervisor that cannot be talked to), UNAVAILABLE, PERMISSION_DENIED. */
must_check_ enum code exec_local_start(struct ctx *cx, const struct exec_local_config *cfg, exec_notify_fn *notify,
                                       void *arg, struct exec **out);

#endif
