/* Sweeps, for the files retention_*.c: each sweeps one kind of thing. */
#ifndef ENGINE_RETENTION_INT_H
#define ENGINE_RETENTION_INT_H

#include "base/map.h"
#include "config/config.h"
#include "engine/engine_int.h"
#include "engine/retention.h"
#include "exec/exec.h"
#include "lane/lane.h"
#include "store/spec.h"

/* Rows or objects of one piece (D-40). */
#define ENGINE_RETENTION_PIECE 500

struct engine_retention_sweep {
    struct engine *e;
    const struct config *config;
    int64_t now_ns;
    bool dry;
    struct engine_retention_row *row; /* of the kind that is swept */
};

/* The moment that many nanoseconds ago; INT64_MIN, before everything, for 0. */
int64_t engine_retention_before(const struct engine_retention_sweep *s, int64_t keep_ns);

/* Runs fn with memory of its own. Errors: those of fn; UNAVAILABLE when the server stops. */
typedef enum code engine_retention_fn(struct ctx *cx, struct engine_retention_sweep *s, void *arg);
must_check_ enum code engine_retention_step(struct ctx *cx, struct engine_retention_sweep *s, engine_retention_fn *fn,
                                            void *arg);
/* The same for a piece that is a write entry. */
must_check_ enum code engine_retention_write(struct ctx *cx, struct engine_retention_sweep *s, lane_write_fn *fn,
                                             void *arg);
/* Every stored spec, in pieces; the body lives until fn returns. */
typedef void engine_retention_spec_fn(struct ctx *cx, struct engine_retention_sweep *s, const struct store_spec *spec,
                                      void *arg);
must_check_ enum code engine_retention_each_spec(struct ctx *cx, struct engine_retention_sweep *s,
                                                 engine_retention_spec_fn *fn, void *arg);
/* Adds what an executor found to the kind's row. */
void engine_retention_add(struct engine_retention_sweep *s, const struct exec_swept *swept);

/* What artifacts name in a folder of our bucket: such objects stay. */
struct engine_retention_spared {
    bool all;        /* the folder itself, or one above it */
    struct map keys; /* objects and folders in it */
};
/* Claims the folder (uploads.h), so that no other artifact names what is in it until the next claim, or the end of the sweep.
 * The keys live as long as cx->mem. To be given back with engine_retention_spared_done(), after a failure too. */
must_check_ enum code engine_retention_spare(struct ctx *cx, struct engine_retention_sweep *s, str folder,
                                             struct engine_retention_spared *out);
bool engine_retention_is_spared(const struct engine_retention_spared *spared, str key);
void engine_retention_spared_done(struct engine_retention_spared *spared);
/* Nothing is claimed any more, nor watched; cx->err stays. */
void engine_retention_unclaim(struct ctx *cx, struct engine_retention_sweep *s);

/* The kinds. cx->mem ends with the kind. */
must_check_ enum code engine_retention_runs(struct ctx *cx, struct engine_retention_sweep *s);
must_check_ enum code engine_retention_work(struct ctx *cx, struct engine_retention_sweep *s);
must_check_ enum code engine_retention_logs(struct ctx *cx, struct engine_retention_sweep *s);
must_check_ enum code engine_retention_artifacts(struct ctx *cx, struct engine_retention_sweep *s);
must_check_ enum code engine_retention_cache(struct ctx *cx, struct engine_retention_sweep *s);
must_check_ enum code engine_retention_uploads(struct ctx *cx, struct engine_retention_sweep *s);
must_check_ enum code engine_retention_images(struct ctx *cx, struct engine_retention_sweep *s);

/* The thread. Without one (it could not be started) nothing is swept, which is logged. */
struct engine_retention *engine_retention_start(struct engine *e);
/* Accepts NULL. */
void engine_retention_stop(struct engine_retention *r);

#endif
