/* The executor "connector": the table of jobs, the threads that look after them, and what is handed on. One lock; two
 * threads for each connector, so that one that hangs delays nobody else's jobs. */
#include "exec/connector.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "exec/connector_int.h"
#include "exec/kept.h"
#include "exec/logfile.h"

#include <signal.h>

#define THREADS_EACH 2

struct worker {
    struct exec_connector_exec *x;
    struct exec_connector_queue *queue;
};

static struct exec_connector_exec *exec_of(struct exec *e)
{
    return container_of(e, struct exec_connector_exec, base);
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

static struct exec_job *find(struct exec_connector_exec *x, struct exec_key key)
{
    char id[12];
    memcpy(id, &key.action_id, 8);
    memcpy(id + 8, &key.attempt, 4);
    return map_find(&x->jobs, str_make(id, sizeof(id)));
}

static bool is_known(void *arg, struct exec_key key)
{
    struct exec_connector_exec *x = arg;
    pthread_mutex_lock(&x->lock);
    bool known = find(x, key);
    pthread_mutex_unlock(&x->lock);
    return known;
}

static struct exec_job *job_new(struct exec_key key)
{
    struct exec_job *job = mem_new(struct exec_job);
    job->r.key = key;
    memcpy(job->id, &key.action_id, 8);
    memcpy(job->id + 8, &key.attempt, 4);
    struct arena *arenas[] = {&job->mem, &job->launch, &job->result, &job->said, &job->token, &job->texts};
    for (size_t i = 0; i < sizeof(arenas) / sizeof(*arenas); i++)
        arena_init(arenas[i], 0);
    list_init(&job->node);
    return job;
}

static void job_free(struct exec_job *job)
{
    struct arena *arenas[] = {&job->mem, &job->launch, &job->result, &job->said, &job->token, &job->texts};
    for (size_t i = 0; i < sizeof(arenas) / sizeof(*arenas); i++)
        arena_done(arenas[i]);
    list_del(&job->node);
    mem_free(job);
}

static void queue(struct exec_connector_exec *x, struct exec_job *job)
{
    if (!job->c || job->step == EXEC_JOB_OVER)
        return;
    struct exec_connector_queue *q = &x->queues[job->c->index];
    list_del(&job->node);
    list_add(&q->jobs, &job->node);
    pthread_cond_signal(&q->wake);
}

static void add(struct exec_connector_exec *x, struct exec_job *job)
{
    map_put(&x->jobs, str_make(job->id, sizeof(job->id)), job);
    x->kept += job->request.n;
    queue(x, job);
}

static void keep_record(struct exec_job *job, const struct exec_connector_record *r)
{
    job->r = *r;
    str *texts[] = {&job->r.connector, &job->r.type, &job->r.output_prefix, &job->r.meta, &job->r.sealed};
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        *texts[i] = arena_str(&job->mem, *texts[i]);
}

/* ---- the workers ------------------------------------------------------------------------------------------------- */

/* The job that is due first, and when; NULL when there is none. */
static struct exec_job *first_due(struct exec_connector_queue *q)
{
    struct exec_job *first = NULL;
    for (struct list *n = q->jobs.next; n != &q->jobs; n = n->next) {
        struct exec_job *job = container_of(n, struct exec_job, node);
        if (!first || job->due_ns < first->due_ns)
            first = job;
    }
    return first;
}

static void wait_until(struct exec_connector_exec *x, struct exec_connector_queue *q, const struct exec_job *job)
{
    struct timespec at;
    if (!job) {
        pthread_cond_wait(&q->wake, &x->lock);
        return;
    }
    int64_t ns = job->due_ns - time_now_ns();
    clock_gettime(CLOCK_MONOTONIC, &at);
    ns = (ns > 0 ? ns : 0) + at.tv_nsec;
    at.tv_sec += ns / NS_PER_S;
    at.tv_nsec = ns % NS_PER_S;
    pthread_cond_timedwait(&q->wake, &x->lock, &at);
}

/* Not wanted any more: what is there is deleted, what was never created is over. One that the connector may have created
 * without saying what it is called cannot be deleted. The record is tried first, so that a crash forgets nothing. */
static void turn_to_abort(struct exec_job *job)
{
    const struct exec_observation never = {.state = EXEC_EXITED, .signal = SIGTERM, .aborted = true};
    if (!job->aborted || job->busy || job->step == EXEC_JOB_OVER || job->step == EXEC_JOB_DELETE)
        return;
    if (!job->created) {
        list_del(&job->node);
        exec_job_set(job, EXEC_JOB_OVER, &never);
    } else if (job->step != EXEC_JOB_KEEP || job->unkept) {
        job->step = EXEC_JOB_DELETE;
        job->due_ns = time_now_ns();
        job->wait_ns = 0;
        job->failures = 0;
    }
}

/* With the lock, which is given back meanwhile. */
static void run_job(struct ctx *cx, struct exec_connector_exec *x, struct exec_job *job)
{
    struct exec_key key = job->r.key;
    list_del(&job->node); /* nobody else takes it */
    job->busy = true;
    pthread_mutex_unlock(&x->lock);
    exec_job_run(cx, x, job);
    pthread_mutex_lock(&x->lock);
    job->busy = false;
    turn_to_abort(job);
    bool changed = job->changed;
    job->changed = false;
    queue(x, job);
    pthread_mutex_unlock(&x->lock);
    if (changed)
        x->cfg.notify(x->cfg.arg, key);
    pthread_mutex_lock(&x->lock);
}

static void *work(void *arg)
{
    struct worker *w = arg;
    struct arena mem;
    struct ctx cx;
    arena_init(&mem, 0);
    pthread_setname_np(pthread_self(), "tern-connector");
    pthread_mutex_lock(&w->x->lock);
    while (!w->x->stopping) {
        struct exec_job *job = first_due(w->queue);
        if (!job || job->due_ns > time_now_ns()) {
            wait_until(w->x, w->queue, job);
            continue;
        }
        ctx_init(&cx, &mem);
        run_job(&cx, w->x, job);
        arena_reset(&mem);
    }
    pthread_mutex_unlock(&w->x->lock);
    arena_done(&mem);
    return NULL;
}

/* ---- operations -------------------------------------------------------------------------------------------------- */

static struct exec_job *job_of(struct exec_connector_exec *x, const struct exec_task *task)
{
    const struct exec_connector_task *t = task->connector;
    const struct exec_connector_record r = {.key = task->key,
                                            .connector = t->connector,
                                            .type = t->type,
                                            .version = t->version,
                                            .output_prefix = t->output_prefix,
                                            .has_outputs = t->has_outputs,
                                            .sealed = t->sealed};
    struct exec_job *job = job_new(task->key);
    keep_record(job, &r);
    job->c = exec_connectors_find(x->cfg.connectors, t->connector);
    job->request = arena_str(&job->launch, t->request);
    job->connection = arena_str(&job->mem, t->connection);
    job->due_ns = time_now_ns();
    job->seen = (struct exec_observation){.state = EXEC_WAITING, .reason = STR("asks the connector to start it")};
    return job;
}

static enum code connector_launch(struct ctx *cx, struct exec *e, const struct exec_task *task)
{
    struct exec_connector_exec *x = exec_of(e);
    if (!task->connector)
        return exec_launch(cx, x->cfg.others, task);
    struct exec_job *job = job_of(x, task);
    pthread_mutex_lock(&x->lock);
    bool known = find(x, task->key);
    bool full = x->kept && x->kept + job->request.n > EXEC_CONNECTOR_KEPT_MAX;
    if (!known && !full)
        add(x, job);
    pthread_mutex_unlock(&x->lock);
    if (!known && !full) {
        x->cfg.notify(x->cfg.arg, task->key);
        return CODE_OK;
    }
    job_free(job);
    return known ? CODE_OK : fail(cx, CODE_UNAVAILABLE, "too much waits for connectors already");
}

static enum code connector_observe(struct ctx *cx, struct exec *e, struct exec_key key, struct exec_observation *out)
{
    struct exec_connector_exec *x = exec_of(e);
    pthread_mutex_lock(&x->lock);
    struct exec_job *job = find(x, key);
    if (job) {
        *out = job->seen;
        out->reason = arena_str(cx->mem, out->reason);
        out->error = arena_str(cx->mem, out->error);
        out->aborted = out->aborted || job->aborted;
    }
    pthread_mutex_unlock(&x->lock);
    return job ? CODE_OK : exec_observe(cx, x->cfg.others, key, out);
}

static enum code connector_abort(struct ctx *cx, struct exec *e, struct exec_key key)
{
    struct exec_connector_exec *x = exec_of(e);
    bool changed = false;
    pthread_mutex_lock(&x->lock);
    struct exec_job *job = find(x, key);
    if (job && job->step != EXEC_JOB_OVER) {
        job->aborted = true;
        turn_to_abort(job);
        if (!job->busy)
            queue(x, job);
        changed = !job->busy && job->changed;
        job->changed = job->changed && job->busy;
    }
    pthread_mutex_unlock(&x->lock);
    if (changed)
        x->cfg.notify(x->cfg.arg, key);
    return job ? CODE_OK : exec_abort(cx, x->cfg.others, key);
}

static enum code connector_cleanup(struct ctx *cx, struct exec *e, struct exec_key key)
{
    struct exec_connector_exec *x = exec_of(e);
    pthread_mutex_lock(&x->lock);
    struct exec_job *job = find(x, key);
    bool over = job && job->step == EXEC_JOB_OVER && !job->busy;
    if (over) {
        map_delete(&x->jobs, str_make(job->id, sizeof(job->id)));
        x->kept -= job->request.n;
    }
    pthread_mutex_unlock(&x->lock);
    if (!job)
        return exec_cleanup(cx, x->cfg.others, key);
    if (!over)
        return fail(cx, CODE_FAILED_PRECONDITION, "attempt %u still runs", key.attempt);
    exec_connector_file_remove(cx, x->cfg.data_dir, key);
    job_free(job);
    return CODE_OK;
}

static void connector_set_waiting(struct exec *e, struct exec_key key, bool waiting)
{
    exec_set_waiting(exec_of(e)->cfg.others, key, waiting);
}

/* Jobs take no place of this machine, so what is said of queues does not hold for them. */
static void connector_set_rules(struct exec *e, const struct exec_rule *rules, size_t n)
{
    exec_set_rules(exec_of(e)->cfg.others, rules, n);
}

static enum code connector_loads(struct ctx *cx, struct exec *e, struct exec_load **out, size_t *n)
{
    return exec_loads(cx, exec_of(e)->cfg.others, out, n);
}

static bool connector_hold(struct ctx *cx, struct exec *e, const struct exec_task *task, bool started, str *reason)
{
    return exec_hold(cx, exec_of(e)->cfg.others, task, started, reason);
}

static enum code connector_list(struct ctx *cx, struct exec *e, struct exec_key **out, size_t *n)
{
    struct exec_connector_exec *x = exec_of(e);
    struct exec_key *others;
    size_t at = 0, count;
    str id;
    void *value;
    TRY(exec_list(cx, x->cfg.others, &others, &count));
    pthread_mutex_lock(&x->lock);
    struct exec_key *keys = arena_new_array(cx->mem, struct exec_key, count + x->jobs.n + 1);
    if (count)
        memcpy(keys, others, count * sizeof(*keys));
    while (map_next(&x->jobs, &at, &id, &value))
        keys[count++] = ((struct exec_job *)value)->r.key;
    pthread_mutex_unlock(&x->lock);
    *out = keys;
    *n = count;
    return CODE_OK;
}

/* ---- logs and folders: those of the others, in the same places --------------------------------------------------- */

static enum code connector_log_read(struct ctx *cx, struct exec *e, struct exec_key key, int64_t cursor,
                                    size_t max_lines, struct exec_log_page *out)
{
    struct exec_connector_exec *x = exec_of(e);
    pthread_mutex_lock(&x->lock);
    struct exec_job *job = find(x, key);
    bool over = job && job->step == EXEC_JOB_OVER;
    pthread_mutex_unlock(&x->lock);
    return job ? exec_logfile_read(cx, x->cfg.data_dir, key, cursor, max_lines, over, out)
               : exec_log_read(cx, x->cfg.others, key, cursor, max_lines, out);
}

static void connector_log_system(struct exec *e, struct exec_key key, str line)
{
    exec_log_system(exec_of(e)->cfg.others, key, line);
}

static enum code connector_discard(struct ctx *cx, struct exec *e, const struct exec_place *place, bool log, bool dry,
                                   struct exec_swept *swept)
{
    struct exec_connector_exec *x = exec_of(e);
    if (is_known(x, place->key))
        return fail(cx, CODE_FAILED_PRECONDITION, "attempt %u is still known", place->key.attempt);
    return exec_discard(cx, x->cfg.others, place, log, dry, swept);
}

static enum code connector_list_kept(struct ctx *cx, struct exec *e, struct exec_kept_run **out, size_t *n)
{
    return exec_list_kept(cx, exec_of(e)->cfg.others, out, n);
}

static void connector_discard_run(struct ctx *cx, struct exec *e, const struct exec_kept_run *run, bool dry,
                                  struct exec_swept *swept)
{
    exec_discard_run(cx, exec_of(e)->cfg.others, run, dry, swept);
}

static void connector_sweep_logs(struct ctx *cx, struct exec *e, int64_t before_ns, bool dry, struct exec_swept *swept)
{
    exec_sweep_logs(cx, exec_of(e)->cfg.others, before_ns, dry, swept);
}

/* ---- start and stop ---------------------------------------------------------------------------------------------- */

static void free_jobs(struct exec_connector_exec *x)
{
    size_t at = 0;
    str id;
    void *value;
    while (map_next(&x->jobs, &at, &id, &value))
        job_free(value);
    map_done(&x->jobs);
}

static void stop_all(struct exec_connector_exec *x)
{
    pthread_mutex_lock(&x->lock);
    x->stopping = true;
    for (size_t i = 0; i < exec_connectors_count(x->cfg.connectors); i++)
        pthread_cond_broadcast(&x->queues[i].wake);
    pthread_mutex_unlock(&x->lock);
    exec_connectors_interrupt(x->cfg.connectors);
    for (size_t i = 0; i < x->thread_count; i++)
        pthread_join(x->threads[i], NULL);
    free_jobs(x);
    for (size_t i = 0; i < exec_connectors_count(x->cfg.connectors); i++)
        pthread_cond_destroy(&x->queues[i].wake);
    pthread_mutex_destroy(&x->lock);
    arena_done(&x->mem);
    mem_free(x);
}

static void connector_stop(struct exec *e)
{
    struct exec *others = exec_of(e)->cfg.others;
    stop_all(exec_of(e));
    exec_stop(others);
}

const struct exec_ops exec_connector_ops = {
    .name = "connector",
    .launch = connector_launch,
    .observe = connector_observe,
    .abort = connector_abort,
    .cleanup = connector_cleanup,
    .set_waiting = connector_set_waiting,
    .set_rules = connector_set_rules,
    .loads = connector_loads,
    .hold = connector_hold,
    .list = connector_list,
    .discard = connector_discard,
    .list_kept = connector_list_kept,
    .discard_run = connector_discard_run,
    .sweep_logs = connector_sweep_logs,
    .log_read = connector_log_read,
    .log_system = connector_log_system,
    .stop = connector_stop,
};

/* A job that the last server left. */
static void take_up(struct ctx *cx, struct exec_connector_exec *x, const struct exec_connector_record *r)
{
    struct exec_job *job = job_new(r->key);
    str plain = STR_NONE;
    keep_record(job, r);
    job->c = exec_connectors_find(x->cfg.connectors, r->connector);
    job->step = EXEC_JOB_LOOK;
    job->created = true;
    job->due_ns = time_now_ns();
    job->seen = (struct exec_observation){.state = EXEC_WAITING, .reason = STR("the connector is asked how it is")};
    if (!job->c) {
        job->step = EXEC_JOB_OVER;
        job->seen = (struct exec_observation){
            .state = EXEC_REFUSED,
            .error_code = STR("ConnectorNotConfigured"),
            .error =
                arena_printf(&job->texts, "connector " STR_FMT ", which runs it, is not in exec.connectors any more",
                             STR_ARG(job->r.connector))};
    } else if (r->sealed.n && x->cfg.open(cx, x->cfg.arg, r->sealed, &plain) != CODE_OK) {
        log_error(cx, "the connection of a connector's job cannot be unsealed", LOG_STR("connector", r->connector),
                  LOG_ERR(cx));
        ctx_clear_err(cx);
    }
    job->connection = arena_str(&job->mem, plain);
    add(x, job);
}

static enum code start_threads(struct ctx *cx, struct exec_connector_exec *x, size_t n)
{
    for (size_t i = 0; i < n * THREADS_EACH; i++) {
        struct worker *w = arena_new(&x->mem, struct worker);
        *w = (struct worker){x, &x->queues[i % n]};
        if (pthread_create(&x->threads[i], NULL, work, w) != 0)
            return fail(cx, CODE_RESOURCE_EXHAUSTED, "cannot start a thread for connectors");
        x->thread_count++;
    }
    return CODE_OK;
}

static enum code set_up(struct ctx *cx, struct exec_connector_exec *x)
{
    struct exec_connector_record *records;
    size_t n = exec_connectors_count(x->cfg.connectors), count;
    pthread_condattr_t attr;
    x->queues = arena_new_array(&x->mem, struct exec_connector_queue, n);
    x->threads = arena_new_array(&x->mem, pthread_t, n * THREADS_EACH);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    for (size_t i = 0; i < n; i++) {
        list_init(&x->queues[i].jobs);
        pthread_cond_init(&x->queues[i].wake, &attr);
    }
    pthread_condattr_destroy(&attr);
    TRY(exec_connector_file_list(cx, x->cfg.data_dir, &records, &count));
    for (size_t i = 0; i < count; i++)
        take_up(cx, x, &records[i]);
    if (count)
        log_info(cx, "jobs of connectors taken up", LOG_INT("jobs", count));
    return start_threads(cx, x, n);
}

enum code exec_connector_start(struct ctx *cx, const struct exec_connector_config *cfg, struct exec **out)
{
    struct exec_connector_exec *x = mem_new(struct exec_connector_exec);
    x->base.ops = &exec_connector_ops;
    x->cfg = *cfg;
    arena_init(&x->mem, 0);
    x->cfg.data_dir = arena_str(&x->mem, cfg->data_dir);
    pthread_mutex_init(&x->lock, NULL);
    map_init(&x->jobs);
    enum code code = set_up(cx, x);
    if (code != CODE_OK) {
        stop_all(x);
        return code;
    }
    *out = &x->base;
    return CODE_OK;
}
