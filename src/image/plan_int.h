/* A plan that is being made. */
#ifndef IMAGE_PLAN_INT_H
#define IMAGE_PLAN_INT_H

#include "base/buf.h"
#include "image/plan.h"

/* One layer gives at most so many steps. */
#define IMAGE_LAYER_STEPS 6
/* Of a whole image. */
#define IMAGE_SECRETS_MAX 64

struct image_planner {
    struct ctx *cx;
    struct image_plan *plan;
    str folder;     /* where the context is unpacked */
    str uv;         /* as in installer.h */
    buf env, notes; /* of the plan */
    str *homes;     /* absolute folders of a container that stand for a task's working folder */
    size_t home_count;
    size_t projects; /* copied into the environment so far */
    bool poetry;     /* it has its steps already */
};

/* Adds what the layer asks for. Errors: those of image_plan_make(). */
must_check_ enum code image_layer_add(struct image_planner *p, const ImagebuilderLayer *l);
/* A line for the build's log and for the log of every task of the image. */
void image_layer_note(struct image_planner *p, str line);

#endif
