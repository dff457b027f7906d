/* The errors of S3: a table of codes with status and text. */
#ifndef OBJECT_S3_ERROR_INT_H
#define OBJECT_S3_ERROR_INT_H

#include "base/ctx.h"

enum s3_error {
    S3_OK = 0,
#define S3_ERROR(code, status, message) S3_##code,
#include "object/s3_error.def"
#undef S3_ERROR
    S3_ERROR_COUNT_
};

/* "NoSuchKey", 404 and the text of the table. */
const char *object_s3_error_code(enum s3_error e);
int object_s3_error_status(enum s3_error e);
const char *object_s3_error_text(enum s3_error e);

/* What a failure of the store means to an S3 client; NOT_FOUND is NoSuchKey. Internal texts stay inside: cx->err is
 * emptied for errors that are ours. */
enum s3_error object_s3_error_of(struct ctx *cx, enum code code);
/* Leaves a text of its own in cx->err and returns e. */
enum s3_error object_s3_error_say(struct ctx *cx, enum s3_error e, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#define S3_TRY(expr)                                                                                                   \
    do {                                                                                                               \
        enum s3_error try_error_ = (expr);                                                                             \
        if (__builtin_expect(try_error_ != S3_OK, 0))                                                                  \
            return try_error_;                                                                                         \
    } while (0)
/* The same for calls that return enum code. */
#define S3_TRY_CODE(cx, expr)                                                                                          \
    do {                                                                                                               \
        enum code try_code_ = (expr);                                                                                  \
        if (__builtin_expect(try_code_ != CODE_OK, 0))                                                                 \
            return object_s3_error_of(cx, try_code_);                                                                  \
    } while (0)

#endif
