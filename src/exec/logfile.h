/* The log of one attempt: <data>/logs/XX/<action id>-<attempt>.log, and beside it .idx.
 *
 * The task appends to the file itself (O_APPEND), so output survives the end of every process of ours. The index holds
 * records of 32 bytes: when bytes up to an offset had arrived, which bytes are lines of our own, and that the attempt
 * has ended. Only the supervisor stamps times; lines of our own come from either process; the index's file lock orders
 * them. Over EXEC_LOG_HEAD + EXEC_LOG_TAIL bytes the middle is punched out, so that offsets stay valid as cursors. */
#ifndef EXEC_LOGFILE_H
#define EXEC_LOGFILE_H

#include "base/ctx.h"
#include "exec/exec.h"

#ifndef EXEC_LOG_HEAD
#define EXEC_LOG_HEAD ((int64_t)128 << 20)
#define EXEC_LOG_TAIL ((int64_t)128 << 20)
#define EXEC_LOG_SLACK ((int64_t)16 << 20)
#endif
/* A longer line is cut in pieces. */
#define EXEC_LOG_LINE_MAX ((size_t)64 * 1024)
#define EXEC_LOG_PAGE_MAX ((size_t)1 << 20)

struct exec_logfile {
    int fd, index; /* -1 = closed */
    int64_t size;  /* stamped up to here */
    int64_t hole_end;
    int64_t stamped_ns; /* wall clock of the last record */
    size_t stamps;
    bool no_holes; /* the file system cannot */
};

/* Opens for appending and makes what is missing; 0600. */
must_check_ enum code exec_logfile_open(struct ctx *cx, str data_dir, struct exec_key key, struct exec_logfile *out);
void exec_logfile_close(struct exec_logfile *f);
/* Notes what has arrived since the last call and keeps the size within bounds; true when there was something. */
bool exec_logfile_stamp(struct exec_logfile *f);
/* Stamps the rest and marks the end. */
void exec_logfile_end(struct exec_logfile *f);
/* Appends one line of our own; a newline inside becomes a space. */
void exec_logfile_system(struct exec_logfile *f, str line);

/* As exec_log_read(). over: nobody writes any more, so a last line without newline counts. */
must_check_ enum code exec_logfile_read(struct ctx *cx, str data_dir, struct exec_key key, int64_t cursor,
                                        size_t max_lines, bool over, struct exec_log_page *out);
/* Bytes that were appended by others, without lines of our own; what was punched out counts. */
must_check_ enum code exec_logfile_task_bytes(struct ctx *cx, str data_dir, struct exec_key key, int64_t *out);
/* True when the supervisor has marked the end. */
bool exec_logfile_has_ended(struct ctx *cx, str data_dir, struct exec_key key);
/* Returns its bytes on disk; dry: removes nothing. */
int64_t exec_logfile_remove(struct ctx *cx, str data_dir, struct exec_key key, bool dry);
/* Where logs lie: folders 0 to EXEC_LOG_SHARDS - 1. */
#define EXEC_LOG_SHARDS 256
str exec_logfile_shard(struct ctx *cx, str data_dir, unsigned shard);
/* Whose log a file there is; false for its index and everything else. */
bool exec_logfile_key(str name, struct exec_key *out);

#endif
