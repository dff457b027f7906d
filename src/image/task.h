/* The task build-image, and which images there are. */
#ifndef IMAGE_TASK_H
#define IMAGE_TASK_H

#include "base/ctx.h"

/* Write entry: registers build-image of this version in project system, domain production. */
must_check_ enum code image_task_seed(struct ctx *cx);
/* True when the image's environment was built here and is complete. *run: "project/domain/name" of the run that built it; empty
 * when that is not known. */
bool image_exists(struct ctx *cx, str data_dir, str image, str *run);

#endif
