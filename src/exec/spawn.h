/* Starting a process that waits at a gate: it runs only after exec_spawn_release(), and exits without running when the
 * gate is closed instead, also by the end of this process. Supervisor's thread; the process may have other threads. */
#ifndef EXEC_SPAWN_H
#define EXEC_SPAWN_H

#include "base/ctx.h"
#include "exec/wire.h"

struct exec_spawn {
    str program;           /* absolute, or looked up in the PATH of env */
    struct exec_strs argv; /* argv[0] included */
    struct exec_strs env;  /* "NAME=value", complete */
    str cwd;
    int log_fd;                                   /* becomes stdout and stderr */
    int keep_fd;                                  /* becomes descriptor 3; -1 = none */
    struct exec_strs secret_names, secret_values; /* files for a private /etc/flyte/secrets */
};

struct exec_spawned {
    int pid;
    int gate;  /* write end */
    int error; /* read end: what failed between the gate and exec */
};

/* The child leads a session and process group of its own; signals, mask, umask and limits are the defaults. */
must_check_ enum code exec_spawn_start(struct ctx *cx, const struct exec_spawn *what, struct exec_spawned *out);
void exec_spawn_release(struct exec_spawned *s);
/* Closes the gate: a child that has not been released exits. */
void exec_spawn_cancel(struct exec_spawned *s);
/* After the child's end: the message of a failed start, or empty. Closes the pipe. */
str exec_spawn_error(struct ctx *cx, struct exec_spawned *s);
/* Raises this process's own descriptor limit; children get the old one back. Call once, first. */
void exec_spawn_raise_limits(void);
/* In a child that is not started by this part: gives the old limit back. System calls only. */
void exec_spawn_restore_limits(void);
/* Whether file secrets can be given in a private /etc/flyte/secrets here; else why not. Tries it once, in a child. */
bool exec_spawn_can_mount(const char **why);

/* Gives this process a private view of the file system; where that is not allowed, inside a user namespace that maps
 * only this account ("1000 1000 1"). System calls only. False when neither is possible. */
bool exec_spawn_private(const char *uid_map, const char *gid_map);

#define EXEC_SECRETS_DIR "/etc/flyte/secrets"

#endif
