/* Storage keys of attempts. See reach.h. */
#include "engine/reach.h"

#include "exec/access.h"
#include "gen/flyteidl2_task.h"
#include "lane/lane.h"
#include "object/reach.h"
#include "store/spec.h"

#define LINES_MAX ((size_t)16 * 1024)
#define UPLOADS_URI "s3://" OBJECT_BUCKET "/" OBJECT_UPLOADS "/"

static struct object_reach_run place_of(const struct store_run *run)
{
    return (struct object_reach_run){run->project, run->domain, run->name};
}

struct wanted_run {
    uint64_t id;
    struct store_run *run; /* NULL when it is gone */
};

static enum code read_run(struct ctx *cx, void *arg)
{
    struct wanted_run *w = arg;
    enum code code = store_run_get_by_id(cx, w->id, &w->run);
    if (code != CODE_NOT_FOUND)
        return code;
    ctx_clear_err(cx);
    w->run = NULL;
    return CODE_OK;
}

/* ---- what is granted --------------------------------------------------------------------------------------------- */

/* A run that recovers another one takes over its results, and what these name. */
static enum code take_over(struct ctx *cx, const struct engine_reach *r, const struct object_reach_run *to)
{
    struct wanted_run w = {.id = r->run->related_id};
    if (!w.id)
        return CODE_OK;
    TRY(lane_read(cx, r->app->lanes, read_run, &w));
    if (!w.run)
        return CODE_OK;
    const struct object_reach_run from = place_of(w.run);
    return object_reach_copy(cx, r->app->objects, to, &from);
}

/* What the person who made the run has named. */
static enum code grant_inputs(struct ctx *cx, const struct engine_reach *r, const struct object_reach_run *to)
{
    str bucket, key;
    if (!r->input_uri.n)
        return CODE_OK;
    TRY(object_uri_parse(cx, "input_uri", r->input_uri, &bucket, &key));
    TRY(object_reach_grant(cx, r->app->objects, to, NULL, r->input_uri));
    return object_reach_grant_object(cx, r->app->objects, to, bucket, key);
}

static enum code grant_code(struct ctx *cx, const struct engine_reach *r, const struct object_reach_run *to)
{
    for (size_t i = 0; i < r->argc; i++)
        if (str_starts(r->argv[i], STR(UPLOADS_URI)))
            TRY(object_reach_grant(cx, r->app->objects, to, NULL, r->argv[i]));
    return CODE_OK;
}

enum code engine_reach_reused(struct ctx *cx, struct app *app, const struct store_run *run, uint64_t maker, str outputs)
{
    struct wanted_run w = {.id = store_action_run(maker)};
    const struct object_reach_run to = place_of(run);
    if (!maker || str_find(outputs, STR("s3://" OBJECT_BUCKET "/")) == SIZE_MAX)
        return CODE_OK;
    TRY(lane_read(cx, app->lanes, read_run, &w));
    if (!w.run)
        return CODE_OK;
    const struct object_reach_run from = place_of(w.run);
    return object_reach_grant(cx, app->objects, &to, &from, outputs);
}

/* ---- the lines of a key ------------------------------------------------------------------------------------------ */

/* Of a folder: its slash belongs to the prefix, so that "run1" is not "run10" too. Another's bucket needs no line. */
static enum code add_line(struct ctx *cx, buf *lines, enum exec_access what, str uri)
{
    str bucket, key;
    if (!uri.n)
        return CODE_OK;
    TRY(object_uri_parse(cx, "run_spec", uri, &bucket, &key));
    if (str_eq(bucket, STR(OBJECT_BUCKET)))
        exec_access_add(lines, what, arena_printf(cx->mem, STR_FMT "/", STR_ARG(key)));
    return CODE_OK;
}

enum code engine_reach_launch(struct ctx *cx, const struct engine_reach *r, str *lines)
{
    const struct object_reach_run to = place_of(r->run);
    buf b;
    if (store_action_is_root(r->a->id) && r->a->attempt == 1) {
        TRY(take_over(cx, r, &to));
        TRY(grant_inputs(cx, r, &to));
    }
    TRY(grant_code(cx, r, &to));
    buf_init_arena(&b, cx->mem, LINES_MAX);
    TRY(add_line(cx, &b, EXEC_ACCESS_WRITE, r->run->base_uri));
    TRY(add_line(cx, &b, EXEC_ACCESS_WRITE, r->raw_prefix));
    TRY(add_line(cx, &b, EXEC_ACCESS_READ, r->run_raw));
    *lines = buf_view(&b);
    return CODE_OK;
}

/* ---- what may be named ------------------------------------------------------------------------------------------- */

/* Where the run's raw data go; empty = below its base. */
static enum code read_raw(struct ctx *cx, const struct store_run *run, str *out)
{
    struct store_spec *s;
    void *msg;
    TRY(store_spec_get(cx, run->spec_id, &s));
    TRY(pb_decode(cx, &TaskRunSpec_type, s->body, &msg));
    const TaskRawDataStorage *raw = ((const TaskRunSpec *)msg)->raw_data_storage;
    *out = raw && raw->raw_data_prefix.n ? object_uri_join(cx->mem, raw->raw_data_prefix, run->name) : STR("");
    return CODE_OK;
}

/* Raw data elsewhere are rare: its spec is read only when the rest does not fit. */
enum code engine_reach_check(struct ctx *cx, const struct store_run *run, const char *field, str uri,
                             enum object_access access)
{
    struct object_uri_scope scope = {.project = run->project, .domain = run->domain, .folders[0] = run->base_uri};
    if (object_uri_check(cx, field, uri, &scope, access) == CODE_OK)
        return CODE_OK;
    ctx_clear_err(cx);
    TRY(read_raw(cx, run, &scope.folders[1]));
    return object_uri_check(cx, field, uri, &scope, access);
}
