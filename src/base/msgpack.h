/* MessagePack (https://github.com/msgpack/msgpack/blob/master/spec.md): a reader and a writer of one value at a time, and
 * the canonical form for hashes. */
#ifndef BASE_MSGPACK_H
#define BASE_MSGPACK_H

#include "base/buf.h"
#include "base/ctx.h"

enum msgpack_kind {
    MSGPACK_NIL,
    MSGPACK_BOOL,
    MSGPACK_INT,  /* fits int64_t */
    MSGPACK_UINT, /* over INT64_MAX */
    MSGPACK_REAL,
    MSGPACK_STR, /* any bytes: whether they are UTF-8 is the caller's to see */
    MSGPACK_BIN,
    MSGPACK_EXT,
    MSGPACK_ARRAY,
    MSGPACK_MAP,
};

struct msgpack {
    enum msgpack_kind kind;
    bool boolean;
    int8_t ext; /* its type; -1 = a time */
    int64_t integer;
    uint64_t uinteger;
    double real;
    str bytes;      /* of str, bin and ext; borrowed */
    uint64_t items; /* values that follow an array; pairs of key and value that follow a map. Anybody's number. */
};

/* Takes a value off *rest; of an array or map only its head. False when the bytes are none or cut off. */
bool msgpack_next(str *rest, struct msgpack *out);

/* In the shortest form. After the head of an array or map come its values. */
void msgpack_put_nil(buf *b);
void msgpack_put_bool(buf *b, bool v);
void msgpack_put_integer(buf *b, int64_t v);
void msgpack_put_real(buf *b, double v);
void msgpack_put_str(buf *b, str s);
void msgpack_put_array(buf *b, size_t items);
void msgpack_put_map(buf *b, size_t pairs);

/* The same value with the entries of all maps sorted by the bytes of their keys; bytes that are no single MessagePack
 * value come back as they are. RESOURCE_EXHAUSTED when the arena's cap does not hold the copy. */
must_check_ enum code msgpack_canonical(struct ctx *cx, str bytes, str *out);

#endif
