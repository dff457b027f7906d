/* The rule string.uri of buf.validate. */
#ifndef PB_URI_INT_H
#define PB_URI_INT_H

#include "base/str.h"

/* An absolute URI of RFC 3986: "https://host:8080/a%20b?q#f", "s3://bucket/key", "mailto:x@y". */
bool pb_uri_is_valid(str s);

#endif
