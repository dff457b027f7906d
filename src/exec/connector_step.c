/* What is done for one job of a connector: a step at a time, by a worker that has it busy. */
#include "base/codec.h"
#include "base/log.h"
#include "base/time.h"
#include "exec/connector_int.h"
#include "exec/logfile.h"
#include "gen/flyteidl2_connector.h"

#include <signal.h>
#include <unistd.h>

#define SERVICE "/flyteidl2.connector.AsyncConnectorService/"
#define WAIT_FIRST_NS (500 * NS_PER_MS)
#define WAIT_AWAY_NS (30 * NS_PER_S)
/* Bad answers in a row, after which a look at a job is given up. */
#define FAILURES_MAX 5
#define MESSAGE_MAX ((size_t)4096)
#define LINKS_MAX ((size_t)20)
/* For the log of a job that is over: 100 pages each. */
#define LAST_LOOKS_MAX 1000
/* What is kept of why a job failed, as of all errors. */
#define FAILURE_MAX ((size_t)64 << 10)

#define USER CORE_EXECUTION_ERROR_ERROR_KIND_USER
#define SYSTEM CORE_EXECUTION_ERROR_ERROR_KIND_SYSTEM

/* ---- telling ----------------------------------------------------------------------------------------------------- */

void exec_job_set(struct exec_job *job, enum exec_job_step step, const struct exec_observation *seen)
{
    const struct exec_observation *old = &job->seen;
    bool same = old->state == seen->state && str_eq(old->reason, seen->reason) && step != EXEC_JOB_OVER;
    job->step = step;
    if (same)
        return;
    int64_t started_ns = old->started_ns;
    struct arena texts;
    arena_init(&texts, 0);
    str reason = arena_str(&texts, seen->reason), error = arena_str(&texts, seen->error);
    arena_done(&job->texts);
    job->texts = texts;
    job->seen = *seen;
    job->seen.reason = reason;
    job->seen.error = error;
    job->seen.started_ns = started_ns;
    if (seen->state == EXEC_RUNNING && !started_ns)
        job->seen.started_ns = time_wall_ns();
    if (step == EXEC_JOB_OVER)
        job->seen.ended_ns = time_wall_ns();
    job->changed = true;
}

static void set(struct exec_connector_exec *x, struct exec_job *job, enum exec_job_step step, enum exec_state state,
                str reason)
{
    const struct exec_observation seen = {.state = state, .reason = reason};
    pthread_mutex_lock(&x->lock);
    exec_job_set(job, step, &seen);
    pthread_mutex_unlock(&x->lock);
}

static void next_step(struct exec_connector_exec *x, struct exec_job *job, enum exec_job_step step)
{
    pthread_mutex_lock(&x->lock);
    job->step = step;
    pthread_mutex_unlock(&x->lock);
    job->wait_ns = 0;
}

static void line(struct exec_connector_exec *x, struct exec_job *job, str text)
{
    exec_log_system(x->cfg.others, job->r.key, text);
}

static void end_log(struct ctx *cx, struct exec_connector_exec *x, struct exec_job *job)
{
    struct exec_logfile f;
    if (exec_logfile_open(cx, x->cfg.data_dir, job->r.key, &f) == CODE_OK) {
        exec_logfile_end(&f);
        exec_logfile_close(&f);
    }
    ctx_clear_err(cx);
}

static void end(struct ctx *cx, struct exec_connector_exec *x, struct exec_job *job)
{
    const struct exec_observation done = {.state = EXEC_EXITED};
    const struct exec_observation aborted = {.state = EXEC_EXITED, .signal = SIGTERM, .aborted = true};
    end_log(cx, x, job);
    pthread_mutex_lock(&x->lock);
    exec_job_set(job, EXEC_JOB_OVER, job->aborted ? &aborted : &done);
    pthread_mutex_unlock(&x->lock);
    if (x->cfg.log_notify)
        x->cfg.log_notify(x->cfg.arg, job->r.key);
}

/* ---- time -------------------------------------------------------------------------------------------------------- */

static void wait_longer(struct exec_job *job, int64_t most_ns)
{
    job->wait_ns = job->wait_ns ? 2 * job->wait_ns : WAIT_FIRST_NS;
    if (job->wait_ns > most_ns)
        job->wait_ns = most_ns;
    job->due_ns = time_now_ns() + job->wait_ns;
}

/* It may be asked again. */
static bool is_away(enum code code)
{
    return code == CODE_UNAVAILABLE || code == CODE_DEADLINE_EXCEEDED || code == CODE_ABORTED || code == CODE_CANCELED;
}

/* By us: the server stops. */
static bool is_broken_off(const struct ctx *cx)
{
    return cx->err.code == CODE_ABORTED && !cx->err.foreign;
}

/* It does not answer now: said once, tried again for as long as the job is wanted. */
static void away(struct ctx *cx, struct exec_connector_exec *x, struct exec_job *job)
{
    if (is_broken_off(cx)) {
        ctx_clear_err(cx);
        wait_longer(job, WAIT_AWAY_NS);
        return;
    }
    str why = arena_printf(cx->mem, "connector " STR_FMT " cannot be asked now; trying again: %s",
                           STR_ARG(job->c->name), cx->err.msg);
    pthread_mutex_lock(&x->lock);
    struct exec_observation seen = job->seen;
    seen.reason = seen.state == EXEC_WAITING ? why : STR_NONE;
    exec_job_set(job, job->step, &seen);
    pthread_mutex_unlock(&x->lock);
    if (!job->trouble.n)
        line(x, job, why);
    job->trouble = STR("said");
    ctx_clear_err(cx);
    wait_longer(job, WAIT_AWAY_NS);
}

/* It answered, if only with an error. */
static void back(struct exec_connector_exec *x, struct exec_job *job)
{
    if (job->trouble.n)
        line(x, job, STR("The connector answers again."));
    job->trouble = STR_NONE;
}

/* ---- results ----------------------------------------------------------------------------------------------------- */

static void store_later(struct exec_connector_exec *x, struct exec_job *job, str file, str bytes)
{
    arena_reset(&job->result);
    job->file = arena_str(&job->result, file);
    job->bytes = arena_str(&job->result, bytes);
    next_step(x, job, EXEC_JOB_STORE);
}

/* As an error.pb, which is how every other task says it too. */
static void fail_job(struct ctx *cx, struct exec_connector_exec *x, struct exec_job *job, int32_t kind, bool again,
                     const char *code, str message)
{
    CoreContainerError error = {.code = str_from(code),
                                .message = message,
                                .origin = kind,
                                .kind = again ? CORE_CONTAINER_ERROR_KIND_RECOVERABLE
                                              : CORE_CONTAINER_ERROR_KIND_NON_RECOVERABLE};
    const CoreErrorDocument doc = {.error = &error};
    str bytes;
    if (pb_encode(cx, &CoreErrorDocument_type, &doc, &bytes) != CODE_OK)
        bytes = STR(""); /* reads as an error that says nothing */
    store_later(x, job, STR("error.pb"), bytes);
}

static void step_store(struct ctx *cx, struct exec_connector_exec *x, struct exec_job *job)
{
    str uri = arena_printf(cx->mem, STR_FMT "/" STR_FMT, STR_ARG(job->r.output_prefix), STR_ARG(job->file));
    if (x->cfg.put(cx, x->cfg.arg, uri, job->bytes) == CODE_OK) {
        end(cx, x, job);
        return;
    }
    log_warn(cx, "the result of a connector's job cannot be stored now", LOG_STR("object", uri), LOG_ERR(cx));
    ctx_clear_err(cx);
    wait_longer(job, WAIT_AWAY_NS);
}

/* ---- what the job says ------------------------------------------------------------------------------------------- */

static str shorten(str s)
{
    return str_head_utf8(s, MESSAGE_MAX);
}

static void say_message(struct exec_connector_exec *x, struct exec_job *job, str message)
{
    message = str_trim(shorten(message));
    if (!message.n || str_eq(message, job->message))
        return;
    arena_reset(&job->said);
    job->message = arena_str(&job->said, message);
    line(x, job, message);
}

static void say_links(struct ctx *cx, struct exec_connector_exec *x, struct exec_job *job, const ConnectorResource *r)
{
    uint64_t all = 0;
    size_t n = r->log_links.n < LINKS_MAX ? r->log_links.n : LINKS_MAX;
    for (size_t i = 0; i < n; i++)
        all = all * 31 + str_hash(r->log_links.p[i]->uri) + str_hash(r->log_links.p[i]->name);
    if (all == job->links)
        return;
    job->links = all;
    for (size_t i = 0; i < n; i++) {
        str name = r->log_links.p[i]->name.n ? r->log_links.p[i]->name : STR("Log");
        line(x, job,
             arena_printf(cx->mem, STR_FMT ": " STR_FMT, STR_ARG(shorten(name)),
                          STR_ARG(shorten(r->log_links.p[i]->uri))));
    }
}

/* ---- steps ------------------------------------------------------------------------------------------------------- */

static enum code call(struct ctx *cx, struct exec_job *job, const char *path, const void *request, const void **answer)
{
    return exec_connectors_call(cx, job->c, path, request, answer);
}

static CoreConnection *connection_of(struct ctx *cx, const struct exec_job *job)
{
    void *msg = NULL;
    if (job->connection.n && pb_decode(cx, &CoreConnection_type, job->connection, &msg) != CODE_OK)
        ctx_clear_err(cx); /* it was encoded here */
    return msg;
}

/* It is not sent again. */
static void drop_request(struct exec_connector_exec *x, struct exec_job *job)
{
    pthread_mutex_lock(&x->lock);
    x->kept -= job->request.n;
    pthread_mutex_unlock(&x->lock);
    arena_reset(&job->launch);
    job->request = STR_NONE;
}

/* Without an answer it may have made the job, and a second request could make a second one: whether to try again is then
 * decided as after any failure of the system. One that takes too long would make job after job, which is the task's. */
static void not_created(struct ctx *cx, struct exec_connector_exec *x, struct exec_job *job, enum code code)
{
    bool lost = is_away(code) && code != CODE_DEADLINE_EXCEEDED;
    str why = arena_printf(cx->mem, "connector " STR_FMT " did not %s the task: %s", STR_ARG(job->c->name),
                           lost ? "say whether it has started" : "start", cx->err.msg);
    line(x, job, why);
    fail_job(cx, x, job, lost ? SYSTEM : USER, true, lost ? "ConnectorError" : "TaskFailedWithError", why);
}

static void step_create(struct ctx *cx, struct exec_connector_exec *x, struct exec_job *job)
{
    void *request;
    const void *answer;
    enum code code = pb_decode(cx, &ConnectorCreateTaskRequest_type, job->request, &request);
    if (code == CODE_OK)
        code = call(cx, job, SERVICE "CreateTask", request, &answer);
    if (is_away(code) && (cx->err.unsent || is_broken_off(cx))) {
        away(cx, x, job);
        return;
    }
    drop_request(x, job);
    const ConnectorCreateTaskResponse *rsp = answer;
    if (!is_away(code))
        back(x, job);
    if (code != CODE_OK) {
        not_created(cx, x, job, code);
    } else if (rsp->resource_meta.n > EXEC_CONNECTOR_META_MAX) {
        fail_job(cx, x, job, SYSTEM, false, "ConnectorError",
                 STR("the connector's resource_meta is larger than 1 MiB; the job cannot be followed"));
    } else {
        job->r.meta = arena_str(&job->mem, rsp->resource_meta);
        job->created = true;
        next_step(x, job, EXEC_JOB_KEEP);
    }
}

/* Nobody hears of the job before it is on disk. */
static void step_keep(struct ctx *cx, struct exec_connector_exec *x, struct exec_job *job)
{
    if (exec_connector_file_write(cx, x->cfg.data_dir, &job->r) == CODE_OK) {
        line(x, job, arena_printf(cx->mem, "Started by connector " STR_FMT ".", STR_ARG(job->c->name)));
        set(x, job, EXEC_JOB_LOOK, EXEC_WAITING, STR("the connector has created the job"));
        job->wait_ns = 0;
        return;
    }
    log_warn(cx, "the record of a connector's job cannot be written now", LOG_ERR(cx));
    ctx_clear_err(cx);
    job->unkept = true;
    wait_longer(job, WAIT_AWAY_NS);
}

static void succeed(struct ctx *cx, struct exec_connector_exec *x, struct exec_job *job, const ConnectorResource *r)
{
    str bytes;
    if (!r->outputs || !job->r.has_outputs) { /* it has none, or the job wrote them itself */
        end(cx, x, job);
        return;
    }
    if (pb_encode(cx, &TaskOutputs_type, r->outputs, &bytes) == CODE_OK)
        store_later(x, job, STR("outputs.pb"), bytes);
    else
        fail_job(cx, x, job, SYSTEM, false, "ConnectorError", STR("the job's outputs are too large"));
}

static bool advance(struct exec_connector_exec *x, struct exec_job *job, const ConnectorResource *r)
{
    static const enum exec_state states[] = {[CORE_TASK_EXECUTION_PHASE_QUEUED] = EXEC_WAITING,
                                             [CORE_TASK_EXECUTION_PHASE_WAITING_FOR_RESOURCES] = EXEC_WAITING,
                                             [CORE_TASK_EXECUTION_PHASE_INITIALIZING] = EXEC_STARTING,
                                             [CORE_TASK_EXECUTION_PHASE_RUNNING] = EXEC_RUNNING};
    enum exec_state state =
        r->phase > 0 && r->phase < (int32_t)(sizeof(states) / sizeof(*states)) ? states[r->phase] : EXEC_UNKNOWN;
    if (state == EXEC_UNKNOWN)
        return false;
    job->failures = 0;
    if (job->seen.state != state)
        job->wait_ns = 0;
    str reason = r->message.n ? shorten(r->message) : STR("queued by the connector");
    set(x, job, EXEC_JOB_LOOK, state, state == EXEC_WAITING ? reason : STR_NONE);
    wait_longer(job, job->c->poll_ns);
    return true;
}

static enum code delete_job(struct ctx *cx, struct exec_job *job)
{
    ConnectorTaskCategory type = {.name = job->r.type, .version = job->r.version};
    const ConnectorDeleteTaskRequest req = {
        .resource_meta = job->r.meta, .task_category = &type, .connection = connection_of(cx, job)};
    const void *answer;
    return call(cx, job, SERVICE "DeleteTask", &req, &answer);
}

/* An answer that says nothing of the job. Before it is given up, once, it is ended: a retry makes another one. */
static void bad_answer(struct ctx *cx, struct exec_connector_exec *x, struct exec_job *job, str why)
{
    if (++job->failures > FAILURES_MAX) {
        why = arena_printf(cx->mem, "connector " STR_FMT " does not say how the job is: " STR_FMT,
                           STR_ARG(job->c->name), STR_ARG(why));
        if (delete_job(cx, job) != CODE_OK)
            ctx_clear_err(cx);
        line(x, job, why);
        fail_job(cx, x, job, SYSTEM, true, "ConnectorError", why);
        return;
    }
    if (job->failures == 1)
        line(x, job, arena_concat(cx->mem, STR("The connector does not say how the job is; asking again: "), why));
    wait_longer(job, job->c->poll_ns);
}

static void job_failed(struct ctx *cx, struct exec_connector_exec *x, struct exec_job *job, str message, bool again)
{
    str why = arena_concat(cx->mem, STR("failed to run the job: "), str_head_utf8(message, FAILURE_MAX));
    fail_job(cx, x, job, USER, again, "TaskFailedWithError", why);
}

static bool is_over(int32_t phase)
{
    return phase == CORE_TASK_EXECUTION_PHASE_SUCCEEDED || phase == CORE_TASK_EXECUTION_PHASE_ABORTED ||
           phase == CORE_TASK_EXECUTION_PHASE_FAILED || phase == CORE_TASK_EXECUTION_PHASE_RETRYABLE_FAILED;
}

static void take_phase(struct ctx *cx, struct exec_connector_exec *x, struct exec_job *job, const ConnectorResource *r)
{
    switch (r->phase) {
    case CORE_TASK_EXECUTION_PHASE_SUCCEEDED:
        succeed(cx, x, job, r);
        return;
    case CORE_TASK_EXECUTION_PHASE_ABORTED:
        fail_job(cx, x, job, USER, false, "TaskFailedWithError", STR("the job was aborted outside of Flyte"));
        return;
    case CORE_TASK_EXECUTION_PHASE_FAILED:
        job_failed(cx, x, job, r->message, false);
        return;
    case CORE_TASK_EXECUTION_PHASE_RETRYABLE_FAILED:
        job_failed(cx, x, job, r->message, true);
        return;
    default:
        if (!advance(x, job, r))
            bad_answer(cx, x, job, arena_printf(cx->mem, "it is in phase %d, which is not known", r->phase));
    }
}

static void step_look(struct ctx *cx, struct exec_connector_exec *x, struct exec_job *job)
{
    ConnectorTaskCategory type = {.name = job->r.type, .version = job->r.version};
    const ConnectorGetTaskRequest req = {.resource_meta = job->r.meta,
                                         .task_category = &type,
                                         .output_prefix = job->r.output_prefix,
                                         .connection = connection_of(cx, job)};
    const void *answer;
    enum code code = call(cx, job, SERVICE "GetTask", &req, &answer);
    if (is_away(code)) {
        away(cx, x, job);
        return;
    }
    const ConnectorResource *r = code == CODE_OK ? ((const ConnectorGetTaskResponse *)answer)->resource : NULL;
    if (!r) {
        str why = arena_str(cx->mem, code == CODE_OK ? STR("an empty answer") : str_from(cx->err.msg));
        ctx_clear_err(cx);
        bad_answer(cx, x, job, why);
        return;
    }
    back(x, job);
    say_message(x, job, r->message);
    say_links(cx, x, job, r);
    bool begun =
        r->phase != CORE_TASK_EXECUTION_PHASE_QUEUED && r->phase != CORE_TASK_EXECUTION_PHASE_WAITING_FOR_RESOURCES;
    if (begun && exec_job_copy_log(cx, x, job) && is_over(r->phase) && job->last_looks++ < LAST_LOOKS_MAX)
        job->due_ns = time_now_ns(); /* the other jobs first, then the rest of the log */
    else
        take_phase(cx, x, job, r);
}

static void step_delete(struct ctx *cx, struct exec_connector_exec *x, struct exec_job *job)
{
    enum code code = delete_job(cx, job);
    if (is_away(code)) {
        away(cx, x, job);
        return;
    }
    if (code != CODE_OK && code != CODE_NOT_FOUND) {
        if (++job->failures <= FAILURES_MAX) {
            ctx_clear_err(cx);
            wait_longer(job, WAIT_AWAY_NS);
            return;
        }
        log_error(cx, "a connector did not end a job, which may still run", LOG_STR("connector", job->c->name),
                  LOG_ERR(cx));
        line(x, job, arena_printf(cx->mem, "The connector did not end the job, which may still run: %s", cx->err.msg));
    } else {
        line(x, job, STR("Ended by the connector."));
    }
    ctx_clear_err(cx);
    end(cx, x, job);
}

void exec_job_run(struct ctx *cx, struct exec_connector_exec *x, struct exec_job *job)
{
    job->due_ns = time_now_ns();
    switch (job->step) {
    case EXEC_JOB_CREATE:
        step_create(cx, x, job);
        return;
    case EXEC_JOB_KEEP:
        step_keep(cx, x, job);
        return;
    case EXEC_JOB_LOOK:
        step_look(cx, x, job);
        return;
    case EXEC_JOB_STORE:
        step_store(cx, x, job);
        return;
    case EXEC_JOB_DELETE:
        step_delete(cx, x, job);
        return;
    case EXEC_JOB_OVER:
        return;
    }
}
