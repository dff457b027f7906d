/* Percent coding of URIs, shared by uri.c, signing and the S3 server. The public part is in object.h. */
#ifndef OBJECT_URI_INT_H
#define OBJECT_URI_INT_H

#include "base/buf.h"

/* What stays as it is besides letters, digits and -._~ */
enum object_uri_keep { OBJECT_URI_KEEP_NONE, OBJECT_URI_KEEP_SLASH, OBJECT_URI_KEEP_PATH };
/* Appends s percent-encoded (upper case digits): KEEP_NONE for query parts, KEEP_SLASH for SigV4 paths, KEEP_PATH keeps
 * also the other characters that a URL path may hold. */
void object_uri_encode(buf *out, str s, enum object_uri_keep keep);

struct object_uri_param {
    str name, value; /* decoded */
};
#define OBJECT_URI_PARAMS_MAX ((size_t)64)
/* Splits "a=b&c". False when malformed or longer than OBJECT_URI_PARAMS_MAX. */
bool object_uri_query(struct arena *mem, str query, struct object_uri_param **out, size_t *n);

#endif
