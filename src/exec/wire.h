/* Messages between server and supervisor; records of the supervisor's journal have the same form.
 *
 * A frame is a little-endian u32 length and that many bytes: the type and tagged fields. Fields that are zero or empty
 * are left out; tags that are not known are skipped, so that a newer server can talk to an older supervisor and the
 * other way round. Nothing here blocks or owns anything. */
#ifndef EXEC_WIRE_H
#define EXEC_WIRE_H

#include "base/buf.h"
#include "base/ctx.h"
#include "exec/exec.h"

/* Raised when a message changes its meaning; EXEC_WIRE_OLDEST when an old form is no longer understood. */
#define EXEC_WIRE_VERSION 1
#define EXEC_WIRE_OLDEST 1
#define EXEC_FRAME_MAX ((size_t)8 << 20)

enum exec_msg_type {
    /* server to supervisor */
    EXEC_MSG_HELLO = 1, /* version, oldest, build */
    EXEC_MSG_LAUNCH = 2,
    EXEC_MSG_ABORT = 3,  /* key, grace_ms */
    EXEC_MSG_FORGET = 4, /* key */
    EXEC_MSG_STOP = 5,   /* all = end the tasks too; otherwise only when nothing runs */
    EXEC_MSG_LOG = 6,    /* key, text: append a line of our own */
    EXEC_MSG_S3 = 7,     /* text: buckets of others (object/upstream.h), with secrets; never in the journal */
    /* supervisor to server */
    EXEC_MSG_WELCOME = 32, /* version, oldest, build, pid, running, text = how memory is limited */
    EXEC_MSG_STATE = 33,
    EXEC_MSG_SYNCED = 34, /* every attempt's state was told once */
    EXEC_MSG_FORGOTTEN = 35,
    EXEC_MSG_GREW = 36,     /* the attempt's log has more */
    EXEC_MSG_STOPPING = 37, /* answer to STOP; all = it does stop */
    /* journal only */
    EXEC_MSG_BEGIN = 64, /* key, pid, start_ticks, boot_id, ...: written before the task is let go */
    EXEC_MSG_END = 65,   /* key and how it ended: written before anyone is told */
    EXEC_MSG_ABORTED = 66,
    EXEC_MSG_GONE = 67, /* forgotten */
};

struct exec_strs {
    str *p;
    size_t n;
};

/* All messages in one struct; which fields matter depends on the type. */
struct exec_msg {
    enum exec_msg_type type;
    struct exec_key key;
    uint64_t version, oldest, pid, start_ticks;
    uint64_t state, exit_code, signal, oom, aborted, system, all;
    uint64_t cpu_millis, memory_bytes, gpus, depth, grace_ms, warm;
    uint64_t started_ns, ended_ns, cpu_ns, max_rss, running;
    uint64_t run_id;    /* with queue and project: what it belongs to (shares.h) */
    str queue, project; /* LAUNCH, BEGIN, STATE */
    str build, boot_id, cwd, text, error_code, error, memory_dir, pids_dir;
    str s3_listen;          /* WELCOME: what the S3 endpoint was told to listen on */
    str access;             /* LAUNCH: lines of access.h */
    str program;            /* LAUNCH: absolute path, or a name for PATH */
    str interpreter;        /* LAUNCH: of a program that may run warm; else empty */
    str runtime, container; /* LAUNCH, BEGIN: a container and what removes it, when the process is killed; else empty */
    struct exec_strs argv, env, secret_names, secret_values;
};

/* Appends one frame; b->failed when it would be over EXEC_FRAME_MAX. */
void exec_wire_put(buf *b, const struct exec_msg *m);
/* The body of a frame without its length. Strings borrow from body, lists are in cx->mem.
 * Errors: INVALID_ARGUMENT. */
must_check_ enum code exec_wire_parse(struct ctx *cx, str body, struct exec_msg *out);
/* Size of the first whole frame in s with its length; 0 when more bytes are needed. Errors: INVALID_ARGUMENT when it
 * says more than EXEC_FRAME_MAX. */
must_check_ enum code exec_wire_next(struct ctx *cx, str s, size_t *out);

#endif
