/* Files that an image brings into the working folder of its tasks. */
#ifndef EXEC_FILES_H
#define EXEC_FILES_H

#include "base/ctx.h"

/* In an environment that was made for an image: what the working folder of a task begins with. */
#define EXEC_FILES_DIR "tern-files"

/* There too: names in that folder, a line each, that are absolute paths in the image (view.h). */
#define EXEC_FILES_PATHS "tern.paths"

/* Makes the working folder cwd with copies of the environment's files: whole, or not at all. Does nothing when the
 * environment has none, or when the folder is there already. Errors: those of tree_copy(). */
must_check_ enum code exec_files_place(struct ctx *cx, str bin_dir, str cwd);
/* What is otherwise than in a container, a line each; "" when nothing. In cx->mem. */
str exec_files_notes(struct ctx *cx, str bin_dir);
/* Removes the working folder, and what a server that was killed left of one. */
void exec_files_remove(struct ctx *cx, str cwd);

#endif
