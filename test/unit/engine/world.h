/* A world for the engine: a database in memory, lanes that run what they are given at once, an executor and an object
 * store that are tables of this file. One thread, the test's clock. world_crash_after() makes everything fail from the
 * n-th change of the world on, before or after it took effect, until world_restart(): a kill -9 at that moment, since
 * the engine keeps nothing but what is in the database and what the executor knows.
 *
 * The functions of lane/, exec/ and object/ that the engine calls are defined here, so the linker takes these. */
#ifndef TEST_UNIT_ENGINE_WORLD_H
#define TEST_UNIT_ENGINE_WORLD_H

#include "kept_none.h"
#include "unit.h"

#include "app.h"
#include "base/time.h"
#include "engine/create.h"
#include "engine/engine_int.h"
#include "engine/fire_int.h"
#include "engine/phase.h"
#include "exec/exec.h"
#include "gen/flyteidl2_core.h"
#include "gen/flyteidl2_workflow.h"
#include "lane/lane.h"
#include "lane/topic.h"
#include "object/reach.h"
#include "store/attempt.h"
#include "store/project.h"
#include "store/subtree.h"

#include <unistd.h>

#define WORLD_MAX 4096

struct world_attempt {
    struct exec_key key;
    enum exec_state state;
    int exit_code, signal;
    bool oom, aborted, waiting, cleaned;
    int started; /* how often its process was started */
    char argv0[32], env[2048], action[32], output[128];
};

struct world_object {
    char *key, *bytes;
    size_t n;
};

struct world {
    struct arena mem;
    struct ctx cx;
    struct app app;
    struct db *db;
    struct lane_entry *jobs;
    struct {
        lane_after_fn *fn;
        void *arg;
        uint64_t id;
    } after[WORLD_MAX];
    size_t after_n;
    struct world_attempt attempts[WORLD_MAX];
    size_t attempt_n;
    struct world_object objects[WORLD_MAX];
    size_t object_n;
    int changes;     /* of the world, so far */
    int crash_at;    /* 0 = never */
    bool crash_late; /* after the change took effect */
    bool dead;
    bool exec_down; /* the executor cannot be reached */
    bool objects_down;
    bool no_place; /* for tasks inside the engine */
    bool manual;   /* attempts wait in EXEC_WAITING until the test moves them */
    int topics;    /* fired */
};

static struct world *w_;

static inline struct world *world(void)
{
    return w_;
}

/* ---- crashes ---------------------------------------------------------------------------------------------------- */

/* Before a change: false when the world is dead by then. */
static bool world_change(bool *late)
{
    struct world *w = w_;
    *late = false;
    if (w->dead)
        return false;
    if (w->crash_at && ++w->changes == w->crash_at) {
        w->dead = true;
        *late = w->crash_late;
        return w->crash_late;
    }
    return true;
}

static enum code world_dead(struct ctx *cx)
{
    return fail(cx, CODE_UNAVAILABLE, "the world has ended");
}

/* ---- lane/ ------------------------------------------------------------------------------------------------------ */

static enum code world_entry(struct ctx *cx, lane_write_fn *fn, void *arg, bool write)
{
    struct world *w = w_;
    bool late;
    if (w->dead)
        return world_dead(cx);
    cx->db = w->db;
    cx->app = &w->app;
    assert_ok(cx, db_begin(cx, DB_WRITE));
    enum code c = fn(cx, arg);
    if (c != CODE_OK || !write || !world_change(&late)) {
        db_rollback(cx);
        cx->db = NULL;
        w->after_n = 0;
        return c != CODE_OK || !write ? c : world_dead(cx);
    }
    assert_ok(cx, db_commit(cx));
    cx->db = NULL;
    size_t n = w->after_n;
    w->after_n = 0;
    if (late)
        return world_dead(cx);
    for (size_t i = 0; i < n; i++)
        w->after[i].fn(w->after[i].arg, w->after[i].id);
    return CODE_OK;
}

enum code lane_write(struct ctx *cx, struct lanes *lanes, lane_write_fn *fn, void *arg)
{
    (void)lanes;
    return world_entry(cx, fn, arg, true);
}

enum code lane_write_patiently(struct ctx *cx, struct lanes *lanes, lane_write_fn *fn, void *arg)
{
    return lane_write(cx, lanes, fn, arg);
}

enum code lane_read(struct ctx *cx, struct lanes *lanes, lane_write_fn *fn, void *arg)
{
    (void)lanes;
    return world_entry(cx, fn, arg, false);
}

/* An entry that the engine has submitted to the write lane. */
static enum code world_write_entry(struct ctx *cx, void *arg)
{
    struct lane_entry *e = arg;
    return e->run(e, cx);
}

void lane_submit(struct lanes *lanes, enum lane_kind kind, struct lane_entry *e)
{
    (void)lanes;
    assert_true(kind == LANE_ENGINE || (kind == LANE_WRITE && e->engine));
    e->next = w_->jobs;
    w_->jobs = e;
}

void lane_after_commit(struct ctx *cx, lane_after_fn *fn, void *arg, uint64_t id)
{
    (void)cx;
    assert_true(w_->after_n < WORLD_MAX);
    w_->after[w_->after_n].fn = fn;
    w_->after[w_->after_n].arg = arg;
    w_->after[w_->after_n++].id = id;
}

void topic_publish(struct ctx *cx, struct topic_key key)
{
    (void)cx;
    (void)key;
    w_->topics++;
}

struct engine_timer *engine_timer_start(struct engine_queue *q)
{
    (void)q;
    return NULL;
}

void engine_timer_stop(struct engine_timer *t)
{
    (void)t;
}

struct engine_fire *engine_fire_new(struct engine *e)
{
    (void)e;
    return NULL;
}

void engine_fire_start(struct engine_fire *f)
{
    (void)f;
}

void engine_fire_stop(struct engine_fire *f)
{
    (void)f;
}

void engine_fire_free(struct engine_fire *f)
{
    (void)f;
}

void engine_fire_wake_after_commit(struct ctx *cx)
{
    (void)cx;
}

/* ---- exec/ ------------------------------------------------------------------------------------------------------ */

static struct world_attempt *world_attempt(struct exec_key key)
{
    for (size_t i = 0; i < w_->attempt_n; i++)
        if (w_->attempts[i].key.action_id == key.action_id && w_->attempts[i].key.attempt == key.attempt)
            return &w_->attempts[i];
    return NULL;
}

static struct world_attempt *world_known(struct exec_key key)
{
    struct world_attempt *a = world_attempt(key);
    return a && !a->cleaned ? a : NULL;
}

static void world_env(struct world_attempt *a, const struct exec_task *t)
{
    size_t at = 0;
    for (size_t i = 0; i < t->env_count && at < sizeof(a->env); i++)
        at += (size_t)snprintf(a->env + at, sizeof(a->env) - at, STR_FMT "=" STR_FMT "\n", STR_ARG(t->env[i].name),
                               STR_ARG(t->env[i].value));
}

static void world_argument(char *to, size_t size, const struct exec_task *t, const char *flag)
{
    for (size_t i = 0; i + 1 < t->argc; i++)
        if (str_eq(t->argv[i], str_from(flag)))
            snprintf(to, size, STR_FMT, STR_ARG(t->argv[i + 1]));
}

enum code exec_launch(struct ctx *cx, struct exec *e, const struct exec_task *t)
{
    bool late;
    (void)e;
    if (w_->exec_down)
        return fail(cx, CODE_UNAVAILABLE, "the executor is away");
    if (!world_change(&late))
        return world_dead(cx);
    if (!world_attempt(t->key)) {
        struct world_attempt *a = &w_->attempts[w_->attempt_n++];
        assert_true(w_->attempt_n < WORLD_MAX);
        *a = (struct world_attempt){.key = t->key, .state = w_->manual ? EXEC_WAITING : EXEC_RUNNING};
        a->started = w_->manual ? 0 : 1;
        snprintf(a->action, sizeof(a->action), STR_FMT, STR_ARG(t->action));
        snprintf(a->argv0, sizeof(a->argv0), STR_FMT, STR_ARG(t->argv[0]));
        world_argument(a->output, sizeof(a->output), t, "--outputs-path");
        world_env(a, t);
        if (w_->app.engine && !late)
            engine_wake(w_->app.engine, t->key.action_id);
    }
    return late ? world_dead(cx) : CODE_OK;
}

enum code exec_observe(struct ctx *cx, struct exec *e, struct exec_key key, struct exec_observation *out)
{
    struct world_attempt *a = world_known(key);
    (void)e;
    if (w_->dead || w_->exec_down)
        return world_dead(cx);
    *out = (struct exec_observation){.state = a ? a->state : EXEC_UNKNOWN};
    if (!a)
        return CODE_OK;
    out->exit_code = a->exit_code;
    out->signal = a->signal;
    out->oom = a->oom;
    out->aborted = a->aborted;
    out->reason = STR("a free CPU");
    return CODE_OK;
}

enum code exec_abort(struct ctx *cx, struct exec *e, struct exec_key key)
{
    struct world_attempt *a = world_known(key);
    bool late;
    (void)e;
    if (!world_change(&late))
        return world_dead(cx);
    if (a && (a->state == EXEC_RUNNING || a->state == EXEC_WAITING || a->state == EXEC_STARTING)) {
        a->state = EXEC_EXITED;
        a->signal = 15;
        a->aborted = true;
        if (w_->app.engine && !late)
            engine_wake(w_->app.engine, key.action_id);
    }
    return late ? world_dead(cx) : CODE_OK;
}

enum code exec_cleanup(struct ctx *cx, struct exec *e, struct exec_key key)
{
    struct world_attempt *a = world_known(key);
    bool late;
    (void)e;
    if (!world_change(&late))
        return world_dead(cx);
    if (a)
        a->cleaned = true;
    return late ? world_dead(cx) : CODE_OK;
}

void exec_set_waiting(struct exec *e, struct exec_key key, bool waiting)
{
    struct world_attempt *a = world_known(key);
    (void)e;
    if (a)
        a->waiting = waiting;
}

void exec_set_rules(struct exec *e, const struct exec_rule *rules, size_t n)
{
    (void)e;
    (void)rules;
    (void)n;
}

bool exec_hold(struct ctx *cx, struct exec *e, const struct exec_task *task, bool started, str *reason)
{
    (void)cx;
    (void)e;
    (void)task;
    *reason = w_->no_place ? STR("queue default is paused") : STR("");
    return started || !w_->no_place;
}

enum code exec_list(struct ctx *cx, struct exec *e, struct exec_key **out, size_t *n)
{
    (void)e;
    *out = arena_new_array(cx->mem, struct exec_key, w_->attempt_n + 1);
    *n = 0;
    for (size_t i = 0; i < w_->attempt_n; i++)
        if (!w_->attempts[i].cleaned)
            (*out)[(*n)++] = w_->attempts[i].key;
    return CODE_OK;
}

/* ---- object/ ---------------------------------------------------------------------------------------------------- */

static struct world_object *world_object(str key)
{
    for (size_t i = 0; i < w_->object_n; i++)
        if (str_eq(str_from(w_->objects[i].key), key))
            return &w_->objects[i];
    return NULL;
}

static void world_store(str key, str bytes)
{
    struct world_object *o = world_object(key);
    if (!o) {
        o = &w_->objects[w_->object_n++];
        assert_true(w_->object_n < WORLD_MAX);
        o->key = strndup(key.p, key.n);
    }
    free(o->bytes);
    o->bytes = malloc(bytes.n + 1);
    memcpy(o->bytes, bytes.p ? bytes.p : "", bytes.n);
    o->n = bytes.n;
}

enum code object_put_many(struct ctx *cx, struct object_store *s, str content_type, const struct object_new *list,
                          size_t n)
{
    bool late;
    (void)s;
    (void)content_type;
    if (w_->objects_down || !world_change(&late))
        return world_dead(cx);
    for (size_t i = 0; i < n; i++)
        world_store(list[i].key, list[i].bytes);
    return late ? world_dead(cx) : CODE_OK;
}

enum code object_get(struct ctx *cx, struct object_store *s, str bucket, str key, size_t max, str *out)
{
    struct world_object *o = world_object(key);
    (void)s;
    (void)bucket;
    if (w_->dead || w_->objects_down)
        return world_dead(cx);
    if (!o)
        return fail(cx, CODE_NOT_FOUND, "no object");
    if (o->n > max)
        return fail(cx, CODE_RESOURCE_EXHAUSTED, "%zu bytes are more than %zu", o->n, max);
    *out = arena_str(cx->mem, str_make(o->bytes, o->n));
    return CODE_OK;
}

enum code object_stat(struct ctx *cx, struct object_store *s, str bucket, str key, struct object_info *out)
{
    struct world_object *o = world_object(key);
    (void)s;
    (void)bucket;
    if (w_->dead)
        return world_dead(cx);
    if (!o)
        return fail(cx, CODE_NOT_FOUND, "no object");
    *out = (struct object_info){.key = str_from(o->key), .size = (int64_t)o->n};
    return CODE_OK;
}

enum code object_list(struct ctx *cx, struct object_store *s, str bucket, str prefix, str after, size_t max,
                      struct object_list *out)
{
    (void)s;
    (void)bucket;
    (void)after;
    *out = (struct object_list){.p = arena_new_array(cx->mem, struct object_info, max)};
    for (size_t i = 0; i < w_->object_n && out->n < max; i++)
        if (str_starts(str_from(w_->objects[i].key), prefix))
            out->p[out->n++].key = str_from(w_->objects[i].key);
    return CODE_OK;
}

enum code object_delete(struct ctx *cx, struct object_store *s, str bucket, str key)
{
    struct world_object *o = world_object(key);
    (void)cx;
    (void)s;
    (void)bucket;
    if (o) {
        free(o->key);
        free(o->bytes);
        *o = w_->objects[--w_->object_n];
    }
    return CODE_OK;
}

/* Grants to read other projects' objects: test/api/test_storage_keys.py. */
enum code object_reach_grant(struct ctx *cx, struct object_store *s, const struct object_reach_run *to,
                             const struct object_reach_run *from, str bytes)
{
    (void)s, (void)to, (void)from, (void)bytes;
    return w_->dead ? world_dead(cx) : CODE_OK;
}

enum code object_reach_grant_object(struct ctx *cx, struct object_store *s, const struct object_reach_run *to,
                                    str bucket, str key)
{
    (void)bucket;
    return object_reach_grant(cx, s, to, NULL, key);
}

enum code object_reach_copy(struct ctx *cx, struct object_store *s, const struct object_reach_run *to,
                            const struct object_reach_run *from)
{
    return object_reach_grant(cx, s, to, from, STR(""));
}

enum code object_reach_drop(struct ctx *cx, struct object_store *s, const struct object_reach_run *run)
{
    return object_reach_grant(cx, s, run, NULL, STR(""));
}

/* Sweeps: retention_test.c, test/api/test_retention.py. */
str object_reach_place(str key)
{
    return str_head(key, 0);
}

void object_reach_each(struct ctx *cx, str bytes, void (*fn)(void *arg, str place), void *arg)
{
    (void)cx, (void)bytes, (void)fn, (void)arg;
}

enum code object_delete_old(struct ctx *cx, struct object_store *s, str bucket, const str *keys, size_t n,
                            int64_t before_ns)
{
    (void)before_ns;
    for (size_t i = 0; i < n; i++)
        (void)!object_delete(cx, s, bucket, keys[i]);
    return CODE_OK;
}

enum code object_touch(struct ctx *cx, struct object_store *s, str bucket, str key)
{
    (void)cx, (void)s, (void)bucket, (void)key;
    return CODE_OK;
}

enum code object_keys_derive(struct ctx *cx, struct object_store *s, const struct object_scope *scope,
                             struct object_keys *out)
{
    (void)s;
    out->access_key_id = arena_printf(cx->mem, "key-%u", scope->attempt);
    out->secret_access_key = STR("secret");
    return CODE_OK;
}

/* ---- the world -------------------------------------------------------------------------------------------------- */

static inline int world_up(void **state)
{
    static int serial;
    struct world *w = w_ = calloc(1, sizeof(*w));
    char url[64];
    snprintf(url, sizeof(url), "sqlite::memory:world%d", serial++);
    arena_init(&w->mem, 0);
    ctx_init(&w->cx, &w->mem);
    w->app.api_endpoint = STR("localhost:30080");
    w->app.s3_endpoint = STR("http://localhost:30002");
    w->cx.app = &w->app;
    assert_ok(&w->cx, db_open(&w->cx, str_from(url), DB_WRITE, &w->db));
    assert_ok(&w->cx, db_migrate(&w->cx, str_from(url)));
    *state = w;
    return 0;
}

/* Jobs that wait for the lane end unheard, so that engine_halt() returns. */
static inline void world_stop(struct world *w)
{
    struct lane_entry *job = w->jobs;
    w->jobs = NULL;
    for (struct lane_entry *next; job; job = next) {
        next = job->next;
        job->done(job, &w->cx, CODE_UNAVAILABLE);
    }
    engine_halt(w->app.engine);
    engine_free(w->app.engine);
    w->app.engine = NULL;
}

static inline int world_down(void **state)
{
    struct world *w = *state;
    world_stop(w);
    db_close(w->db);
    for (size_t i = 0; i < w->object_n; i++) {
        free(w->objects[i].key);
        free(w->objects[i].bytes);
    }
    arena_done(&w->mem);
    free(w);
    return 0;
}

/* Everything that is ready, until nothing is; then timers that are due. */
static inline void world_run(struct world *w)
{
    for (int rounds = 0; rounds < 10000; rounds++) {
        struct lane_entry *job = w->jobs;
        if (!job) {
            engine_queue_fire(w->app.engine->queue, time_now_ns());
            if (!w->jobs)
                return;
            continue;
        }
        w->jobs = job->next;
        struct arena mem;
        struct ctx cx;
        arena_init(&mem, 0);
        ctx_init(&cx, &mem);
        cx.app = &w->app;
        enum code c = job->engine ? lane_write(&cx, NULL, world_write_entry, job) : job->run(job, &cx);
        job->done(job, &cx, c);
        arena_done(&mem);
        if (w->dead)
            return;
    }
    fail_msg("the engine does not come to rest");
}

static inline void world_start(struct world *w)
{
    assert_ok(&w->cx, engine_start(&w->cx, &w->app, &w->app.engine));
}

/* The server is gone and comes again; the executor and the objects have stayed. */
static inline void world_restart(struct world *w)
{
    w->dead = false;
    w->crash_at = 0;
    w->after_n = 0;
    world_stop(w);
    world_start(w);
}

static inline void world_pass(struct world *w, int64_t ns)
{
    time_test_shift(ns);
    world_run(w);
}

static inline int64_t world_int(struct world *w, const char *sql)
{
    struct db_rows rows;
    w->cx.db = w->db;
    assert_ok(&w->cx, db_query_dynamic(&w->cx, str_from(sql), NULL, 0, &rows));
    w->cx.db = NULL;
    assert_int_equal(rows.n, 1);
    return rows.v[0].i;
}

static inline str world_text(struct world *w, const char *sql)
{
    struct db_rows rows;
    w->cx.db = w->db;
    assert_ok(&w->cx, db_query_dynamic(&w->cx, str_from(sql), NULL, 0, &rows));
    w->cx.db = NULL;
    assert_int_equal(rows.n, 1);
    return rows.v[0].s;
}

/* ---- making runs and actions ------------------------------------------------------------------------------------ */

/* A task that a process runs, or, by type, one of the engine's own. */
static inline TaskTaskSpec *world_spec(struct world *w, const char *name, const char *type)
{
    static str args[] = {STR_NONE, STR_NONE, STR_NONE};
    args[0] = STR("a0");
    args[1] = STR("--outputs-path");
    args[2] = STR("{{.outputPrefix}}");
    TaskTaskSpec *s = pb_new(&w->mem, TaskTaskSpec);
    CoreTaskTemplate *t = s->task_template = pb_new(&w->mem, CoreTaskTemplate);
    t->type = str_from(type);
    t->id = pb_new(&w->mem, CoreIdentifier);
    t->id->project = STR("p");
    t->id->domain = STR("d");
    t->id->name = str_from(name);
    t->id->version = STR("v1");
    t->metadata = pb_new(&w->mem, CoreTaskMetadata);
    t->metadata->retries = pb_new(&w->mem, CoreRetryStrategy);
    t->interface = pb_new(&w->mem, CoreTypedInterface);
    t->target_case = CoreTaskTemplate_container_tag;
    t->container = pb_new(&w->mem, CoreContainer);
    t->container->image = STR("img");
    t->container->args.p = args;
    t->container->args.n = 3;
    return s;
}

struct world_create {
    struct engine_new_run n;
    struct engine_made_run made;
};

static enum code world_create_entry(struct ctx *cx, void *arg)
{
    struct world_create *c = arg;
    return engine_create_run(cx, &c->n, &c->made);
}

static inline struct store_run *world_create_run(struct world *w, const char *name, const TaskTaskSpec *spec,
                                                 const TaskRunSpec *run_spec)
{
    struct world_create c = {.n = {.project = STR("p"), .domain = STR("d"), .name = str_from(name), .spec = spec}};
    c.n.run_spec = run_spec ? run_spec : pb_new(&w->mem, TaskRunSpec);
    c.n.max_actions = c.n.run_spec->max_action_concurrency;
    c.n.base_uri = arena_printf(&w->mem, "s3://tern/p/d/%s", name);
    c.n.input_uri = STR("s3://tern/p/in/x");
    c.n.inputs_hash = STR("ih");
    assert_ok(&w->cx, lane_write(&w->cx, NULL, world_create_entry, &c));
    return c.made.run;
}

struct world_enqueue {
    struct engine_new_action n;
    struct store_action *made;
};

static enum code world_enqueue_entry(struct ctx *cx, void *arg)
{
    struct world_enqueue *c = arg;
    return engine_create_action(cx, &c->n, &c->made);
}

static inline enum code world_enqueue(struct world *w, const char *run, const char *parent, const char *name,
                                      const TaskTaskSpec *spec, const char *cache_key)
{
    WorkflowTaskAction *t = pb_new(&w->mem, WorkflowTaskAction);
    t->spec = pb_clone(&w->mem, &TaskTaskSpec_type, spec);
    if (cache_key) {
        t->cache_key = pb_new(&w->mem, GoogleProtobufStringValue);
        t->cache_key->value = str_from(cache_key);
    }
    struct world_enqueue c = {.n = {.project = STR("p"), .domain = STR("d"), .run = str_from(run), .task = t}};
    c.n.parent = str_from(parent);
    c.n.name = str_from(name);
    c.n.input_uri = STR("s3://tern/p/in/x/inputs.pb");
    return lane_write(&w->cx, NULL, world_enqueue_entry, &c);
}

/* A world with one run of the spec, as far as it goes by itself. */
static inline struct store_run *world_start_run(struct world *w, const TaskTaskSpec *spec)
{
    world_start(w);
    struct store_run *run = world_create_run(w, "r1", spec, NULL);
    world_run(w);
    return run;
}

/* ---- processes -------------------------------------------------------------------------------------------------- */

static inline struct world_attempt *world_process(struct world *w, const char *action)
{
    struct world_attempt *last = NULL;
    for (size_t i = 0; i < w->attempt_n; i++)
        if (strcmp(w->attempts[i].action, action) == 0 && !w->attempts[i].cleaned)
            last = &w->attempts[i];
    return last;
}

static inline void world_exit(struct world *w, struct world_attempt *a, int exit_code)
{
    a->state = EXEC_EXITED;
    a->exit_code = exit_code;
    if (w->app.engine)
        engine_wake(w->app.engine, a->key.action_id);
}

/* The process writes outputs.pb and ends. */
static inline void world_succeed_with(struct world *w, const char *action, str outputs)
{
    struct world_attempt *a = world_process(w, action);
    assert_non_null(a);
    assert_int_equal(a->state, EXEC_RUNNING);
    char key[160];
    snprintf(key, sizeof(key), "%s/outputs.pb", a->output + strlen("s3://tern/"));
    world_store(str_from(key), outputs);
    world_exit(w, a, 0);
}

static inline void world_succeed(struct world *w, const char *action)
{
    world_succeed_with(w, action, STR(""));
}

/* The process writes error.pb and ends with 0, as the SDK does. */
static inline void world_error(struct world *w, const char *action, const char *code, int32_t origin, bool recoverable)
{
    struct world_attempt *a = world_process(w, action);
    CoreContainerError err = {.code = str_from(code), .message = STR("boom"), .origin = origin};
    CoreErrorDocument doc = {.error = &err};
    char key[160];
    str bytes;
    assert_non_null(a);
    err.kind = recoverable ? CORE_CONTAINER_ERROR_KIND_RECOVERABLE : CORE_CONTAINER_ERROR_KIND_NON_RECOVERABLE;
    assert_ok(&w->cx, pb_encode(&w->cx, &CoreErrorDocument_type, &doc, &bytes));
    snprintf(key, sizeof(key), "%s/error.pb", a->output + strlen("s3://tern/"));
    world_store(str_from(key), bytes);
    world_exit(w, a, 0);
}

/* Of the newest run. */
static inline struct store_action *world_action(struct world *w, const char *name)
{
    struct store_action *a;
    uint64_t run = (uint64_t)world_int(w, "SELECT max(id) FROM run");
    w->cx.db = w->db;
    assert_ok(&w->cx, store_action_find(&w->cx, run, str_from(name), &a));
    w->cx.db = NULL;
    assert_non_null(a);
    return a;
}

static inline struct store_attempt *world_attempts(struct world *w, const struct store_action *a, size_t *n)
{
    struct store_attempt *list;
    w->cx.db = w->db;
    assert_ok(&w->cx, store_attempt_list(&w->cx, a, &list, n));
    w->cx.db = NULL;
    return list;
}

#define assert_phase(w, action, want)                                                                                  \
    do {                                                                                                               \
        int32_t world_p_ = world_action(w, action)->phase;                                                             \
        if (world_p_ != (want))                                                                                        \
            fail_msg("%s is %s, not %s", action, engine_phase_name(world_p_), engine_phase_name(want));                \
    } while (0)

#define QUEUED COMMON_ACTION_PHASE_QUEUED
#define WAITING COMMON_ACTION_PHASE_WAITING_FOR_RESOURCES
#define INITIALIZING COMMON_ACTION_PHASE_INITIALIZING
#define RUNNING COMMON_ACTION_PHASE_RUNNING
#define SUCCEEDED COMMON_ACTION_PHASE_SUCCEEDED
#define FAILED COMMON_ACTION_PHASE_FAILED
#define ABORTED COMMON_ACTION_PHASE_ABORTED
#define TIMED_OUT COMMON_ACTION_PHASE_TIMED_OUT
#define PAUSED COMMON_ACTION_PHASE_PAUSED
#define RECOVERED COMMON_ACTION_PHASE_RECOVERED

#define world_test(fn) cmocka_unit_test_setup_teardown(fn, world_up, world_down)

#endif
