/* Executors: what runs an attempt of an action. They report facts and never see the store.
 *
 * All operations are idempotent and keyed by attempt. An executor calls notify(arg, key) on any thread whenever an
 * observation has changed; the engine then asks exec_observe(). */
#ifndef EXEC_EXEC_H
#define EXEC_EXEC_H

#include "base/ctx.h"

struct exec_key {
    uint64_t action_id; /* store row id: unique in this data folder, never reused */
    uint32_t attempt;   /* 1-based */
};

struct exec_env {
    str name, value;
};

/* With file_name: a file of that name (it may have "/") in /etc/flyte/secrets, and env_name, when not empty, is set to
 * its path. Without: env_name is set to the value. */
struct exec_secret {
    str env_name;
    str file_name;
    str value;
};

/* A raw-container task: argv is for its image, not for this machine. Paths are the container's, URIs are s3://... */
struct exec_container {
    size_t command;            /* so many of argv replace the image's entrypoint; the others are its arguments */
    str input_dir, output_dir; /* where inputs are found and outputs expected, as files; empty = there are none */
    str format;                /* of the file that holds all inputs: "json", "yaml" or "proto" */
    bool named;                /* files keep their names in a folder of each input */
    str interface;             /* core.TypedInterface with the outputs, base64 */
    str inputs, outputs, raw;  /* inputs.pb, the attempt's folder, where files go that are outputs */
};

#define EXEC_CONNECTOR_SEALED_MAX ((size_t)4 << 20)
/* A task that a connector runs (exec/connectors.h): of exec_task only the key counts then. */
struct exec_connector_task {
    str connector; /* its name */
    str type;      /* task type */
    int32_t version;
    str request;    /* connector.CreateTaskRequest */
    str connection; /* core.Connection of it, for later calls; empty = none */
    str sealed;     /* the same, sealed for the disk: at most EXEC_CONNECTOR_SEALED_MAX */
    str output_prefix;
    bool has_outputs;
};

struct exec_task {
    struct exec_key key;
    str project, domain, run, action; /* for logs, names and folders */
    str queue;                        /* empty = EXEC_QUEUE_DEFAULT */
    uint64_t run_id;                  /* the same for all attempts of a run */
    const str *argv;
    size_t argc;
    const struct exec_env *env; /* complete: nothing is inherited but what exec/ adds (PATH, HOME of the task, LANG) */
    size_t env_count;
    const struct exec_secret *secrets;
    size_t secret_count;
    str image;            /* as the task says; chooses the interpreter (D-24) */
    str sdk_version;      /* of the task, for the warning about another version */
    str notes;            /* lines for its log */
    int64_t cpu_millis;   /* 0 = not declared */
    int64_t memory_bytes; /* 0 = not declared: no limit */
    int32_t gpus;
    const struct exec_container *container;      /* NULL = a process */
    const struct exec_connector_task *connector; /* not NULL: neither */
    bool python;                                 /* argv[0] is the SDK's runtime (a0): may run on the warm pool */
    uint32_t depth;                              /* how many ancestors it has: D-22's tie break */
    str access;                                  /* what its storage key may do, lines of exec/access.h */
};

#define EXEC_QUEUE_DEFAULT "default"

/* What was said of a queue or a project. */
struct exec_rule {
    bool project; /* else a queue */
    str name;
    uint32_t limit;   /* how many attempts may work; 0 = no limit. One that waits for its children does not count */
    int32_t priority; /* of a queue: the higher goes first */
    uint32_t weight;  /* of a project: its share of what is scarce; 0 = 1 */
    bool paused;      /* nothing of it starts; what runs goes on */
};
struct exec_load {
    struct exec_rule rule;
    uint64_t working, waiting, queued; /* attempts; waiting: for their children */
};

enum exec_state {
    EXEC_UNKNOWN,  /* never launched, or cleaned up */
    EXEC_WAITING,  /* for a slot; reason says for what */
    EXEC_STARTING, /* being started */
    EXEC_RUNNING,
    EXEC_EXITED,
    EXEC_LOST,    /* it ran and its exit status cannot be known any more */
    EXEC_REFUSED, /* cannot ever run here; error says why */
};

struct exec_observation {
    enum exec_state state;
    int exit_code;                /* of EXITED, when signal == 0 */
    int signal;                   /* that ended it, or 0 */
    bool oom;                     /* killed for its memory */
    bool aborted;                 /* by exec_abort */
    str reason;                   /* WAITING: what for; in cx->mem */
    str error_code;               /* REFUSED: "ResourcesUnavailable", ... */
    str error;                    /* REFUSED: for the user */
    bool system;                  /* REFUSED: not the user's fault, may be tried again */
    int64_t started_ns, ended_ns; /* wall clock; 0 = not yet */
    int64_t cpu_ns, max_rss;      /* of the ended process; 0 = unknown */
};

struct exec;
typedef void exec_notify_fn(void *arg, struct exec_key key);

/* Queues the attempt for a slot and returns; copies what it needs. Launching a known key again does nothing. Errors:
 * UNAVAILABLE when too much waits already: launch it later. */
must_check_ enum code exec_launch(struct ctx *cx, struct exec *e, const struct exec_task *task);
/* Strings in cx->mem. */
must_check_ enum code exec_observe(struct ctx *cx, struct exec *e, struct exec_key key, struct exec_observation *out);
/* Ends the whole process group: SIGTERM, then SIGKILL after the grace. An attempt that waits never starts. */
must_check_ enum code exec_abort(struct ctx *cx, struct exec *e, struct exec_key key);
/* The outcome is durable in the store: forget the attempt (its log and folder stay until retention). */
must_check_ enum code exec_cleanup(struct ctx *cx, struct exec *e, struct exec_key key);
/* Tells that the attempt has open children and waits for them: its CPU share is lent out (D-22). */
void exec_set_waiting(struct exec *e, struct exec_key key, bool waiting);
/* Replaces what was said of queues and projects; what runs goes on. Attempts that wait are told of a change. */
void exec_set_rules(struct exec *e, const struct exec_rule *rules, size_t n);
/* The queues and projects that have a rule or attempts. */
must_check_ enum code exec_loads(struct ctx *cx, struct exec *e, struct exec_load **out, size_t *n);
/* For a task that needs no process: a place in its queue and project, until exec_cleanup(). started: it has begun before
 * and takes its place in any case. False when there is none now; *reason says why. */
bool exec_hold(struct ctx *cx, struct exec *e, const struct exec_task *task, bool started, str *reason);
/* Keys of all attempts that the executor knows, for recovery. After a restart of the server the attempts that were
 * waiting are not among them: launch them again; and say again which ones wait for children. */
must_check_ enum code exec_list(struct ctx *cx, struct exec *e, struct exec_key **out, size_t *n);

/* Where an attempt keeps things; for retention. */
struct exec_place {
    struct exec_key key;
    str project, domain, run, action;
};
/* What a sweep found: bytes on disk. */
struct exec_swept {
    uint64_t count;
    int64_t bytes;
};
/* Removes the work folder and, if asked, the log of an attempt that was cleaned up; dry: only looks. Adds to *swept what
 * was there; what is gone already is no error. Errors: FAILED_PRECONDITION while the attempt is known. */
must_check_ enum code exec_discard(struct ctx *cx, struct exec *e, const struct exec_place *place, bool log, bool dry,
                                   struct exec_swept *swept);
/* A run of which work folders are there. */
struct exec_kept_run {
    str project, domain, run; /* as their folders spell them: exact for every legal name */
    int64_t changed_ns;       /* when an action's folder was added or removed last */
};
must_check_ enum code exec_list_kept(struct ctx *cx, struct exec *e, struct exec_kept_run **out, size_t *n);
/* All work folders of a run that no row knows. */
void exec_discard_run(struct ctx *cx, struct exec *e, const struct exec_kept_run *run, bool dry,
                      struct exec_swept *swept);
/* Logs that nobody has written to since, of attempts that the executor does not know. */
void exec_sweep_logs(struct ctx *cx, struct exec *e, int64_t before_ns, bool dry, struct exec_swept *swept);
/* Leaves what runs running; waiting attempts are forgotten. */
void exec_stop(struct exec *e);

/* ---- logs (D-25) --------------------------------------------------------------------------------------------------
 */

struct exec_log_line {
    int64_t time_ns; /* wall clock */
    str text;        /* ends in \n; valid UTF-8; other control bytes than \t and ESC replaced; at most 64 KiB */
    bool system;     /* written by us, not by the task */
};
struct exec_log_page {
    struct exec_log_line *p;
    size_t n;
    int64_t next; /* cursor for the following page */
    bool ended;   /* nothing will follow: the attempt has ended and all was delivered */
};
/* Lines from the cursor on (0 = the beginning, -n = those that begin in the last n bytes, of which EXEC_LOG_BACK_MAX are
 * looked at), at most max_lines. Errors: NOT_FOUND before the attempt has a log. */
#define EXEC_LOG_BACK_MAX 4096
must_check_ enum code exec_log_read(struct ctx *cx, struct exec *e, struct exec_key key, int64_t cursor,
                                    size_t max_lines, struct exec_log_page *out);
/* Appends a line of our own. */
void exec_log_system(struct exec *e, struct exec_key key, str line);

#endif
