/* What must be done to make an image's environment, and its name by content. */
#ifndef IMAGE_PLAN_H
#define IMAGE_PLAN_H

#include "gen/flyteidl2_imagebuilder.h"

#define IMAGE_ARGS_MAX 512
/* Stands for the environment's folder at the beginning of an argument. */
#define IMAGE_VENV "{venv}"
#define IMAGE_PYTHON IMAGE_VENV "/bin/python"

/* One command inside the environment. */
struct image_step {
    const char **argv; /* ends with NULL */
};

struct image_copy {
    str from;      /* below the context */
    str to;        /* below the task's working folder; "" = the folder itself */
    bool absolute; /* "/" + to is its path in the image */
    bool into;     /* a file goes into the folder to, under its own name */
};

/* A secret that layers ask for: the variable that holds its value while the steps run, and the file it comes from. */
struct image_secret {
    str variable, key;
};

struct image_plan {
    str python_version; /* "3.11" */
    str sdk;            /* requirement that installs the SDK, e.g. "flyte==2.12.1"; "" = that of the base interpreter */
    struct image_step *steps;
    size_t step_count;
    struct image_copy *copies;
    size_t copy_count;
    struct image_secret *secrets;
    size_t secret_count;
    str env;   /* "NAME=VALUE\n" each */
    str notes; /* lines for the logs of the build and of each task: what is otherwise than in a container */
    str hash;  /* hexadecimal; of everything above and of the context's bytes */
};

/* context: the bytes of context.tar.gz, may be empty. folder: where it is unpacked. uv: as in installer.h; the name by
 * content is the same with and without it. Errors: FAILED_PRECONDITION for layers
 * that need a container, saying which and what to do. */
must_check_ enum code image_plan_make(struct ctx *cx, const ImagebuilderImageSpec *spec, str context, str folder,
                                      str uv, struct image_plan *out);

#endif
