/* Which uploads are named while a sweep of uploads runs (retention_uploads.c).
 *
 * The sweep asks the stored specs, in pieces and for minutes, and a spec that is stored behind its back may be the first
 * to name an upload that it is about to remove: of another database, so that no transaction spans both. Therefore, from
 * engine_uploads_watch() on, specs that are stored are noted here, and an upload is removed only after it was claimed.
 *
 * All of this happens in write entries, and those run one after another (with several write lanes it would take a lock of
 * the database): a spec is stored either
 *  - before the watch, and is committed when that returns: every snapshot that is read later has it; or
 *  - before the claim of an upload that it names, which fails then, also when the spec is undone later; or
 *  - after the claim: it is refused, nothing that was promised is lost. */
#ifndef ENGINE_UPLOADS_H
#define ENGINE_UPLOADS_H

#include "base/ctx.h"
#include "store/spec.h"

struct engine_uploads;

/* Write entries: store_spec_put() and store_spec_put_task(), for what clients send. Errors: also FAILED_PRECONDITION when the
 * spec names an upload that is being removed. */
must_check_ enum code engine_uploads_put_spec(struct ctx *cx, struct store_spec *s);
must_check_ enum code engine_uploads_put_task(struct ctx *cx, const TaskTaskIdentifier *id, const TaskTaskSpec *spec,
                                              struct store_spec *out);

/* Write entry: for each key of our bucket that an artifact will name, an object's or a folder's. Other sweeps claim, too: the
 * folder of a run, what an artifact has left. Errors: FAILED_PRECONDITION when what is claimed is it, lies in it or has it,
 * unless another artifact has kept it. */
must_check_ enum code engine_uploads_check_key(struct ctx *cx, str key);

/* For the sweep: three write entries; only one sweep at a time. */
must_check_ enum code engine_uploads_watch(struct ctx *cx, struct engine_uploads *u);
/* place: of an upload (object/reach.h); without a watch any key, which is kept from artifacts alone. *ok: nobody has named it
 * since; nobody will until the next claim, or the end. */
must_check_ enum code engine_uploads_claim(struct ctx *cx, struct engine_uploads *u, str place, bool *ok);
must_check_ enum code engine_uploads_end(struct ctx *cx, struct engine_uploads *u);

struct engine_uploads *engine_uploads_new(void);
/* Accepts NULL. */
void engine_uploads_free(struct engine_uploads *u);

#endif
