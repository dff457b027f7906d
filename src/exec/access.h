/* What the storage keys of attempts may do, and until when (D-11).
 *
 * For every attempt that runs or has just ended there is a file <data>/run/keys/<action id>-<attempt>. Its lines say what
 * of the bucket the attempt may reach besides its own project: "r" or "w" and a prefix. Its modification time says until
 * when: far in the future while the attempt runs, ten minutes after its end then. The supervisor writes these files (one
 * thread); the S3 endpoint reads them, whether or not a server or a supervisor lives. No file: no access. */
#ifndef EXEC_ACCESS_H
#define EXEC_ACCESS_H

#include "base/buf.h"
#include "base/time.h"
#include "exec/exec.h"

#define EXEC_ACCESS_GRACE_NS (600 * NS_PER_S)

/* One line. A prefix with a line break (no key of ours has one) is left out. */
enum exec_access { EXEC_ACCESS_READ = 'r', EXEC_ACCESS_WRITE = 'w' };
void exec_access_add(buf *text, enum exec_access what, str prefix);

/* Makes or replaces the file: from now on the key works. */
must_check_ enum code exec_access_open(struct ctx *cx, str data_dir, struct exec_key key, str text);
/* The attempt ended at this time (wall clock). */
void exec_access_end(struct ctx *cx, str data_dir, struct exec_key key, int64_t ended_ns);

/* Whether an attempt that is said to run is known. */
typedef bool exec_access_known_fn(void *arg, struct exec_key key);
/* Removes what is over at now_ns. With a function also what runs by its file and is not known: after a power cut. */
void exec_access_sweep(struct ctx *cx, str data_dir, int64_t now_ns, exec_access_known_fn *known, void *arg);

/* How many attempts run, by their files. */
size_t exec_access_running(struct ctx *cx, str data_dir);

/* The lines of the attempt, in cx->mem. False when its key is not good at now_ns. A few system calls, no waiting. */
bool exec_access_read(struct ctx *cx, str data_dir, struct exec_key key, int64_t now_ns, str *text);
/* Whether a line allows it: writing, or reading, which what may be written also may be. */
bool exec_access_covers(str text, enum exec_access what, str key);

#endif
