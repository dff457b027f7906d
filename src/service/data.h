/* Where the inputs and outputs of an action are. */
#ifndef SERVICE_DATA_H
#define SERVICE_DATA_H

#include "store/action.h"

/* The file ".../inputs.pb"; "" when the action has none. */
str service_inputs_uri(struct ctx *cx, const struct store_action *a);
/* The file ".../outputs.pb"; "" unless the action succeeded (or was recovered) and has one. */
str service_outputs_uri(struct ctx *cx, const struct store_action *a);

#endif
