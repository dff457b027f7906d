/* Files below a folder that others have written to, reached name by name from an open folder: no link is ever followed. */
#ifndef COPILOT_FILES_H
#define COPILOT_FILES_H

#include "base/ctx.h"

/* Whether a name may be that of a file: not empty, ".", "..", no "/" and no control characters, at most FILE_NAME_MAX bytes. */
bool copilot_files_plain(str name);
/* In a cleanup_(). */
void copilot_files_close(const int *fd);

/* The folders made and opened. Errors: INVALID_ARGUMENT for a name that is not plain; ALREADY_EXISTS. */
must_check_ enum code copilot_files_mkdir(struct ctx *cx, int dir, str name, int *fd);
must_check_ enum code copilot_files_create(struct ctx *cx, int dir, str name, int *fd);
must_check_ enum code copilot_files_write(struct ctx *cx, int dir, str name, str bytes);

enum copilot_kind { COPILOT_ABSENT, COPILOT_FILE, COPILOT_FOLDER, COPILOT_OTHER };
enum copilot_kind copilot_files_kind(int dir, str name);
/* Errors: FAILED_PRECONDITION for what is no regular file, or no folder. */
must_check_ enum code copilot_files_open(struct ctx *cx, int dir, str name, int *fd, int64_t *size);
must_check_ enum code copilot_files_open_folder(struct ctx *cx, int dir, str name, int *fd);
/* The whole file. Errors also: FAILED_PRECONDITION over max. */
must_check_ enum code copilot_files_read(struct ctx *cx, int dir, str name, size_t max, str *out);
/* Sorted by byte; all but "." and "..". Errors: FAILED_PRECONDITION when there are more than max. */
must_check_ enum code copilot_files_list(struct ctx *cx, int dir, size_t max, str **out, size_t *n);

/* A file, or a folder with everything in it. False when something could not be removed; what is not there is no error. */
bool copilot_files_remove(int dir, const char *name);

#endif
