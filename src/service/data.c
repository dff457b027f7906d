/* Where inputs and outputs are. */
#include "service/data.h"

#include "app.h"
#include "object/object.h"
#include "service/action_message.h"

/* Rows keep what the client sent: a folder or the file itself. */
static str file_in(struct ctx *cx, str uri, str name)
{
    if (uri.n == 0 || str_ends(uri, name))
        return uri;
    while (uri.n && uri.p[uri.n - 1] == '/')
        uri.n--;
    return arena_printf(cx->mem, STR_FMT STR_FMT, STR_ARG(uri), STR_ARG(name));
}

str service_inputs_uri(struct ctx *cx, const struct store_action *a)
{
    return file_in(cx, a->input_uri, STR("/inputs.pb"));
}

str service_outputs_uri(struct ctx *cx, const struct store_action *a)
{
    if (!service_phase_is_success(a->phase))
        return STR("");
    if (a->type == WORKFLOW_ACTION_TYPE_TRACE)
        return a->output_uri;
    return file_in(cx, a->output_uri, STR("/outputs.pb"));
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
