/* Gzip in memory, with a bound on what comes out. Any thread: each thread keeps one inflater and one deflater for reuse
 * (a documented cache: 40 KiB and 260 KiB, made when first needed, freed with the thread). */
#ifndef RPC_GZIP_H
#define RPC_GZIP_H

#include "base/buf.h"
#include "base/ctx.h"

/* All members of the stream one after the other. The size is checked while inflating, so a small bomb costs no more
 * than max. Errors: INVALID_ARGUMENT (no gzip, cut short), RESOURCE_EXHAUSTED (more than max bytes). */
must_check_ enum code gzip_inflate(struct ctx *cx, str in, size_t max, str *out);
/* Appends one gzip member; sets b->failed when it does not fit. */
void gzip_deflate_to(buf *b, str in);

#endif
