/* Sealing small values: AES-256-GCM (NIST SP 800-38D) by OpenSSL, bound to a context that is not stored.
 * A sealed value is: version 1 (1 byte), key id (4), nonce (12), ciphertext, tag (16). */
#ifndef BASE_SEAL_H
#define BASE_SEAL_H

#include "base/ctx.h"

#define SEAL_KEY_BYTES 32

struct seal_key {
    unsigned char bytes[SEAL_KEY_BYTES];
};

/* `context` must be the same when it is opened, e.g. the identifier of what is sealed. */
must_check_ enum code seal(struct ctx *cx, const struct seal_key *key, str context, str plain, str *sealed);
/* Errors: FAILED_PRECONDITION when it was sealed with another key; DATA_LOSS when it or its context was changed. */
must_check_ enum code seal_open(struct ctx *cx, const struct seal_key *key, str context, str sealed, str *plain);
/* Overwrites with zeros in a way that the compiler keeps. */
void seal_wipe(void *p, size_t n);

#endif
