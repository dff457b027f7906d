/* What container.c and container_run.c share. */
#ifndef EXEC_CONTAINER_INT_H
#define EXEC_CONTAINER_INT_H

#include "exec/container.h"

/* By its name; what is none of ours is taken to be like docker. */
enum exec_container_kind exec_container_kind_of(str path);
/* Whether a runtime reads a variable of that name for itself. */
bool exec_container_reads(str name);
/* Errors: INVALID_ARGUMENT for a name that no image has. */
must_check_ enum code exec_container_check_image(struct ctx *cx, str image);

#endif
