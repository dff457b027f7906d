/* Keys of reusable results (D-52): SHA-256 over scope, task name, interface hash and the cache key as the client
 * computed it; for roots we compute that one by the same formula (control-plane.md 2.4). Pure. */
#ifndef ENGINE_CACHEKEY_H
#define ENGINE_CACHEKEY_H

#include "base/ctx.h"
#include "gen/flyteidl2_task.h"

/* What the SDK's generate_cache_key_hash makes: base64 of SHA-256 over inputs hash, task name, interface hash, version.
 */
must_check_ enum code engine_cachekey_text(struct ctx *cx, const CoreTaskTemplate *t, str inputs_hash, str *out);
/* The 32 bytes that the store keeps; empty when the task is not discoverable or there is no text. scope: of the run's
 * cache_config. */
must_check_ enum code engine_cachekey_make(struct ctx *cx, const CoreTaskTemplate *t, int32_t scope, str project,
                                           str domain, str text, str *out);

#endif
