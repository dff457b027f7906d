/* Access keys that say themselves what they may do (D-11). The public part is in object.h. Any thread. */
#ifndef OBJECT_KEYS_INT_H
#define OBJECT_KEYS_INT_H

#include "object/object.h"

#define OBJECT_SERVER_KEY_SIZE ((size_t)32)
/* Longest access key id that is looked at. */
#define OBJECT_KEY_ID_MAX ((size_t)384)
#define OBJECT_SECRET_SIZE ((size_t)64)

/* Reads <dir>/object.key, after making it when there is none. Errors: FAILED_PRECONDITION when the file is not what we
 * write. */
must_check_ enum code object_keys_load(struct ctx *cx, const char *dir, uint8_t out[OBJECT_SERVER_KEY_SIZE]);

/* Base32 of the scope. Errors: INVALID_ARGUMENT for a name over 64 bytes. */
must_check_ enum code object_keys_id(struct ctx *cx, const struct object_scope *scope, str *out);
/* The scope of an id; strings in mem. False when it is none of ours. */
bool object_keys_scope(struct arena *mem, str id, struct object_scope *out);
/* 64 hexadecimal digits, no NUL. */
void object_keys_secret(const uint8_t key[OBJECT_SERVER_KEY_SIZE], str id, char out[OBJECT_SECRET_SIZE]);

#endif
