/* The hash of inputs that cache keys are made from.
 *
 * It is what the Python SDK computes for child actions (flyte 2.12, runtime conversion), so that a root action and a
 * child with equal inputs share a cache entry: base64 of SHA-256 over "name:" value ";" for each input in order, where
 * a value is its own content hash when it carries one, the concatenation of its parts for collections and maps (maps:
 * key before value, sorted), else its deterministic binary form with the maps inside MessagePack payloads sorted by
 * key. */
#ifndef ENGINE_INPUTS_HASH_H
#define ENGINE_INPUTS_HASH_H

#include "gen/flyteidl2_task.h"

/* Leaves out the inputs named in ignored. Empty when no input is left. Errors: INVALID_ARGUMENT (nested too deep). */
must_check_ enum code engine_inputs_hash(struct ctx *cx, const TaskInputs *inputs, const str *ignored,
                                         size_t ignored_count, str *out);

#endif
