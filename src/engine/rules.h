/* What is said of queues and projects (docs/queues.md): kept in the store, obeyed by the executor. */
#ifndef ENGINE_RULES_H
#define ENGINE_RULES_H

#include "base/ctx.h"

struct app;

#define ENGINE_RULES_MAX ((size_t)1000)

/* Tells the executor what the store says. Work thread, or one outside the lanes. */
must_check_ enum code engine_rules_tell(struct ctx *cx, struct app *app);

/* One change, as words: "set NAME limit=4 priority=-1 weight=2", "pause NAME", "resume NAME", "remove NAME"; of a project
 * with "project" before the name. Durable and in force when it returns. Work thread.
 * Errors: INVALID_ARGUMENT saying what is wrong, NOT_FOUND (remove), RESOURCE_EXHAUSTED (ENGINE_RULES_MAX). */
must_check_ enum code engine_rules_change(struct ctx *cx, struct app *app, str words);

#endif
