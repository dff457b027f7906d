/* Where an action's things lie: URIs made from the run's base, and reading them. Object calls block: engine and work
 * lanes. */
#ifndef ENGINE_URI_H
#define ENGINE_URI_H

#include "app.h"
#include "base/ctx.h"
#include "store/action.h"

/* "<base>/<action>/<attempt>": the attempt's folder, without a / at its end. */
str engine_uri_attempt(struct arena *mem, const struct store_run *run, str action, uint32_t attempt);
/* The file of the inputs: input_uri as sent is a folder or the file itself. Empty when the action has none. */
str engine_uri_inputs(struct arena *mem, str input_uri);

/* Reads, tests, writes the object of a URI. Errors: those of object/ (NOT_FOUND ...), INVALID_ARGUMENT for a bad URI.
 */
must_check_ enum code engine_uri_get(struct ctx *cx, struct app *app, str uri, size_t max, str *out);
must_check_ enum code engine_uri_exists(struct ctx *cx, struct app *app, str uri, bool *out);
must_check_ enum code engine_uri_put(struct ctx *cx, struct app *app, str uri, str bytes);

/* An object that is to be there. */
struct engine_uri_object {
    str uri; /* empty = none */
    str bytes;
};
/* See object_put_many(). */
must_check_ enum code engine_uri_put_many(struct ctx *cx, struct app *app, const struct engine_uri_object *list,
                                          size_t n);

#endif
