/* error.pb and outputs.pb. See result.h. */
#include "engine/result.h"

#include "gen/flyteidl2_core.h"
#include "object/object.h"

#define ERROR_PB_MAX ((size_t)16 << 20)
/* What a row keeps of a message. */
#define MESSAGE_MAX ((size_t)64 << 10)

static struct engine_result system_error(const char *code, const char *message)
{
    return (struct engine_result){
        .kind = ENGINE_RESULT_ERROR,
        .error_kind = CORE_EXECUTION_ERROR_ERROR_KIND_SYSTEM,
        .code = str_from(code),
        .message = str_from(message),
        .recoverable = true,
    };
}

static void read_document(struct ctx *cx, str bytes, struct engine_result *out)
{
    void *msg;
    if (pb_decode(cx, &CoreErrorDocument_type, bytes, &msg) != CODE_OK) {
        ctx_clear_err(cx);
        *out = system_error("ErrorFileBadFormat", "the error.pb that the task wrote cannot be read");
        return;
    }
    const CoreErrorDocument *doc = msg;
    if (!doc->error) {
        *out = system_error("ErrorFileBadFormat", "the error.pb that the task wrote says nothing");
        return;
    }
    *out = (struct engine_result){
        .kind = ENGINE_RESULT_ERROR,
        .error_kind = doc->error->origin,
        .code = doc->error->code.n ? doc->error->code : STR("UnknownError"),
        .message = str_head_utf8(doc->error->message, MESSAGE_MAX),
        .recoverable = doc->error->kind == CORE_CONTAINER_ERROR_KIND_RECOVERABLE,
    };
}

enum code engine_result_read(struct ctx *cx, struct app *app, str folder, struct engine_result *out)
{
    str bytes;
    bool outputs;
    enum code c = engine_uri_get(cx, app, object_uri_join(cx->mem, folder, STR("error.pb")), ERROR_PB_MAX, &bytes);
    if (c == CODE_OK) {
        read_document(cx, bytes, out);
        return CODE_OK;
    }
    if (c == CODE_RESOURCE_EXHAUSTED) {
        *out = system_error("ErrorFileTooLarge", "the error.pb that the task wrote is larger than 16 MiB");
        return CODE_OK;
    }
    if (c != CODE_NOT_FOUND)
        return c;
    ctx_clear_err(cx);
    TRY(engine_uri_exists(cx, app, object_uri_join(cx->mem, folder, STR("outputs.pb")), &outputs));
    *out = (struct engine_result){.kind = outputs ? ENGINE_RESULT_OUTPUTS : ENGINE_RESULT_NONE};
    return CODE_OK;
}

enum code engine_result_has_report(struct ctx *cx, struct app *app, str folder, bool *out)
{
    return engine_uri_exists(cx, app, object_uri_join(cx->mem, folder, STR("report.html")), out);
}
