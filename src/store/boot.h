/* Boots of the machine (D-08). */
#ifndef STORE_BOOT_H
#define STORE_BOOT_H

#include "base/ctx.h"

/* Write entry: the number of this boot. */
must_check_ enum code store_boot_put(struct ctx *cx, uint64_t *out);

#endif
