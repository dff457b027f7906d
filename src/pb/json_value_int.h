/* Texts of JSON tokens as values of protobuf kinds. */
#ifndef PB_JSON_VALUE_INT_H
#define PB_JSON_VALUE_INT_H

#include "pb/table.h"

#include "pb/json_scan.h"

/* text is a number as JSON writes it (also with fraction or exponent, when its value is whole) for an integer kind; for
 * PB_FLOAT and PB_DOUBLE also NaN, Infinity and -Infinity when `quoted`. False, with the scan's problem set, when it is
 * none or out of range. */
bool pb_json_value_number(struct pb_json_scan *s, enum pb_kind kind, str text, bool quoted, void *slot);
/* "1.5s" */
bool pb_json_value_duration(str text, int64_t *seconds, int32_t *nanos);

#endif
