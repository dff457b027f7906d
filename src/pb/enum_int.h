/* Values of enums, for the JSON codec and the validation of this folder. */
#ifndef PB_ENUM_INT_H
#define PB_ENUM_INT_H

#include "pb/table.h"

/* NULL when the enum has no such value. */
const struct pb_enum_value *pb_enum_by_number(const struct pb_enum *e, int32_t number);
const struct pb_enum_value *pb_enum_by_name(const struct pb_enum *e, str name);

static inline str pb_enum_value_name(const struct pb_enum *e, const struct pb_enum_value *v)
{
    return (str){e->pool + v->name, v->name_len};
}

#endif
