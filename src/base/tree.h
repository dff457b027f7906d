/* Whole folders: removing, copying. Links are never followed below the given paths. Blocking: not for loop threads. */
#ifndef BASE_TREE_H
#define BASE_TREE_H

#include "base/ctx.h"

/* Removes path and everything below it, as far as this account may; also what a task has made deep or read-only. What
 * is not there is no error. True when nothing is left. */
bool tree_remove(const char *path);
/* Bytes on disk of path and everything below it, as far as this account may look; 0 when nothing is there. A file with
 * several names counts at each. */
int64_t tree_size(const char *path);
/* Copies what is in the folder from into the folder to, which is made when it is missing: files with their mode, folders,
 * symbolic links; a file that is there already is replaced, a folder is added to. Other kinds (sockets, devices) are left
 * out. Where the file system can, files share their blocks until they are written. Not durable.
 * Errors: NOT_FOUND, PERMISSION_DENIED, RESOURCE_EXHAUSTED (disk full, or deeper than 200 folders). */
must_check_ enum code tree_copy(struct ctx *cx, const char *from, const char *to);
/* One file, the same way; to is its new name. */
must_check_ enum code tree_copy_file(struct ctx *cx, const char *from, const char *to);

#endif
