/* The supervisor's journal: what it started and how it ended, durable before it matters.
 *
 * An append-only file of records: u32 length, u32 CRC-32, and a frame's body (wire.h). A torn end is cut off at the
 * next open. One thread. */
#ifndef EXEC_JOURNAL_H
#define EXEC_JOURNAL_H

#include "exec/wire.h"

struct exec_journal;
typedef void exec_journal_fn(void *arg, const struct exec_msg *m);

/* Opens or makes <dir>/journal and gives each record to fn, in order; a record is valid only during the call. A file
 * written by another version of the format is an error, not an empty journal. */
must_check_ enum code exec_journal_open(struct ctx *cx, str dir, exec_journal_fn *fn, void *arg,
                                        struct exec_journal **out);
void exec_journal_close(struct exec_journal *j);

/* Adds to the batch in memory. */
void exec_journal_add(struct exec_journal *j, const struct exec_msg *m);
/* Makes the batch durable. After a failure nothing of it counts and the journal refuses everything until
 * exec_journal_replace() has succeeded. */
must_check_ enum code exec_journal_sync(struct ctx *cx, struct exec_journal *j);
/* Writes a new file that holds only what fn adds to it, and puts it in the place of the old one; the batch in memory is
 * forgotten. On failure the old one stays as it was. */
must_check_ enum code exec_journal_replace(struct ctx *cx, struct exec_journal *j, void (*fn)(void *arg), void *arg);
/* Bytes in the file: when to replace it is the owner's decision. */
size_t exec_journal_size(const struct exec_journal *j);

#endif
