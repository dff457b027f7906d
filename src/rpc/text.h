/* The small texts of the protocols: base64, percent encoding, query strings, timeouts, lists of encodings. Pure
 * functions, any thread. */
#ifndef RPC_TEXT_H
#define RPC_TEXT_H

#include "base/buf.h"

/* Standard alphabet. */
void text_base64_put(buf *b, str bytes, bool pad);

/* A base64 text that arrives in chunks cut anywhere; behind a padded end more may follow (gRPC-Web text). Zeroed first.
 */
struct text_base64 {
    uint32_t bits;
    uint8_t have, pads; /* characters of the quantum so far */
};
/* Appends what chunk completes. False: not base64. */
bool text_base64_read(struct text_base64 *r, str chunk, buf *out);
/* Completes an end that was not padded. False: cut inside a byte. */
bool text_base64_end(struct text_base64 *r, buf *out);

/* The value of a parameter as sent; false when there is none of that name. */
bool text_query_find(str query, str name, str *value);
/* A grpc-message: everything but printable ASCII, and "%", becomes %XX. */
void text_percent_put(buf *b, str in);

/* Whether an Accept-Encoding-like list takes gzip ("gzip;q=0" does not). */
bool text_accepts_gzip(str list);
/* "5000": milliseconds, at most ten digits. */
bool text_timeout_connect(str s, int64_t *ns);
/* "5S": at most eight digits and H, M, S, m, u or n. */
bool text_timeout_grpc(str s, int64_t *ns);

/* May be sent as the value of a header: no control bytes but tab. */
bool text_is_header_value(str s);
/* May be sent as the name of a header; no capitals. */
bool text_is_header_name(str s);

#endif
