/* The executor for tasks that connectors run (connectors.h), in front of the one that has all others: what a launch does
 * not send to a connector is handed on.
 *
 * A job is created by CreateTask, looked at by GetTask, ended by DeleteTask; two threads for each connector do that. The
 * handle that CreateTask gave is on disk before anybody hears that the job exists, so the next server goes on looking at
 * it. Killed between the two, the next server creates the job again under the same attempt, as the protocol allows. */
#ifndef EXEC_CONNECTOR_H
#define EXEC_CONNECTOR_H

#include "exec/connectors.h"
#include "exec/exec.h"

/* Bytes of requests that wait for their connectors: a launch over it is UNAVAILABLE, but for one alone. */
#ifndef EXEC_CONNECTOR_KEPT_MAX
#define EXEC_CONNECTOR_KEPT_MAX ((size_t)256 << 20)
#endif

struct exec_connector_config {
    str data_dir;
    struct exec_connectors *connectors; /* outlives the executor */
    struct exec *others;                /* taken: stopped with this one */
    /* The outputs and errors of jobs are stored here, blocking. */
    enum code (*put)(struct ctx *cx, void *arg, str uri, str bytes);
    /* Opens exec_connector_task.sealed. */
    enum code (*open)(struct ctx *cx, void *arg, str sealed, str *plain);
    /* The attempt's log has more, or has ended. Any thread; must not call back. */
    void (*log_notify)(void *arg, struct exec_key key);
    exec_notify_fn *notify;
    void *arg; /* of all of them */
};

/* Takes up the jobs of the data folder. On failure others is not taken. */
must_check_ enum code exec_connector_start(struct ctx *cx, const struct exec_connector_config *cfg, struct exec **out);

#endif
