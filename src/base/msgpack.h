/* MessagePack (https://github.com/msgpack/msgpack/blob/master/spec.md), as far as hashing needs it. */
#ifndef BASE_MSGPACK_H
#define BASE_MSGPACK_H

#include "base/ctx.h"

/* The same value with the entries of all maps sorted by the bytes of their keys; bytes that are no single MessagePack
 * value come back as they are. */
str msgpack_canonical(struct ctx *cx, str bytes);

#endif
