/* What an attempt may reach in the object store (D-11, D-14): its storage key's lines, and what its run is granted. Engine
 * lane: calls block. */
#ifndef ENGINE_REACH_H
#define ENGINE_REACH_H

#include "app.h"
#include "object/object.h"
#include "store/action.h"

struct engine_reach {
    struct app *app;
    const struct store_run *run;
    const struct store_action *a;
    str input_uri;   /* the file */
    str raw_prefix;  /* URI: where the attempt writes raw data */
    str run_raw;     /* URI: where the whole run does; empty = below its base */
    const str *argv; /* uploads that it names, its code above all, may be read */
    size_t argc;
};

/* Grants what the launch names, and gives the lines of exec/access.h in cx->mem: writing below the run's base and the
 * attempt's raw data, reading all of the run's. */
must_check_ enum code engine_reach_launch(struct ctx *cx, const struct engine_reach *r, str *lines);
/* Grants what a result names that another action made, as far as that one's run might read it. maker: 0 = unknown. */
must_check_ enum code engine_reach_reused(struct ctx *cx, struct app *app, const struct store_run *run, uint64_t maker,
                                          str outputs);

/* Read or write entry: whether a URI may be named for this run by its attempts, or by who runs them (D-12): reading its
 * project's objects, writing below its base and its raw data. Errors: INVALID_ARGUMENT naming the field. */
must_check_ enum code engine_reach_check(struct ctx *cx, const struct store_run *run, const char *field, str uri,
                                         enum object_access access);

#endif
