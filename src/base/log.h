/* Logging: one line per event to standard error, as text or JSON. Any thread.
 *
 *     log_info(cx, "run created", LOG_STR("run", name), LOG_INT("actions", n));
 *
 * cx may be NULL; its fields are printed first. Levels: error, warn, info, debug. Text lines print control bytes as
 * \xNN; a JSON line is always one line. Never log inputs, outputs, tokens or secret values. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/ctx.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

struct log_attr {
    const char *key;
    enum { LOG_ATTR_END, LOG_ATTR_STR, LOG_ATTR_INT, LOG_ATTR_F64 } kind;
    str s;
    int64_t i;
    double f;
};

#define LOG_STR(k, v) ((struct log_attr){.key = (k), .kind = LOG_ATTR_STR, .s = (v)})
#define LOG_CSTR(k, v) ((struct log_attr){.key = (k), .kind = LOG_ATTR_STR, .s = str_from(v)})
#define LOG_INT(k, v) ((struct log_attr){.key = (k), .kind = LOG_ATTR_INT, .i = (int64_t)(v)})
#define LOG_F64(k, v) ((struct log_attr){.key = (k), .kind = LOG_ATTR_F64, .f = (v)})
/* The code and message of cx->err. */
#define LOG_ERR(cx) LOG_CSTR("code", code_name((cx)->err.code)), LOG_CSTR("error", (cx)->err.msg)

void log_setup(enum log_level level, enum log_format format);
bool log_enabled(enum log_level level);
void log_write(enum log_level level, const struct ctx *cx, const char *msg, const struct log_attr *attrs);

#define LOG_AT_(level, cx, msg, ...)                                                                                   \
    do {                                                                                                               \
        if (log_enabled(level))                                                                                        \
            log_write(level, cx, msg, (const struct log_attr[]){__VA_ARGS__ __VA_OPT__(, ){.kind = LOG_ATTR_END}});    \
    } while (0)
#define log_error(cx, msg, ...) LOG_AT_(LOG_LEVEL_ERROR, cx, msg, __VA_ARGS__)
#define log_warn(cx, msg, ...) LOG_AT_(LOG_LEVEL_WARN, cx, msg, __VA_ARGS__)
#define log_info(cx, msg, ...) LOG_AT_(LOG_LEVEL_INFO, cx, msg, __VA_ARGS__)
#define log_debug(cx, msg, ...) LOG_AT_(LOG_LEVEL_DEBUG, cx, msg, __VA_ARGS__)

#endif
