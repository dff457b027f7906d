/* What is to be done about an action: a pure function of what is known. What is not known yet is asked for: the caller
 * looks, and asks again. Nothing is remembered between two reconciliations but what is in the store. */
#ifndef ENGINE_DECIDE_H
#define ENGINE_DECIDE_H

#include "base/ctx.h"
#include "engine/task.h"
#include "exec/exec.h"
#include "store/attempt.h"

#define ENGINE_SYSTEM_RETRIES 3

/* What a look can be at. */
enum {
    ENGINE_LOOK_EXEC = 1,     /* the executor, for the current attempt */
    ENGINE_LOOK_PREVIOUS = 2, /* the executor, for the attempt before */
    ENGINE_LOOK_RESULT = 4,   /* error.pb and outputs.pb */
    ENGINE_LOOK_CACHE = 8,    /* the cache entry and reservation */
    ENGINE_LOOK_CORE = 16,    /* the inputs of a task that runs inside the engine */
    ENGINE_LOOK_SLOT = 32,    /* the run's limit of concurrent actions */
    ENGINE_LOOK_LAUNCH = 64,  /* the launch, put together */
    ENGINE_LOOK_PLACE = 128,  /* of a task inside the engine: a place in its queue and project */
};

struct engine_result {
    enum { ENGINE_RESULT_NONE, ENGINE_RESULT_ERROR, ENGINE_RESULT_OUTPUTS } kind;
    int32_t error_kind; /* core.ExecutionError.ErrorKind */
    str code, message;
    bool recoverable;
};

enum engine_cache { ENGINE_CACHE_MISS, ENGINE_CACHE_HIT, ENGINE_CACHE_BUSY, ENGINE_CACHE_FAILURE };

struct engine_look {
    const struct store_action *a;
    const struct engine_task *task; /* tasks */
    const struct store_attempt *at; /* the current attempt's row; NULL before the intent to launch */
    int64_t condition_timeout_ns;   /* conditions; 0 = none */
    int64_t now_ns;                 /* as the row counts (engine/clock.h) */
    bool orphan;                    /* the run was aborted, or the parent has ended */
    bool overwrite_cache;           /* run_spec: no lookup */
    unsigned have;                  /* which of the following are known */
    struct exec_observation exec;   /* EXEC */
    enum exec_state previous;       /* PREVIOUS */
    struct engine_result result;    /* RESULT */
    str said;                       /* RESULT: how the log of a process that failed without an error.pb ends */
    enum engine_cache cache;        /* CACHE */
    int64_t sleep_ns;               /* CORE */
    bool slot;                      /* SLOT: it may start */
    bool held;                      /* PLACE: it has one */
    str no_place;                   /* PLACE: why it has none */
    str bad_spec;                   /* CORE, LAUNCH: why the task can never run; empty = it can */
};

enum engine_verb {
    ENGINE_STAY,     /* nothing to write */
    ENGINE_ADVANCE,  /* the attempt is in a later phase */
    ENGINE_LAUNCH,   /* write the intent, then launch */
    ENGINE_RELAUNCH, /* the intent is there, the executor does not know it: launch */
    ENGINE_RETRY,    /* the attempt ended; a new one waits until retry_ns */
    ENGINE_END,      /* the action ended */
};

struct engine_decision {
    unsigned need; /* not 0: look at these and decide again; the rest is then meaningless */
    enum engine_verb verb;
    int32_t phase;      /* ADVANCE, END: the new one; RETRY: how the attempt ended */
    int32_t error_kind; /* with code and message, of RETRY and END */
    str code, message;
    bool recoverable;
    str remark;           /* END with success: what is odd about it; mostly empty */
    bool system_failure;  /* RETRY: counts as one of the system's */
    bool from_cache;      /* END: outputs of the cache entry */
    int32_t cache_status; /* core.CatalogCacheStatus; LAUNCH, ADVANCE, END */
    int64_t retry_ns;     /* RETRY: when the new attempt may begin, as the row counts */
    int64_t wake_ns;      /* look again then, as the row counts; 0 = when something happens */
    str wait_reason;      /* STAY, ADVANCE: what it waits for */
    bool abort;           /* tell the executor to end the current attempt (of RETRY and END: the one that ended) */
    bool cleanup;         /* tell the executor to forget it */
    bool abort_previous, cleanup_previous; /* the same for the attempt before the current one */
};

/* Strings live in mem, in the look, or for ever. */
void engine_decide(const struct engine_look *look, struct arena *mem, struct engine_decision *out);

/* The wait before the n-th retry (from 0) of a task. */
int64_t engine_decide_backoff_ns(const struct engine_task *task, uint32_t n);

#endif
