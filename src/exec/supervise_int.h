/* What the files of the supervisor share. One process, one thread: everything here belongs to the loop's thread. */
#ifndef EXEC_SUPERVISE_INT_H
#define EXEC_SUPERVISE_INT_H

#include "base/list.h"
#include "base/map.h"
#include "exec/journal.h"
#include "exec/limits.h"
#include "exec/logfile.h"
#include "exec/spawn.h"
#include "exec/wire.h"
#include "net/loop.h"

#include <sys/resource.h>

struct exec_pool;

struct exec_super {
    struct arena mem; /* reset when a round ends */
    struct ctx cx;
    str data_dir;
    struct loop *loop;
    struct exec_journal *journal;
    struct exec_limits limits;
    struct exec_pool *pool;
    struct map attempts;    /* by exec_attempt.id */
    size_t running;         /* STARTING or RUNNING */
    struct list unsynced;   /* attempts with news that are not durable yet */
    struct list lingering;  /* ended, but their groups still hold dying processes */
    struct list clients;    /* connected servers */
    struct loop_post flush; /* at the end of the round */
    bool flush_due, stopping, stopped;
    struct loop_timer retry, sampler, tick, idle, keys;
    struct loop_fd signals, listener, inotify;
    bool log_quiet;  /* inotify is off until the next tick */
    str secrets_dir; /* where file secrets go when they cannot be mounted */
    int can_mount;   /* 0 = not tried yet, 1 = yes, -1 = no */
    const char *mount_error;
    int64_t idle_exit_ns;
    size_t compacted; /* size of the journal after the last replacement */
    str build;
    char s3_listen[256]; /* "" = no S3 endpoint */
    bool s3_keep;        /* its last address counts first */
    int s3_pid;          /* 0 = not running, or not ours */
    str s3_upstreams;    /* what the server said of others' buckets; on the heap */
    bool s3_said;        /* it did */
    bool s3_changed;     /* the process was told to end, to start again with another list */
    struct loop_timer s3_again;
};

/* One attempt. fact holds what is known of it, as it is told to servers and to the journal; its strings are on the
 * heap. */
struct exec_attempt {
    char id[12]; /* the key, as the map wants it */
    struct exec_super *super;
    struct exec_msg fact;
    struct list unsynced, lingering;
    struct exec_spawned process;
    struct loop_fd pidfd; /* of an adopted process, else fd -1 */
    struct loop_fd oom;   /* cgroup v1's event, else fd -1 */
    struct exec_limit limit;
    struct exec_logfile log;
    int watch; /* of inotify, -1 = none */
    struct loop_timer kill;
    buf launch;              /* the message, kept while a warm process may still refuse it */
    bool begin_due, end_due; /* records that are not durable yet */
    bool over_memory;
    bool dead;    /* an adopted one that has ended; kill is the time to stop asking how */
    bool secrets; /* has a folder in secrets_dir */
    bool warm;
};

/* ---- attempt.c ------------------------------------------------------------------------------------------------- */
struct exec_attempt *exec_attempt_find(struct exec_super *s, struct exec_key key);
void exec_attempt_launch(struct exec_super *s, const struct exec_msg *m);
/* What the pool answers to exec_pool_ask(): a process that waits at its gate, perhaps in groups of its own (limits.h);
 * or no. */
void exec_attempt_forked(struct exec_attempt *a, int pid, bool has_groups);
void exec_attempt_go_cold(struct exec_attempt *a);
void exec_attempt_tell(struct exec_attempt *a);
/* Above that many bytes it is ended by us; 0 = never. */
int64_t exec_attempt_memory(const struct exec_attempt *a);
void exec_attempt_abort(struct exec_attempt *a, int64_t grace_ms);
void exec_attempt_forget(struct exec_super *s, struct exec_key key);
/* A child has ended; false when it is no attempt's. */
bool exec_attempt_reaped(struct exec_super *s, int pid, int status, const struct rusage *used);
void exec_attempt_free(struct exec_attempt *a);
/* Journal, release, tell: everything that has gathered in s->unsynced. */
void exec_attempt_flush(struct exec_super *s);
/* One record of the journal, at the start; then exec_attempt_adopt() for all. */
void exec_attempt_replay(void *super, const struct exec_msg *m);
void exec_attempt_adopt(struct exec_super *s);
/* Removes groups whose last process is gone. */
void exec_attempt_sweep(struct exec_super *s);

/* ---- secrets.c: file secrets (D-35) ---------------------------------------------------------------------------- */
/* Has the files mounted by the child, or writes them to a folder of the attempt's own and points the environment to it.
 */
must_check_ enum code exec_secrets_place(struct exec_attempt *a, const struct exec_msg *m, struct exec_spawn *what);
void exec_secrets_remove(struct exec_attempt *a);
void exec_secrets_init(struct exec_super *s);

/* ---- watch.c: what is looked at from time to time -------------------------------------------------------------- */
/* Starts the time index of the attempt's log. */
void exec_watch_log(struct exec_attempt *a);
void exec_watch_log_end(struct exec_attempt *a);
void exec_watch_start(struct exec_super *s);
/* Looks at what lingers within 20 ms. */
void exec_watch_soon(struct exec_super *s);
/* Samples memory while an attempt with a limit runs and no cgroup does it. */
void exec_watch_memory(struct exec_super *s);
/* Now and once a minute: removes what access.h keeps of attempts that are long over. */
void exec_watch_keys(struct exec_super *s);
/* Sends a signal to everything the attempt has started that can be found. */
void exec_watch_kill_tree(struct exec_attempt *a, int signal);

/* ---- pool.c: warm Python processes ----------------------------------------------------------------------------- */
struct exec_pool *exec_pool_new(struct exec_super *s);
void exec_pool_free(struct exec_pool *p);
/* True: the answer comes later, by exec_attempt_forked() or exec_attempt_go_cold(). False: start it cold. */
bool exec_pool_ask(struct exec_pool *p, struct exec_attempt *a, const struct exec_msg *launch);
/* The attempt is gone before its answer came. */
void exec_pool_drop(struct exec_pool *p, struct exec_attempt *a);

/* ---- super_s3.c: the process of the S3 endpoint ------------------------------------------------------------------ */
/* The process is started when a server has said what it serves, or did not for a second. */
void exec_super_s3_start(struct exec_super *s);
void exec_super_s3_set(struct exec_super *s, str upstreams);
/* False when the child that ended is another. */
bool exec_super_s3_reaped(struct exec_super *s, int pid);
void exec_super_s3_stop(struct exec_super *s);

/* ---- super_container.c: containers of tasks that were killed ---------------------------------------------------- */
/* After the end: removes the attempt's container, when it has one and its process could not have done so. */
void exec_super_container_remove(struct exec_attempt *a);

/* ---- supervise.c ----------------------------------------------------------------------------------------------- */
void exec_super_tell(struct exec_super *s, const struct exec_msg *m); /* to every connected server */
void exec_super_flush_later(struct exec_super *s);
/* Something began or ended: may start or stop the idle clock, or end the process. */
void exec_super_changed(struct exec_super *s);

#endif
