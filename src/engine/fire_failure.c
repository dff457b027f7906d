/* Failure handlers of runs that have ended. The entry that ends a run leaves a row; when everything else of the run has ended
 * too, its handler becomes an action of the run, and the row goes in the same entry. What can never begin is an action that
 * has failed. */
#include "base/log.h"
#include "base/time.h"
#include "engine/create.h"
#include "engine/fire_int.h"
#include "engine/handler.h"
#include "engine/uri.h"
#include "lane/lane.h"
#include "store/failure.h"

#define INPUTS_MAX ((size_t)64 << 20)
#define ERROR_CODE "FailureHandlerNotStarted"

enum code engine_fire_failure(struct ctx *cx, const struct store_run *run)
{
    if (!run->on_failure.n)
        return CODE_OK;
    TRY(store_failure_insert(cx, run->id, time_wall_ns()));
    engine_fire_wake_after_commit(cx);
    return CODE_OK;
}

struct handling {
    int64_t now_ns, next_ns;
    struct store_failure *failure; /* NULL = none is due */
    struct store_run *run;
    struct store_action *root;
    struct engine_new_run n; /* the handler's task and inputs */
    enum code code;          /* of finding and preparing it */
    char error[ERR_MSG_MAX];
};

/* ---- finding ----------------------------------------------------------------------------------------------------- */

static void note(struct ctx *cx, struct handling *h, enum code code)
{
    h->code = code;
    if (code != CODE_OK)
        memcpy(h->error, cx->err.msg, sizeof(h->error));
    ctx_clear_err(cx);
}

static enum code find_handler(struct ctx *cx, struct handling *h)
{
    struct store_task *task;
    struct store_spec *s;
    void *msg;
    TRY(engine_handler_find(cx, h->run, h->root->task_version, &task));
    TRY(store_spec_get(cx, task->spec_id, &s));
    if (pb_decode(cx, &TaskTaskSpec_type, s->body, &msg) != CODE_OK)
        return fail(cx, CODE_DATA_LOSS, "a stored spec cannot be read");
    h->n.spec = msg;
    h->n.spec_id = task->spec_id;
    return CODE_OK;
}

static enum code load(struct ctx *cx, void *arg)
{
    struct handling *h = arg;
    TRY(store_failure_next(cx, &h->failure));
    h->next_ns = h->failure ? h->failure->due_ns : INT64_MAX;
    if (h->next_ns > h->now_ns) {
        h->failure = NULL;
        return CODE_OK;
    }
    TRY(store_run_get_by_id(cx, h->failure->run_id, &h->run));
    TRY(store_action_get_by_id(cx, store_action_root(h->run->id), &h->root));
    note(cx, h, find_handler(cx, h));
    return CODE_OK;
}

/* ---- preparing --------------------------------------------------------------------------------------------------- */

/* Those that are not there, are too large or cannot be read may be why the run has failed. */
static enum code read_inputs(struct ctx *cx, const struct handling *h, const TaskInputs **out)
{
    str bytes;
    void *msg = NULL;
    *out = NULL;
    if (!h->root->input_uri.n)
        return CODE_OK;
    enum code c = engine_uri_get(cx, cx->app, engine_uri_inputs(cx->mem, h->root->input_uri), INPUTS_MAX, &bytes);
    if (c == CODE_OK)
        c = pb_decode(cx, &TaskInputs_type, bytes, &msg);
    if (c != CODE_OK && c != CODE_RESOURCE_EXHAUSTED && !engine_fire_is_final(c))
        return c;
    ctx_clear_err(cx);
    *out = msg;
    return CODE_OK;
}

static enum code prepare(struct ctx *cx, struct handling *h)
{
    const TaskInputs *given;
    TaskInputs *in;
    h->n.base_uri = h->run->base_uri;
    TRY(read_inputs(cx, h, &given));
    TRY(engine_handler_inputs(cx, h->n.spec, h->run, h->root, given, &in));
    return engine_prepare_must_store(&h->n, in) ? engine_prepare_store(cx, &h->n, in) : CODE_OK;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static enum code write_handler(struct ctx *cx, void *arg)
{
    const struct handling *h = arg;
    TRY(engine_create_handler(cx, h->run, &h->n));
    return store_failure_delete(cx, h->run->id);
}

static enum code write_later(struct ctx *cx, void *arg)
{
    struct handling *h = arg;
    h->failure->due_ns = h->now_ns + engine_fire_backoff_ns(h->failure->failures++);
    return store_failure_step(cx, h->failure);
}

/* Only when an external executor made an action of that name. */
static enum code write_nothing(struct ctx *cx, void *arg)
{
    return store_failure_delete(cx, ((const struct handling *)arg)->run->id);
}

static void set_failed(struct ctx *cx, struct handling *h)
{
    if (!h->n.spec)
        engine_fire_stand_in(cx, h->run->project, h->run->domain, h->run->on_failure, STR(""), &h->n);
    h->n.input_uri = STR("");
    h->n.error_code = STR(ERROR_CODE);
    h->n.error = str_from(h->error);
}

static enum code finish(struct ctx *cx, struct engine *e, struct handling *h)
{
    if (h->code == CODE_OK)
        note(cx, h, lane_write(cx, e->app->lanes, write_handler, h));
    if (h->code == CODE_OK)
        return CODE_OK;
    bool taken = h->code == CODE_ALREADY_EXISTS, final = taken || engine_fire_is_final(h->code);
    log_warn(cx, final ? "a failure handler cannot begin" : "a failure handler cannot begin now and will again",
             LOG_STR("run", h->run->name), LOG_STR("task", h->run->on_failure), LOG_CSTR("error", h->error));
    if (final)
        set_failed(cx, h);
    return lane_write(cx, e->app->lanes, taken ? write_nothing : final ? write_handler : write_later, h);
}

enum code engine_fire_failures(struct ctx *cx, struct engine *e, int64_t *next_ns)
{
    struct handling h = {.now_ns = time_wall_ns()};
    TRY(lane_read(cx, e->app->lanes, load, &h));
    *next_ns = h.failure ? 0 : h.next_ns;
    if (!h.failure)
        return CODE_OK;
    if (engine_fire_waits_for_disk(cx, h.now_ns, next_ns))
        return CODE_OK;
    if (h.code == CODE_OK)
        note(cx, &h, prepare(cx, &h));
    return finish(cx, e, &h);
}
