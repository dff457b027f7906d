/* Where inputs and outputs are. */
#include "service/data.h"

#include "app.h"
#include "config/config.h"
#include "engine/uri.h"
#include "object/object.h"
#include "object/upstream.h"
#include "service/action_message.h"
#include "store/project.h"

/* Inputs or outputs that are answered inside a message. */
#define INLINE_MAX ((size_t)32 << 20)

str service_inputs_uri(struct ctx *cx, const struct store_action *a)
{
    return engine_uri_inputs(cx->mem, a->input_uri);
}

str service_outputs_uri(struct ctx *cx, const struct store_action *a)
{
    if (!service_phase_is_success(a->phase))
        return STR("");
    if (a->type == WORKFLOW_ACTION_TYPE_TRACE)
        return a->output_uri;
    return object_uri_file(cx->mem, a->output_uri, STR("outputs.pb"));
}

/* The row says it only when the attempt has ended. */
enum code service_report_key(struct ctx *cx, const struct store_attempt *t, str *bucket, str *key)
{
    struct object_info info;
    if (t->output_uri.n == 0 || (t->ended_ns && !t->has_report))
        return fail(cx, CODE_NOT_FOUND, "attempt %u has no report", t->attempt);
    TRY(object_uri_parse(cx, "report", object_uri_join(cx->mem, t->output_uri, STR("report.html")), bucket, key));
    enum code c = object_stat(cx, cx->app->objects, *bucket, *key, &info);
    return c == CODE_NOT_FOUND ? fail(cx, c, "attempt %u has no report yet", t->attempt) : c;
}

enum code service_data_read(struct ctx *cx, const char *field, str uri, str *bytes)
{
    str bucket, key;
    TRY(object_uri_parse(cx, field, uri, &bucket, &key));
    if (object_get(cx, cx->app->objects, bucket, key, INLINE_MAX, bytes) != CODE_OK)
        return fail_wrap(cx, "failed to read %s from " STR_FMT, field, STR_ARG(str_head(uri, 128)));
    return CODE_OK;
}

enum code service_data_check_object(struct ctx *cx, const char *field, str uri)
{
    const struct object_uri_scope all = {.project = STR("")};
    return object_uri_check(cx, field, uri, &all, OBJECT_READ);
}

enum code service_data_check_folder(struct ctx *cx, const char *field, str uri, str project)
{
    struct store_project *other = NULL;
    str bucket, key, first, rest;
    TRY(service_data_check_object(cx, field, uri));
    if (!project.n)
        return CODE_OK;
    TRY(object_uri_parse(cx, field, uri, &bucket, &key));
    str_cut(key, '/', &first, &rest);
    if (!str_eq(first, project))
        TRY(store_project_find(cx, first, &other));
    if (other || str_eq(first, STR(OBJECT_UPLOADS)))
        return fail(cx, CODE_INVALID_ARGUMENT,
                    "%s: s3://" OBJECT_BUCKET "/" STR_FMT " belongs to %s; take s3://" OBJECT_BUCKET "/" STR_FMT
                    "/... or a folder that is no project's",
                    field, STR_ARG(first), other ? "another project" : "uploads", STR_ARG(project));
    return CODE_OK;
}

enum code service_data_check_raw(struct ctx *cx, const char *field, str uri, str project)
{
    const struct config *c = cx->app->config;
    str bucket, key;
    TRY(object_uri_parse(cx, field, uri, &bucket, &key));
    if (c && !str_eq(bucket, STR(OBJECT_BUCKET)) &&
        object_upstream_serves(c->object_upstreams.p, c->object_upstreams.n, bucket))
        return CODE_OK;
    return service_data_check_folder(cx, field, uri, project);
}

enum code service_download_url(struct ctx *cx, str bucket, str key, int64_t lifetime_s, str content_type, str *url)
{
    struct object_presign_request r = {
        .endpoint = cx->app->s3_endpoint,
        .method = STR("GET"),
        .bucket = bucket,
        .key = key,
        .lifetime_s = lifetime_s,
        .content_type = content_type,
    };
    return object_presign_request(cx, cx->app->objects, &r, url);
}
