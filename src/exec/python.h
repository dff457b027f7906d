/* Which Python runs a task (D-24). Reads only the file system; any thread, one struct per executor. */
#ifndef EXEC_PYTHON_H
#define EXEC_PYTHON_H

#include "base/ctx.h"

#include <pthread.h>

struct exec_python {
    str bin_dir;     /* "/opt/venv/bin" */
    str a0;          /* the runtime's script there */
    str interpreter; /* of its first line, with its flags; "" when that is no plain interpreter: then never warm */
    str version;     /* "3.11"; "" = cannot be told */
    str sdk_version; /* of the flyte package there; "" = cannot be told */
    str source;      /* for people: "VIRTUAL_ENV" */
};

/* Remembers what was read of each environment until its files change. */
struct exec_python_cache;
struct exec_python_cache *exec_python_cache_new(void);
void exec_python_cache_free(struct exec_python_cache *c);

/* configured: exec.local.python. All strings in cx->mem.
 * Errors: FAILED_PRECONDITION naming the four ways to say which Python. */
must_check_ enum code exec_python_find(struct ctx *cx, struct exec_python_cache *c, str data_dir, str configured,
                                       str image, struct exec_python *out);
/* The setting exec.local.uv: auto, none, a name for PATH, or a path; bin_dir: programs of the Python that runs tasks. "" when
 * there is none to use. A path that was configured is not looked at. In cx->mem. */
str exec_python_uv(struct ctx *cx, str configured, str bin_dir);
/* Where the image builder puts (a symbolic link to) the venv of an image. In cx->mem. */
str exec_python_image_path(struct ctx *cx, str data_dir, str image);

#endif
