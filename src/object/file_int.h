/* The files of large objects: <data>/objects/xx/<32 hex digits>, named by a random id, never by a key.
 *
 * A file is written under its final name, locked (flock) by whoever writes it until the row that refers to it is
 * committed. So a file without a row and without a lock belongs to nobody, whichever process looks, and the lock goes
 * with the process that held it: no grace period decides what may be removed. */
#ifndef OBJECT_FILE_INT_H
#define OBJECT_FILE_INT_H

#include "base/ctx.h"

#define OBJECT_FILE_ID_SIZE ((size_t)16)

struct object_file_id {
    uint8_t b[OBJECT_FILE_ID_SIZE];
};

/* "xx/<32 hex digits>" and its NUL. */
#define OBJECT_FILE_NAME_SIZE ((size_t)36)
void object_file_name(const struct object_file_id *id, char out[OBJECT_FILE_NAME_SIZE]);

/* All below <dir>, a descriptor of <data>/objects. */

/* A new, empty, locked file. */
must_check_ enum code object_file_create(struct ctx *cx, int dir, struct object_file_id *id, int *fd);
/* Makes the content and the name durable. */
must_check_ enum code object_file_sync(struct ctx *cx, int dir, const struct object_file_id *id, int fd);
/* For reading. NOT_FOUND when it has been removed. */
must_check_ enum code object_file_open(struct ctx *cx, int dir, const struct object_file_id *id, int *fd);
/* What is not there any more is no error. */
void object_file_remove(int dir, const struct object_file_id *id);

/* Writes all, or fails. */
must_check_ enum code object_file_write(struct ctx *cx, int fd, str bytes);

/* Calls fn for every file until it says false. */
typedef bool object_file_visit_fn(void *arg, const struct object_file_id *id);
void object_file_each(int dir, object_file_visit_fn *fn, void *arg);
/* Takes the lock that writers hold; false when somebody has it or the file has gone. The caller closes *fd. */
bool object_file_lock(int dir, const struct object_file_id *id, int *fd);

/* For cleanup_(): closes when >= 0. */
void object_file_close(int *fd);

#endif
