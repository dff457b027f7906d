/* Listing keys with a delimiter, as S3 does. */
#ifndef OBJECT_LIST_INT_H
#define OBJECT_LIST_INT_H

#include "object/object.h"

struct object_list_query {
    str bucket, prefix, delimiter; /* delimiter: may be empty */
    str after;                     /* start-after key, or empty */
    bool after_prefix;             /* after is a common prefix: skip all keys that start with it */
    size_t max;
};

/* A key, or with is_prefix what several keys have in common up to the delimiter. */
struct object_list_entry {
    struct object_info info;
    bool is_prefix;
};

struct object_list_page {
    struct object_list_entry *p; /* in byte order */
    size_t n;
    bool more; /* ask again with after = the last entry's key, after_prefix = its is_prefix */
};

/* Strings in cx->mem. */
must_check_ enum code object_list_page(struct ctx *cx, struct object_store *s, const struct object_list_query *q,
                                       struct object_list_page *out);

#endif
