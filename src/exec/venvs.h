/* The environments that images were built into: <data>/venvs/<hash>, and image-<hash of a name>, links to them. Written by
 * image/, used by tasks, swept by retention. Only the file system; any thread. */
#ifndef EXEC_VENVS_H
#define EXEC_VENVS_H

#include "exec/exec.h"

/* Written last into an environment: one without it is not one. The time of its last change is that of the last use. */
#define EXEC_VENVS_COMPLETE "tern-complete"

/* Notes that a task or a client uses the environment that this folder of programs (<venv>/bin) belongs to; any other
 * folder is no error. */
void exec_venvs_used(struct ctx *cx, str bin_dir);

struct exec_venv {
    str name; /* the hash */
    int64_t used_ns;
};
must_check_ enum code exec_venvs_list(struct ctx *cx, str data_dir, struct exec_venv **out, size_t *n);
/* The environment that an image's name leads to; empty when there is none. */
str exec_venvs_of_image(struct ctx *cx, str data_dir, str image);
/* Removes an environment unless it was used since or is being built, and the names that lead to it. */
void exec_venvs_remove(struct ctx *cx, str data_dir, str name, int64_t before_ns, bool dry, struct exec_swept *swept);
/* Folders of builds that were cut off before. */
void exec_venvs_sweep_builds(struct ctx *cx, str data_dir, int64_t before_ns, bool dry, struct exec_swept *swept);

#endif
