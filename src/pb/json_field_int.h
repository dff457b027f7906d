/* Single fields from JSON, for the readers of this folder. */
#ifndef PB_JSON_FIELD_INT_H
#define PB_JSON_FIELD_INT_H

#include "pb/table.h"

/* By its name in JSON or in the proto; NULL when the type has none. */
const struct pb_field *pb_json_field_find(const struct pb_type *t, str name);
/* Reads text as one value of f into slot: of a repeated field an element, of a map's value field that of an entry. On
 * failure *problem says what is wrong. Errors: INVALID_ARGUMENT, RESOURCE_EXHAUSTED. */
must_check_ enum code pb_json_field_value(struct ctx *cx, const struct pb_field *f, str text, void *slot,
                                          const char **problem);

#endif
