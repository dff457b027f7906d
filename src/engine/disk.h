/* New runs are refused when the disk is nearly full, while what runs goes on (D-40). */
#ifndef ENGINE_DISK_H
#define ENGINE_DISK_H

#include "base/ctx.h"

/* Cheap: looks at the disk once a second. Errors: RESOURCE_EXHAUSTED below storage.min_free. */
must_check_ enum code engine_disk_require(struct ctx *cx);

#endif
