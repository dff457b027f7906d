/* Files: whole reads with a bound, durable atomic writes, folders, paths that cannot escape. Blocking: not for loop
 * threads. Paths are NUL-terminated; errors name the path. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include "base/ctx.h"

#include <dirent.h>
#include <sys/types.h>

#define FILE_NAME_MAX 255  /* bytes of one name */
#define FILE_PATH_MAX 4095 /* bytes of a path */

/* The whole file into cx->mem. Also for files of /proc, whose size is not known before.
 * Errors: NOT_FOUND, PERMISSION_DENIED, RESOURCE_EXHAUSTED when larger than max bytes. */
must_check_ enum code file_read(struct ctx *cx, const char *path, size_t max_bytes, str *out);
/* Replaces or creates the file in one step and durably: readers see the old or the new content, also after a crash.
 * The mode is not narrowed by the umask. Errors: RESOURCE_EXHAUSTED (disk full), PERMISSION_DENIED, INTERNAL. */
must_check_ enum code file_write(struct ctx *cx, const char *path, str bytes, mode_t mode);
/* fsync of a folder: makes what was created, renamed or removed in it durable. */
must_check_ enum code file_sync_dir(struct ctx *cx, const char *path);
/* Makes the folder and its missing parents, durably; those that are there stay as they are.
 * Errors: FAILED_PRECONDITION when something on the way is no folder. */
must_check_ enum code file_mkdirs(struct ctx *cx, const char *path, mode_t mode);
/* dir + "/" + name in cx->mem, where name is one name that a stranger chose: not empty, "." or "..", without "/" and
 * NUL, at most FILE_NAME_MAX bytes. Errors: INVALID_ARGUMENT. */
must_check_ enum code file_join(struct ctx *cx, str dir, str name, str *out);
/* A path that a user wrote, made absolute: "~/x" below HOME, else below the current folder.
 * Errors: INVALID_ARGUMENT for an empty one, NUL bytes, too long, or "~" without HOME. */
must_check_ enum code file_expand(struct ctx *cx, str path, str *out);
/* True when PATH has a program of that name: its path, in cx->mem. Folders of PATH that are not absolute do not count. */
bool file_on_path(struct ctx *cx, str name, str *out);
/* The path of this program, in cx->mem; when its file was replaced while it runs, the path at which the new one stands. */
must_check_ enum code file_own_program(struct ctx *cx, str *out);

/* For cleanup_(): closes unless it is -1, NULL. */
void file_close(const int *fd);
void file_close_dir(DIR **dir);

#endif
