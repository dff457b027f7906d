/* The connector executor, for its files. */
#ifndef EXEC_CONNECTOR_INT_H
#define EXEC_CONNECTOR_INT_H

#include "base/list.h"
#include "base/map.h"
#include "exec/connector.h"
#include "exec/connector_file.h"
#include "exec/exec_int.h"

#include <pthread.h>

enum exec_job_step {
    EXEC_JOB_CREATE, /* CreateTask */
    EXEC_JOB_KEEP,   /* the record is to be written */
    EXEC_JOB_LOOK,   /* GetTask */
    EXEC_JOB_STORE,  /* the result is to be stored */
    EXEC_JOB_DELETE, /* DeleteTask */
    EXEC_JOB_OVER,
};

/* A task that a connector runs. Whoever has it busy owns what is not marked as the lock's. */
struct exec_job {
    char id[12];
    struct exec_connector_record r; /* strings in mem */
    const struct exec_connector *c; /* NULL: the setting does not name it any more */
    struct arena mem;               /* for as long as the job */
    struct arena launch;            /* of request, until the job is created */
    str request, connection;
    str file, bytes; /* STORE: the name of the object, what is in it; in result */
    struct arena result;
    struct arena said; /* of what was said last */
    str message, trouble;
    uint64_t links;  /* hash of those that were said */
    int failures;    /* in a row, by the connector's answer */
    int64_t wait_ns; /* before the next look */
    struct arena token;
    str log_token;     /* for the next page of its log */
    int64_t log_bytes; /* of it that are in ours */
    int64_t log_skip;  /* of those, how many come with the next pages */
    bool log_known;    /* log_bytes is */
    int last_looks;    /* since the job is over, for the rest of its log */
    bool no_logs;
    bool created; /* the connector has said so */
    bool unkept;  /* its record could not be written yet */

    struct list node; /* the lock's from here on: in its queue */
    enum exec_job_step step;
    int64_t due_ns;
    bool busy, aborted, changed;
    struct arena texts; /* of seen */
    struct exec_observation seen;
};

struct exec_connector_queue {
    struct list jobs;
    pthread_cond_t wake;
};

struct exec_connector_exec {
    struct exec base;
    struct exec_connector_config cfg;
    struct arena mem;
    pthread_mutex_t lock;
    struct map jobs;                     /* by id */
    size_t kept;                         /* bytes of their requests */
    struct exec_connector_queue *queues; /* one for each connector */
    pthread_t *threads;
    size_t thread_count;
    bool stopping;
};

/* Does the job's step; it is busy, without the lock. Sets job->due_ns, and changed when there is news. */
void exec_job_run(struct ctx *cx, struct exec_connector_exec *x, struct exec_job *job);
/* Copies what the job's log has more, up to 100 pages; true when that was not all of it. */
bool exec_job_copy_log(struct ctx *cx, struct exec_connector_exec *x, struct exec_job *job);
/* With the lock. */
void exec_job_set(struct exec_job *job, enum exec_job_step step, const struct exec_observation *seen);

#endif
