/* Environments of images that nothing has used for long, and that no stored spec names. */
#include "base/map.h"
#include "base/time.h"
#include "engine/pod.h"
#include "engine/retention_int.h"
#include "exec/venvs.h"
#include "gen/flyteidl2_task.h"

#define BUILD_NS (24 * 3600 * NS_PER_S) /* no build takes so long */

struct wanted {
    struct map venvs;  /* names; the keys are in mem */
    struct arena *mem; /* of the kind */
};

/* A spec that cannot be read names nothing. */
static void add_image(struct ctx *cx, struct engine_retention_sweep *s, const struct store_spec *spec, void *arg)
{
    struct wanted *w = arg;
    void *msg;
    struct engine_pod pod = {0};
    if (spec->kind == STORE_SPEC_TASK && pb_decode(cx, &TaskTaskSpec_type, spec->body, &msg) == CODE_OK &&
        ((const TaskTaskSpec *)msg)->task_template)
        (void)!engine_pod_read(cx, ((const TaskTaskSpec *)msg)->task_template, &pod);
    ctx_clear_err(cx);
    str venv = exec_venvs_of_image(cx, s->e->app->data_dir, pod.image);
    if (venv.n && !map_find(&w->venvs, venv))
        map_put(&w->venvs, arena_str(w->mem, venv), w);
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

static enum code sweep_venvs(struct ctx *cx, struct engine_retention_sweep *s, const struct exec_venv *venvs, size_t n,
                             int64_t before_ns)
{
    struct wanted w = {.mem = cx->mem};
    struct exec_swept swept = {0};
    map_init(&w.venvs);
    enum code code = engine_retention_each_spec(cx, s, add_image, &w);
    for (size_t i = 0; code == CODE_OK && i < n; i++)
        if (!map_find(&w.venvs, venvs[i].name))
            exec_venvs_remove(cx, s->e->app->data_dir, venvs[i].name, before_ns, s->dry, &swept);
    map_done(&w.venvs);
    engine_retention_add(s, &swept);
    return code;
}

enum code engine_retention_images(struct ctx *cx, struct engine_retention_sweep *s)
{
    int64_t before_ns = engine_retention_before(s, s->config->retention_images_ns);
    struct exec_swept builds = {0};
    struct exec_venv *venvs;
    size_t n, old = 0;
    bool running;
    if (!s->config->retention_images_ns)
        return CODE_OK;
    exec_venvs_sweep_builds(cx, s->e->app->data_dir, s->now_ns - BUILD_NS, s->dry, &builds);
    engine_retention_add(s, &builds);
    TRY(exec_venvs_list(cx, s->e->app->data_dir, &venvs, &n));
    for (size_t i = 0; i < n; i++)
        if (venvs[i].used_ns < before_ns)
            venvs[old++] = venvs[i];
    if (!old)
        return CODE_OK;
    TRY(is_old_attempt_running(cx, s, before_ns, &running));
    return running ? CODE_OK : sweep_venvs(cx, s, venvs, old, before_ns);
}
