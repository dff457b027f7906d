/* S3 errors. No state. See s3_error_int.h. */
#include "object/s3_error_int.h"

#include "base/log.h"

#include <stdio.h>

static const struct {
    const char *code;
    int status;
    const char *text;
} errors[] = {
    [S3_OK] = {"OK", 200, ""},
#define S3_ERROR(code, status, message) [S3_##code] = {#code, status, message},
#include "object/s3_error.def"
#undef S3_ERROR
};

const char *object_s3_error_code(enum s3_error e)
{
    return errors[e].code;
}

int object_s3_error_status(enum s3_error e)
{
    return errors[e].status;
}

const char *object_s3_error_text(enum s3_error e)
{
    return errors[e].text;
}

enum s3_error object_s3_error_of(struct ctx *cx, enum code code)
{
    switch (code) {
    case CODE_OK:
        return S3_OK;
    case CODE_NOT_FOUND:
        ctx_clear_err(cx);
        return S3_NoSuchKey;
    case CODE_INVALID_ARGUMENT:
        return S3_InvalidArgument;
    case CODE_FAILED_PRECONDITION:
        return S3_PreconditionFailed;
    case CODE_OUT_OF_RANGE:
        return S3_EntityTooLarge;
    case CODE_PERMISSION_DENIED:
    case CODE_UNAVAILABLE:
    case CODE_ABORTED:
        log_warn(cx, "object store: request failed", LOG_ERR(cx));
        ctx_clear_err(cx);
        return S3_SlowDown;
    case CODE_RESOURCE_EXHAUSTED:
        log_warn(cx, "object store: request failed", LOG_ERR(cx));
        return S3_InsufficientStorage;
    default:
        log_error(cx, "object store: request failed", LOG_ERR(cx));
        ctx_clear_err(cx);
        return S3_InternalError;
    }
}

enum s3_error object_s3_error_say(struct ctx *cx, enum s3_error e, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    ctx_clear_err(cx);
    vsnprintf(cx->err.msg, sizeof(cx->err.msg), fmt, ap);
    va_end(ap);
    return e;
}
