/* YAML 1.2 documents (libyaml) as the nodes of base/json.h, for configuration files. */
#ifndef BASE_YAML_H
#define BASE_YAML_H

#include "base/json.h"

#define YAML_NODES_MAX 100000

/* One document; an empty one is null. Plain scalars are typed by the core schema, numbers rewritten as JSON writes
 * them, quoted ones are strings. Every node has its line. Refused: aliases and anchors, tags other than !!str, !!map
 * and !!seq, duplicate keys, keys that are no scalars, .inf and .nan, several documents, depth over JSON_DEPTH_MAX,
 * more than YAML_NODES_MAX nodes. Errors: INVALID_ARGUMENT, beginning with "line N: ". */
must_check_ enum code yaml_parse(struct ctx *cx, str text, struct json **out);

#endif
