/* Page tokens: the place in a list where the next page goes on, as values and the number of the question that they
 * belong to (a hash of scope, filters and order); base64url, opaque to clients. */
#ifndef SERVICE_TOKEN_H
#define SERVICE_TOKEN_H

#include "store/db.h"

#define SERVICE_TOKEN_VALUES_MAX 20

str service_token_make(struct ctx *cx, uint64_t question, const struct db_value *values, size_t n);
/* values has room for SERVICE_TOKEN_VALUES_MAX. Errors: INVALID_ARGUMENT for text that is no token of this question. */
must_check_ enum code service_token_read(struct ctx *cx, uint64_t question, str token, struct db_value *values,
                                         size_t *n);

#endif
