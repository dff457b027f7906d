/* Environments of images that nothing has used for long, and that no stored spec names. */
#include "base/map.h"
#include "base/time.h"
#include "engine/pod.h"
#include "engine/retention_int.h"
#include "exec/venvs.h"
#include "gen/flyteidl2_task.h"
#include "lane/lane.h"
#include "store/spec.h"

#define BUILD_NS (24 * 3600 * NS_PER_S) /* no build takes so long */

struct wanted {
    struct map venvs; /* names; the keys are in cx->mem of the kind */
    struct arena *mem;
    uint64_t cursor;
    struct store_spec *specs;
    size_t n;
};

static enum code read_specs(struct ctx *cx, void *arg)
{
    struct wanted *w = arg;
    return store_spec_walk(cx, ENGINE_RETENTION_PIECE, &w->cursor, &w->specs, &w->n);
}

/* A spec that cannot be read names nothing. */
static void add_image(struct ctx *cx, struct engine_retention_sweep *s, struct wanted *w, str body)
{
    void *msg;
    struct engine_pod pod = {0};
    if (pb_decode(cx, &TaskTaskSpec_type, body, &msg) == CODE_OK && ((const TaskTaskSpec *)msg)->task_template)
        (void)!engine_pod_read(cx, ((const TaskTaskSpec *)msg)->task_template, &pod);
    ctx_clear_err(cx);
    str venv = exec_venvs_of_image(cx, s->e->app->data_dir, pod.image);
    if (venv.n && !map_find(&w->venvs, venv))
        map_put(&w->venvs, arena_str(w->mem, venv), w);
}

static enum code look_at_specs(struct ctx *cx, struct engine_retention_sweep *s, void *arg)
{
    struct wanted *w = arg;
    TRY(lane_read(cx, s->e->app->lanes, read_specs, w));
    for (size_t i = 0; i < w->n; i++)
        if (w->specs[i].kind == STORE_SPEC_TASK)
            add_image(cx, s, w, w->specs[i].body);
    return CODE_OK;
}

/* An attempt may have run since before: what it runs in was noted only when it began. */
static enum code is_old_attempt_running(struct ctx *cx, struct engine_retention_sweep *s, int64_t before_ns, bool *out)
{
    struct exec_key *keys;
    struct exec_observation o;
    size_t n;
    *out = false;
    TRY(exec_list(cx, s->e->app->exec, &keys, &n));
    for (size_t i = 0; i < n && !*out; i++) {
        TRY(exec_observe(cx, s->e->app->exec, keys[i], &o));
        *out = o.state == EXEC_RUNNING && o.started_ns < before_ns;
    }
    return CODE_OK;
}

static enum code sweep_venvs(struct ctx *cx, struct engine_retention_sweep *s, struct wanted *w)
{
    int64_t before_ns = engine_retention_before(s, s->config->retention_images_ns);
    str data_dir = s->e->app->data_dir;
    struct exec_swept swept = {0};
    struct exec_venv *venvs;
    bool running;
    size_t n;
    TRY(is_old_attempt_running(cx, s, before_ns, &running));
    if (running)
        return CODE_OK;
    TRY(exec_venvs_list(cx, data_dir, &venvs, &n));
    for (size_t i = 0; i < n; i++)
        if (venvs[i].used_ns < before_ns && !map_find(&w->venvs, venvs[i].name))
            exec_venvs_remove(cx, data_dir, venvs[i].name, before_ns, s->dry, &swept);
    exec_venvs_sweep_builds(cx, data_dir, s->now_ns - BUILD_NS, s->dry, &swept);
    engine_retention_add(s, &swept);
    return CODE_OK;
}

static enum code sweep_images(struct ctx *cx, struct engine_retention_sweep *s, struct wanted *w)
{
    do
        TRY(engine_retention_step(cx, s, look_at_specs, w));
    while (w->cursor);
    return sweep_venvs(cx, s, w);
}

enum code engine_retention_images(struct ctx *cx, struct engine_retention_sweep *s)
{
    struct wanted w = {.mem = cx->mem};
    if (!s->config->retention_images_ns)
        return CODE_OK;
    map_init(&w.venvs);
    enum code code = sweep_images(cx, s, &w);
    map_done(&w.venvs);
    return code;
}
