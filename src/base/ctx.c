/* Call context and errors. See ctx.h. */
#include "base/ctx.h"

#include <errno.h>
#include <stdio.h>

static const char *const code_names[] = {
    "ok",        "canceled",        "unknown",           "invalid_argument",   "deadline_exceeded",
    "not_found", "already_exists",  "permission_denied", "resource_exhausted", "failed_precondition",
    "aborted",   "out_of_range",    "unimplemented",     "internal",           "unavailable",
    "data_loss", "unauthenticated",
};

const char *code_name(enum code code)
{
    size_t i = (size_t)code;
    return i < sizeof(code_names) / sizeof(*code_names) ? code_names[i] : "unknown";
}

bool code_parse(str name, enum code *out)
{
    for (size_t i = 0; i < sizeof(code_names) / sizeof(*code_names); i++)
        if (str_eq(name, str_from(code_names[i]))) {
            *out = (enum code)i;
            return true;
        }
    return false;
}

static const struct principal anonymous = {.uid = UINT32_MAX};

void ctx_init(struct ctx *cx, struct arena *mem)
{
    *cx = (struct ctx){.mem = mem, .deadline_ns = INT64_MAX, .who = &anonymous};
}

void ctx_clear_err(struct ctx *cx)
{
    cx->err = (struct err){0};
}

void ctx_add_detail(struct ctx *cx, str type, str value)
{
    struct err_detail *d = arena_new(cx->mem, struct err_detail), **at = &cx->err.details;
    while (*at)
        at = &(*at)->next;
    d->type = arena_str(cx->mem, type);
    d->value = arena_str(cx->mem, value);
    *at = d;
}

/* Cuts a message that was too long at a character, not inside one. */
static void end_at_character(char *msg)
{
    size_t n = strlen(msg);
    if (n < ERR_MSG_MAX - 1)
        return;
    while (n && ((unsigned char)msg[n - 1] & 0xc0) == 0x80)
        n--;
    if (n && (unsigned char)msg[n - 1] >= 0xc0)
        n--;
    msg[n] = 0;
}

static void set(struct ctx *cx, enum code code, const char *fmt, va_list ap)
{
    cx->err.code = code;
    cx->err.foreign = cx->err.unsent = false;
    vsnprintf(cx->err.msg, sizeof(cx->err.msg), fmt, ap);
    end_at_character(cx->err.msg);
}

enum code fail(struct ctx *cx, enum code code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    set(cx, code, fmt, ap);
    va_end(ap);
    return code;
}

enum code fail_wrap(struct ctx *cx, const char *fmt, ...)
{
    char old[ERR_MSG_MAX];
    va_list ap;
    memcpy(old, cx->err.msg, sizeof(old));
    va_start(ap, fmt);
    set(cx, cx->err.code, fmt, ap);
    va_end(ap);
    size_t n = strlen(cx->err.msg);
    snprintf(cx->err.msg + n, sizeof(cx->err.msg) - n, ": %s", old);
    end_at_character(cx->err.msg);
    return cx->err.code;
}

static enum code code_of_errno(int e)
{
    switch (e) {
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
        return CODE_RESOURCE_EXHAUSTED;
    case ENOENT:
        return CODE_NOT_FOUND;
    case EACCES:
    case EPERM:
    case EROFS:
        return CODE_PERMISSION_DENIED;
    default:
        return CODE_INTERNAL;
    }
}

enum code fail_errno(struct ctx *cx, const char *fmt, ...)
{
    int e = errno;
    va_list ap;
    va_start(ap, fmt);
    set(cx, code_of_errno(e), fmt, ap);
    va_end(ap);
    size_t n = strlen(cx->err.msg);
    snprintf(cx->err.msg + n, sizeof(cx->err.msg) - n, ": %s", strerror(e));
    return cx->err.code;
}
