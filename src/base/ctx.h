/* struct ctx: the first parameter of everything that may fail, allocate, block or log.
 *
 * Errors. Functions return enum code and leave the text in cx->err; the codes are those of Connect and gRPC, so
 * nothing is translated at the edge. TRY() returns on failure: memory is in the arena, everything else carries
 * cleanup_(). A failure is logged once, where the ctx dies. */
#ifndef BASE_CTX_H
#define BASE_CTX_H

#include "base/arena.h"
#include "base/str.h"

enum code {
    CODE_OK = 0,
    CODE_CANCELED = 1,
    CODE_UNKNOWN = 2,
    CODE_INVALID_ARGUMENT = 3,
    CODE_DEADLINE_EXCEEDED = 4,
    CODE_NOT_FOUND = 5,
    CODE_ALREADY_EXISTS = 6,
    CODE_PERMISSION_DENIED = 7,
    CODE_RESOURCE_EXHAUSTED = 8,
    CODE_FAILED_PRECONDITION = 9,
    CODE_ABORTED = 10,
    CODE_OUT_OF_RANGE = 11,
    CODE_UNIMPLEMENTED = 12,
    CODE_INTERNAL = 13,
    CODE_UNAVAILABLE = 14,
    CODE_DATA_LOSS = 15,
    CODE_UNAUTHENTICATED = 16,
};

/* "not_found": the spelling of the Connect protocol. */
const char *code_name(enum code code);
/* False when the name is none of ours. */
bool code_parse(str name, enum code *out);

#define ERR_MSG_MAX 256

struct err_detail {
    struct err_detail *next;
    str type;  /* full message name, e.g. google.rpc.BadRequest */
    str value; /* its binary form; both live in the ctx's arena */
};

struct err {
    enum code code;
    bool foreign; /* of another server, that a call was handed to: its text is for the client, whatever the code */
    bool unsent;  /* of a call to another server: nothing of it has gone there */
    char msg[ERR_MSG_MAX];
    struct err_detail *details;
};

struct app;
struct db;

/* Who calls. Never NULL inside a handler; all strings may be empty. */
struct principal {
    str subject; /* "uid:1000", or whom a trusted proxy names */
    str name;    /* for people: the account name, or what the proxy says */
    str email;   /* as the proxy says */
    uint32_t uid;
    bool known;    /* false: anonymous */
    bool executor; /* may report the state of actions that an external executor owns (D-32) */
};

/* Printed on every log line of this call; empty ones are left out. */
struct log_fields {
    str rpc, run, action, request_id;
};

struct ctx {
    struct arena *mem;
    struct err err;
    int64_t deadline_ns; /* time_now_ns() clock; INT64_MAX = none */
    const struct principal *who;
    struct db *db;   /* this worker's connection; NULL on a loop thread */
    struct app *app; /* what lives as long as the process; NULL in unit tests */
    void *call;      /* rpc's own record of this call (headers, peer); NULL outside rpc */
    struct log_fields fields;
};

/* A ctx outside any RPC: no deadline, anonymous. */
void ctx_init(struct ctx *cx, struct arena *mem);
/* Forgets an error that was handled. */
void ctx_clear_err(struct ctx *cx);
/* Absent fields of BadRequest and the like; both strings are copied. */
void ctx_add_detail(struct ctx *cx, str type, str value);

/* Sets code and message and returns code: `return fail(cx, CODE_NOT_FOUND, "run %s", name);` */
enum code fail(struct ctx *cx, enum code code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Puts "what: " before the message of a failure and returns its code. */
enum code fail_wrap(struct ctx *cx, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* CODE_INTERNAL (or RESOURCE_EXHAUSTED for ENOSPC and the like) with strerror text. */
enum code fail_errno(struct ctx *cx, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define must_check_ __attribute__((warn_unused_result))
#define cleanup_(fn) __attribute__((cleanup(fn)))

#define TRY(expr)                                                                                                      \
    do {                                                                                                               \
        enum code try_code_ = (expr);                                                                                  \
        if (__builtin_expect(try_code_ != CODE_OK, 0))                                                                 \
            return try_code_;                                                                                          \
    } while (0)

#endif
