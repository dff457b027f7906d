/* A private view of the file system, in which files of the working folder are also at absolute paths: what an image
 * copies to such a path. For a process of its own (tern view) that becomes the task; nothing on the machine changes. */
#ifndef EXEC_VIEW_H
#define EXEC_VIEW_H

#include "base/ctx.h"

/* paths: a line each, without the first slash; "app/data" is at cwd + "/app/data" and will be at "/app/data" too. What
 * is there already stays, a file of the same name is covered. Needs mount namespaces: root, or an account that may make
 * user namespaces. Errors: FAILED_PRECONDITION with the step that is not possible; then nothing has changed. */
must_check_ enum code exec_view_enter(struct ctx *cx, str paths, str cwd);

#endif
