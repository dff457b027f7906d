/* Making the environment of an image. Runs in a process of its own (tern build-image), never in the server. */
#ifndef IMAGE_BUILD_H
#define IMAGE_BUILD_H

#include "base/ctx.h"

struct object_store;

/* In an environment: the run that made it, "project/domain/name". */
#define IMAGE_BUILD_RUN "tern.run"

struct image_build {
    str data_dir;
    struct object_store *objects;
    str inputs_uri;     /* .../inputs.pb of the action: spec, context, target_image */
    str outputs_prefix; /* outputs.pb or error.pb goes here */
    str python;         /* interpreter that environments are made with; must be of the spec's version */
    str uv;             /* as in installer.h */
};

/* Prints its progress. The environment is there once, complete or not at all. Errors are for the user. */
must_check_ enum code image_build(struct ctx *cx, const struct image_build *job);

/* Tells the action that cx->err ended it. Errors: when even that cannot be stored. */
must_check_ enum code image_build_put_error(struct ctx *cx, const struct image_build *job);

#endif
