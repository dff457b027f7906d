/* What a finished attempt left in its folder. Engine lane. */
#ifndef ENGINE_RESULT_H
#define ENGINE_RESULT_H

#include "engine/decide.h"
#include "engine/uri.h"

/* error.pb first, then outputs.pb. An error.pb that cannot be read counts as a system error. Errors: those of the
 * object store, when it cannot be asked now. */
must_check_ enum code engine_result_read(struct ctx *cx, struct app *app, str folder, struct engine_result *out);
/* Whether the attempt left a report. */
must_check_ enum code engine_result_has_report(struct ctx *cx, struct app *app, str folder, bool *out);

#endif
