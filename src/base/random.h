/* Secure random bytes from getrandom(2); never fails (aborts). Any thread. */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include "base/str.h"

void random_bytes(void *out, size_t n);
uint64_t random_u64(void);
/* Uniform in [0, bound); bound > 0. */
uint64_t random_below(uint64_t bound);
/* n characters drawn uniformly from alphabet (1 to 256 bytes), then NUL: out has n + 1 bytes. */
void random_text(char *out, size_t n, str alphabet);
/* A version 4 UUID in its 36-character form, then NUL. */
void random_uuid(char out[37]);

#endif
