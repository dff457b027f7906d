/* Raw-container tasks: a container of an OCI runtime (podman, docker, nerdctl), run by a process of ours that stays in the
 * foreground, `tern run_container`. That process is the task for the supervisor; the container is named by the attempt, so
 * that whoever finds the process dead can remove it. */
#ifndef EXEC_CONTAINER_H
#define EXEC_CONTAINER_H

#include "exec/local.h"
#include "exec/wire.h"

enum exec_container_kind { EXEC_CONTAINER_PODMAN, EXEC_CONTAINER_DOCKER, EXEC_CONTAINER_NERDCTL };

struct exec_container_runtime {
    str path; /* absolute */
    enum exec_container_kind kind;
};

/* The setting exec.local.container_runtime: auto, none, a name for PATH, or a path. In cx->mem.
 * Errors: FAILED_PRECONDITION saying what to install. */
must_check_ enum code exec_container_find(struct ctx *cx, str configured, struct exec_container_runtime *out);

/* Of a container task, for exec_task_plan(): argv, env (with what the runtime needs of ours), and the container that is to
 * be removed. env: the task's variables. Errors: FAILED_PRECONDITION, INVALID_ARGUMENT. */
must_check_ enum code exec_container_plan(struct ctx *cx, const struct exec_local_config *cfg,
                                          const struct exec_task *task, struct exec_strs env, struct exec_msg *out);

/* ---- in the process that runs it --------------------------------------------------------------------------------- */

struct exec_container_mount {
    str from, to; /* absolute */
    bool readonly;
};

struct exec_container_run {
    str runtime, name, label, image;
    const str *argv; /* the first `command` of them replace the image's entrypoint; the others are its arguments */
    size_t argc, command;
    int64_t cpu_millis, memory_bytes, gpus; /* 0 = not limited, none */
    const struct exec_container_mount *mounts;
    size_t mount_count;
    str options; /* for the runtime, one a line */
};

struct exec_container_end {
    bool started; /* false: there never was a container that ran */
    bool oom;
    int exit_code;
    int told; /* the signal by which this process was told to end, or 0 */
};

/* Runs a container to its end and removes it; its output goes to this process's. The task's variables are those of this
 * process whose names begin with EXEC_CONTAINER_ENV, without that. Takes SIGTERM, SIGINT and SIGHUP while it runs. One
 * thread. Errors: INVALID_ARGUMENT for an image, a path or a variable that cannot be given; INTERNAL. */
must_check_ enum code exec_container_run(struct ctx *cx, const struct exec_container_run *what,
                                         struct exec_container_end *out);
/* Removes a container, running or not, and looks again a little later for one that was just being made. */
void exec_container_remove(struct ctx *cx, str runtime, str name);
/* Files that a container has left under other accounts, which a rootless podman can remove and we cannot. */
void exec_container_remove_files(struct ctx *cx, str runtime, str path);

#define EXEC_CONTAINER_ENV "TERN_TASK_"
/* Where the files of secrets are, when there are any: set by the supervisor. */
#define EXEC_CONTAINER_SECRETS "TERN_SECRETS"

#endif
