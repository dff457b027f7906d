/* DataProxyService: signed URLs, offloaded inputs, inputs and outputs of actions. Work lane: objects are read and
 * written here; the database is looked at through lane_read(). */
#include "app.h"
#include "base/codec.h"
#include "base/time.h"
#include "engine/create.h"
#include "engine/inputs_hash.h"
#include "engine/settings.h"
#include "engine/trigger.h"
#include "gen/flyteidl2_core.h"
#include "gen/flyteidl2_dataproxy.h"
#include "gen/services.h"
#include "lane/lane.h"
#include "object/object.h"
#include "service/action_message.h"
#include "service/convert.h"
#include "service/data.h"
#include "store/project.h"
#include "store/spec.h"
#include "store/task.h"

#include <openssl/sha.h>

#define PROJECT_MAX 63
#define UPLOAD_LIFETIME_MAX_S 3600
#define UPLOAD_SIZE_MAX (INT64_C(5) << 30)
#define DOWNLOAD_LIFETIME_MAX_S 3600
#define SEGMENT_MAX 255
#define UPLOAD_HEADERS 3

/* ---- paths ------------------------------------------------------------------------------------------------------- */

static enum code check_segment(struct ctx *cx, const char *field, str s, bool slashes)
{
    if (s.n > SEGMENT_MAX)
        return fail(cx, CODE_INVALID_ARGUMENT, "%s: at most %d bytes", field, SEGMENT_MAX);
    str piece, rest = s;
    while (str_next(&rest, '/', &piece))
        if (piece.n == 0 || str_eq(piece, STR(".")) || str_eq(piece, STR("..")) || (!slashes && piece.n != s.n))
            return fail(cx, CODE_INVALID_ARGUMENT, "%s: \"" STR_FMT "\" cannot be part of a path", field, STR_ARG(s));
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
            return fail(cx, CODE_INVALID_ARGUMENT, "%s: control characters cannot be part of a path", field);
    return CODE_OK;
}

static enum code require_project(struct ctx *cx, void *arg)
{
    return store_project_require(cx, *(str *)arg);
}

/* From the request's own or the greatest duration. */
static enum code lifetime_s(struct ctx *cx, const GoogleProtobufDuration *d, int64_t max_s, int64_t *out)
{
    *out = max_s;
    if (!d)
        return CODE_OK;
    if (d->seconds > max_s || d->seconds < 0 || (d->seconds == 0 && d->nanos <= 0))
        return fail(cx, CODE_INVALID_ARGUMENT, "expires_in: must be more than 0 and at most %lld seconds",
                    (long long)max_s);
    *out = d->seconds ? d->seconds : 1;
    return CODE_OK;
}

/* ---- CreateUploadLocation ---------------------------------------------------------------------------------------- */

static enum code upload_key(struct ctx *cx, const DataproxyCreateUploadLocationRequest *req, str *out)
{
    str root = req->filename_root;
    TRY(engine_create_check_name(cx, "project", req->project, PROJECT_MAX));
    TRY(engine_create_check_name(cx, "domain", req->domain, PROJECT_MAX));
    if (root.n)
        TRY(check_segment(cx, "filename_root", root, true));
    else
        root = arena_printf(cx->mem, STR_FMT "======", STR_ARG(codec_base32_encode(cx->mem, req->content_md5)));
    if (req->filename.n)
        TRY(check_segment(cx, "filename", req->filename, true));
    *out = arena_printf(cx->mem, "uploads/" STR_FMT "/" STR_FMT "/" STR_FMT "%s" STR_FMT, STR_ARG(req->project),
                        STR_ARG(req->domain), STR_ARG(root), req->filename.n ? "/" : "", STR_ARG(req->filename));
    return CODE_OK;
}

static enum code check_upload(struct ctx *cx, const DataproxyCreateUploadLocationRequest *req)
{
    if (req->filename_root.n == 0 && req->content_md5.n == 0)
        return fail(cx, CODE_INVALID_ARGUMENT, "either filename_root or content_md5 must be provided");
    if (req->content_md5.n && req->content_md5.n != OBJECT_MD5_SIZE)
        return fail(cx, CODE_INVALID_ARGUMENT, "content_md5: must have %zu bytes", OBJECT_MD5_SIZE);
    if (req->content_length > UPLOAD_SIZE_MAX || req->content_length < 0)
        return fail(cx, CODE_INVALID_ARGUMENT, "content_length: at most %lld", (long long)UPLOAD_SIZE_MAX);
    return CODE_OK;
}

/* A tracked run's report grows while it runs. */
static bool grows(const DataproxyCreateUploadLocationRequest *req)
{
    return str_starts(req->filename_root, STR(ENGINE_TRACKED "/")) && str_eq(req->filename, STR("report.html"));
}

/* A name that the client chose must not silently get other content. */
static enum code check_overwrite(struct ctx *cx, const DataproxyCreateUploadLocationRequest *req, str key)
{
    struct object_info info;
    if (req->filename.n == 0 || req->filename_root.n == 0 || grows(req))
        return CODE_OK;
    enum code code = object_stat(cx, cx->app->objects, STR(OBJECT_BUCKET), key, &info);
    if (code == CODE_NOT_FOUND) {
        ctx_clear_err(cx);
        return CODE_OK;
    }
    TRY(code);
    if (req->content_md5.n == 0)
        return fail(cx, CODE_ALREADY_EXISTS, "the file exists; content_md5 is required to verify a safe overwrite");
    if (!str_eq(info.md5, req->content_md5))
        return fail(cx, CODE_ALREADY_EXISTS, "the file exists with different content (hash mismatch)");
    return CODE_OK;
}

static void add_header(DataproxyCreateUploadLocationResponse *rsp, const char *name, str value)
{
    rsp->headers.p[rsp->headers.n++] =
        (struct DataproxyCreateUploadLocationResponse_HeadersEntry){str_from(name), value};
}

/* What the client is told to send. All but the length is signed: the upload is refused with anything else. */
static void upload_headers(struct ctx *cx, const DataproxyCreateUploadLocationRequest *req,
                           DataproxyCreateUploadLocationResponse *rsp)
{
    rsp->headers.p =
        arena_new_array(cx->mem, struct DataproxyCreateUploadLocationResponse_HeadersEntry, UPLOAD_HEADERS);
    if (req->content_length > 0)
        add_header(rsp, "Content-Length", arena_printf(cx->mem, "%lld", (long long)req->content_length));
    if (req->content_md5.n == 0)
        return;
    str md5 = codec_base64_encode(cx->mem, req->content_md5);
    add_header(rsp, "Content-MD5", md5);
    if (req->add_content_md5_metadata)
        add_header(rsp, "x-amz-meta-flyteContentMD5", md5);
}

static enum code sign_upload(struct ctx *cx, DataproxyCreateUploadLocationResponse *rsp, str key, int64_t life_s)
{
    struct object_presign_header headers[UPLOAD_HEADERS];
    struct object_presign_request r = {
        .endpoint = cx->app->s3_endpoint,
        .method = STR("PUT"),
        .bucket = STR(OBJECT_BUCKET),
        .key = key,
        .lifetime_s = life_s,
        .headers = headers,
    };
    for (size_t i = 0; i < rsp->headers.n; i++)
        if (!str_eq(rsp->headers.p[i].key, STR("Content-Length")))
            headers[r.header_count++] = (struct object_presign_header){rsp->headers.p[i].key, rsp->headers.p[i].value};
    return object_presign_request(cx, cx->app->objects, &r, &rsp->signed_url);
}

enum code DataProxyService_CreateUploadLocation(struct ctx *cx, const DataproxyCreateUploadLocationRequest *req,
                                                DataproxyCreateUploadLocationResponse *rsp)
{
    int64_t life_s;
    str key, project = req->project;
    TRY(check_upload(cx, req));
    TRY(lifetime_s(cx, req->expires_in, UPLOAD_LIFETIME_MAX_S, &life_s));
    TRY(upload_key(cx, req, &key));
    TRY(lane_read(cx, cx->app->lanes, require_project, &project));
    TRY(check_overwrite(cx, req, key));
    upload_headers(cx, req, rsp);
    TRY(sign_upload(cx, rsp, key, life_s));
    rsp->native_url = object_uri_make(cx->mem, STR(OBJECT_BUCKET), key);
    rsp->expires_at = service_timestamp(cx, time_wall_ns() + life_s * NS_PER_S);
    return CODE_OK;
}

/* ---- UploadInputs ------------------------------------------------------------------------------------------------ */

struct upload_task {
    const DataproxyUploadInputsRequest *req;
    str project, domain;
    str base_dir;                     /* found: as asked, else of the settings; empty = among the uploads */
    const CoreTaskTemplate *template; /* found */
};

/* The inputs go where the run will be (run_base_dir). */
static enum code find_base_dir(struct ctx *cx, struct upload_task *t)
{
    SettingsSettings *settings;
    t->base_dir = t->req->base_dir;
    if (!t->base_dir.n) {
        TRY(engine_settings_resolve(cx, t->domain, t->project, &settings));
        t->base_dir = engine_settings_run_base_dir(settings);
    }
    if (!t->base_dir.n)
        return CODE_OK;
    return service_data_check_folder(cx, t->req->base_dir.n ? "base_dir" : "settings.run.run_base_dir",
                                     object_uri_join(cx->mem, t->base_dir, t->project), t->project);
}

static enum code find_trigger_template(struct ctx *cx, struct upload_task *t)
{
    const CommonTriggerName *id = t->req->trigger_name;
    struct store_trigger *row;
    struct engine_trigger trigger;
    TRY(store_trigger_get(cx, id->project, id->domain, id->task_name, id->name, &row));
    TRY(engine_trigger_load(cx, NULL, row, &trigger));
    t->template = trigger.task->task_template;
    return CODE_OK;
}

/* Checks the project and the folder, and finds the task's template. */
static enum code find_upload_task(struct ctx *cx, void *arg)
{
    struct upload_task *t = arg;
    const TaskTaskIdentifier *id = t->req->task_id;
    struct store_task *row;
    struct store_spec *spec;
    void *message;
    TRY(store_project_require(cx, t->project));
    TRY(find_base_dir(cx, t));
    if (t->req->task_case == DataproxyUploadInputsRequest_task_spec_tag) {
        t->template = t->req->task_spec->task_template;
        return CODE_OK;
    }
    if (t->req->task_case == DataproxyUploadInputsRequest_trigger_name_tag)
        return find_trigger_template(cx, t);
    TRY(store_task_find(cx, id->project, id->domain, id->name, id->version, &row));
    if (!row)
        return fail(cx, CODE_NOT_FOUND, "task not found: " STR_FMT " version " STR_FMT, STR_ARG(id->name),
                    STR_ARG(id->version));
    TRY(store_spec_get(cx, row->spec_id, &spec));
    TRY(pb_decode(cx, &TaskTaskSpec_type, arena_str(cx->mem, spec->body), &message));
    t->template = ((TaskTaskSpec *)message)->task_template;
    return CODE_OK;
}

/* Where the inputs go: named by their content, all of it, so that equal uploads are one object. */
static enum code inputs_key(struct ctx *cx, const struct upload_task *t, str org, str bytes, str *out)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    TRY(engine_create_check_name(cx, "id.project", t->project, PROJECT_MAX));
    TRY(engine_create_check_name(cx, "id.domain", t->domain, PROJECT_MAX));
    if (org.n)
        TRY(check_segment(cx, "id.org", org, false));
    SHA256((const unsigned char *)bytes.p, bytes.n, digest);
    *out = arena_printf(cx->mem, "uploads/" STR_FMT "%s" STR_FMT "/" STR_FMT "/offloaded-inputs/" STR_FMT, STR_ARG(org),
                        org.n ? "/" : "", STR_ARG(t->project), STR_ARG(t->domain),
                        STR_ARG(codec_base64url_encode(cx->mem, str_make((char *)digest, sizeof(digest)))));
    return CODE_OK;
}

static enum code put_inputs(struct ctx *cx, str base_dir, str key, str bytes, str *uri)
{
    str bucket = STR(OBJECT_BUCKET);
    *uri = object_uri_make(cx->mem, bucket, key);
    if (base_dir.n) {
        *uri = object_uri_join(cx->mem, base_dir, str_skip(key, strlen(OBJECT_UPLOADS "/")));
        TRY(object_uri_parse(cx, "base_dir", *uri, &bucket, &key));
    }
    return object_put(cx, cx->app->objects, bucket, arena_printf(cx->mem, STR_FMT "/inputs.pb", STR_ARG(key)),
                      STR("application/x-protobuf"), bytes);
}

enum code DataProxyService_UploadInputs(struct ctx *cx, const DataproxyUploadInputsRequest *req,
                                        DataproxyUploadInputsResponse *rsp)
{
    bool run = req->id_case == DataproxyUploadInputsRequest_run_id_tag;
    struct upload_task t = {
        .req = req,
        .project = run ? req->run_id->project : req->project_id->name,
        .domain = run ? req->run_id->domain : req->project_id->domain,
    };
    str org = run ? req->run_id->org : req->project_id->organization, bytes, key;
    static const TaskInputs none;
    const TaskInputs *inputs = req->inputs ? req->inputs : &none;
    TRY(lane_read(cx, cx->app->lanes, find_upload_task, &t));
    TRY(pb_encode(cx, &TaskInputs_type, inputs, &bytes));
    TRY(inputs_key(cx, &t, org, bytes, &key));
    CommonOffloadedInputData *data = rsp->offloaded_input_data = pb_new(cx->mem, CommonOffloadedInputData);
    TRY(put_inputs(cx, t.base_dir, key, bytes, &data->uri));
    const CoreTaskMetadata *meta = t.template ? t.template->metadata : NULL;
    return engine_inputs_hash(cx, inputs, meta ? meta->cache_ignore_input_vars.p : NULL,
                              meta ? meta->cache_ignore_input_vars.n : 0, &data->inputs_hash);
}

/* ---- GetActionData ----------------------------------------------------------------------------------------------- */

struct action_lookup {
    const CommonActionIdentifier *id;
    uint32_t attempt; /* 0 = any */
    struct store_run *run;
    struct store_action *action;
    struct store_attempt *row; /* NULL when the attempt is not there */
};

static enum code find_action(struct ctx *cx, void *arg)
{
    struct action_lookup *l = arg;
    if (!l->id->run)
        return fail(cx, CODE_INVALID_ARGUMENT, "action_id.run: required");
    TRY(store_action_get(cx, l->id->run->project, l->id->run->domain, l->id->run->name, l->id->name, &l->run,
                         &l->action));
    return l->attempt ? store_attempt_find(cx, l->action, l->attempt, &l->row) : CODE_OK;
}

/* An empty message when there is no such object. *uri becomes empty then. */
static enum code read_message(struct ctx *cx, const char *what, const struct pb_type *type, str *uri, void **out)
{
    str bytes = STR("");
    if (uri->n) {
        enum code code = service_data_read(cx, what, *uri, &bytes);
        if (code != CODE_OK && code != CODE_NOT_FOUND)
            return code;
        if (code == CODE_NOT_FOUND) {
            ctx_clear_err(cx);
            *uri = STR("");
        }
    }
    if (pb_decode(cx, type, bytes, out) != CODE_OK)
        return fail_wrap(cx, "failed to read %s from " STR_FMT, what, STR_ARG(*uri));
    return CODE_OK;
}

static enum code action_data(struct ctx *cx, const CommonActionIdentifier *id, str *inputs_uri, str *outputs_uri,
                             TaskInputs **inputs, TaskOutputs **outputs)
{
    struct action_lookup l = {.id = id};
    void *in, *out;
    TRY(lane_read(cx, cx->app->lanes, find_action, &l));
    *inputs_uri = service_inputs_uri(cx, l.action);
    *outputs_uri = service_outputs_uri(cx, l.action);
    TRY(read_message(cx, "inputs", &TaskInputs_type, inputs_uri, &in));
    TRY(read_message(cx, "outputs", &TaskOutputs_type, outputs_uri, &out));
    *inputs = in;
    *outputs = out;
    return CODE_OK;
}

enum code DataProxyService_GetActionData(struct ctx *cx, const DataproxyGetActionDataRequest *req,
                                         DataproxyGetActionDataResponse *rsp)
{
    return action_data(cx, req->action_id, &rsp->inputs_uri, &rsp->outputs_uri, &rsp->inputs, &rsp->outputs);
}

/* The deprecated form of the same. */
enum code RunService_GetActionData(struct ctx *cx, const WorkflowGetActionDataRequest *req,
                                   WorkflowGetActionDataResponse *rsp)
{
    str inputs_uri, outputs_uri;
    return action_data(cx, req->action_id, &inputs_uri, &outputs_uri, &rsp->inputs, &rsp->outputs);
}

/* ---- CreateDownloadLink ------------------------------------------------------------------------------------------ */

struct link_lookup {
    const DataproxyCreateDownloadLinkRequest *req;
    str uri;                        /* of a code bundle */
    struct store_attempt *reported; /* whose report it is, else NULL */
};

static enum code find_reported(struct ctx *cx, struct link_lookup *l)
{
    const CommonActionAttemptIdentifier *id = l->req->action_attempt_id;
    struct action_lookup a = {.id = id->action_id, .attempt = id->attempt};
    TRY(find_action(cx, &a));
    if (!a.row)
        return fail(cx, CODE_NOT_FOUND, "attempt %u is not there", id->attempt);
    l->reported = a.row;
    return CODE_OK;
}

/* The bundle that the task's command names (--tgz or --pkl), or the one its metadata records. */
static str bundle_uri(struct ctx *cx, str spec_body)
{
    void *message;
    if (pb_decode(cx, &TaskTaskSpec_type, arena_str(cx->mem, spec_body), &message) != CODE_OK)
        return STR("");
    const CoreTaskTemplate *t = ((TaskTaskSpec *)message)->task_template;
    if (!t)
        return STR("");
    if (t->target_case == CoreTaskTemplate_container_tag)
        for (size_t i = 0; i + 1 < t->container->args.n; i++)
            if (str_eq(t->container->args.p[i], STR("--tgz")) || str_eq(t->container->args.p[i], STR("--pkl")))
                return t->container->args.p[i + 1];
    return t->metadata ? t->metadata->code_bundle_uri : STR("");
}

static enum code code_uri(struct ctx *cx, struct link_lookup *l)
{
    uint64_t spec_id;
    struct store_spec *spec;
    if (l->req->source_case == DataproxyCreateDownloadLinkRequest_task_id_tag) {
        const TaskTaskIdentifier *id = l->req->task_id;
        struct store_task *task;
        TRY(store_task_find(cx, id->project, id->domain, id->name, id->version, &task));
        if (!task)
            return fail(cx, CODE_NOT_FOUND, "task not found: " STR_FMT, STR_ARG(id->name));
        spec_id = task->spec_id;
    } else {
        struct action_lookup a = {.id = l->req->action_attempt_id->action_id};
        TRY(find_action(cx, &a));
        spec_id = a.action->spec_id;
    }
    TRY(store_spec_get(cx, spec_id, &spec));
    l->uri = bundle_uri(cx, spec->body);
    if (l->uri.n == 0)
        return fail(cx, CODE_NOT_FOUND, "the task has no code bundle");
    return CODE_OK;
}

static enum code find_link(struct ctx *cx, void *arg)
{
    struct link_lookup *l = arg;
    if (l->req->source_case == DataproxyCreateDownloadLinkRequest_app_id_tag)
        return fail(cx, CODE_UNIMPLEMENTED, "app_id: this version does not run apps yet");
    if (l->req->source_case == DataproxyCreateDownloadLinkRequest_action_attempt_id_tag &&
        !l->req->action_attempt_id->action_id)
        return fail(cx, CODE_INVALID_ARGUMENT, "action_attempt_id.action_id: required");
    if (l->req->artifact_type == DATAPROXY_ARTIFACT_TYPE_CODE_BUNDLE)
        return code_uri(cx, l);
    if (l->req->source_case != DataproxyCreateDownloadLinkRequest_action_attempt_id_tag)
        return fail(cx, CODE_INVALID_ARGUMENT, "source: a report belongs to an action_attempt_id");
    return find_reported(cx, l);
}

enum code DataProxyService_CreateDownloadLink(struct ctx *cx, const DataproxyCreateDownloadLinkRequest *req,
                                              DataproxyCreateDownloadLinkResponse *rsp)
{
    struct link_lookup l = {.req = req};
    struct object_info info;
    str bucket, key;
    int64_t life_s;
    TRY(lifetime_s(cx, req->expires_in, DOWNLOAD_LIFETIME_MAX_S, &life_s));
    TRY(lane_read(cx, cx->app->lanes, find_link, &l));
    if (l.reported) {
        TRY(service_report_key(cx, l.reported, &bucket, &key));
    } else {
        TRY(service_data_check_object(cx, "uri", l.uri));
        TRY(object_uri_parse(cx, "uri", l.uri, &bucket, &key));
        TRY(object_stat(cx, cx->app->objects, bucket, key, &info));
    }
    rsp->pre_signed_urls = pb_new(cx->mem, DataproxyPreSignedURLs);
    rsp->pre_signed_urls->expires_at = service_timestamp(cx, time_wall_ns() + life_s * NS_PER_S);
    rsp->pre_signed_urls->signed_url.n = 1;
    rsp->pre_signed_urls->signed_url.p = arena_new_array(cx->mem, str, 1);
    /* The SDK stores reports without a type; browsers would save them to a file. */
    return service_download_url(cx, bucket, key, life_s, l.reported ? STR("text/html; charset=utf-8") : STR(""),
                                &rsp->pre_signed_urls->signed_url.p[0]);
}
