/* Kubernetes quantities: "500m", "2", "1.5Gi", "1e3". Pure. */
#ifndef ENGINE_QUANTITY_H
#define ENGINE_QUANTITY_H

#include "base/str.h"

/* In thousandths, rounded up; saturates. False when it is none or negative. */
bool engine_quantity_milli(str text, int64_t *out);

#endif
