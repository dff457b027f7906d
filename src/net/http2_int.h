/* HTTP/2 on a connection, through libnghttp2. */
#ifndef NET_HTTP2_INT_H
#define NET_HTTP2_INT_H

#include "base/str.h"

struct conn;

/* Makes c an HTTP/2 connection whose first bytes are `in` (they begin with the client's preface). */
void http2_start(struct conn *c, str in);

#endif
