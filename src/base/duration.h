/* Durations as Go writes them, "1h2m3.5s", which is how Flyte shows them. time_parse_duration() reads what people write
 * into settings. Pure. */
#ifndef BASE_DURATION_H
#define BASE_DURATION_H

#include "base/buf.h"

/* Of what protobuf's Duration can say: 10,000 years, of 365.25 days. */
#define DURATION_SECONDS_MAX INT64_C(315576000000)

/* seconds and nanos have the same sign, as in protobuf; exact, also where Go's own type ends. */
void duration_put(buf *b, int64_t seconds, int32_t nanos);
/* A sign, then numbers with units, or "0"; what is below a nanosecond is dropped. False when it is none, or over
 * DURATION_SECONDS_MAX. */
bool duration_parse(str s, int64_t *seconds, int32_t *nanos);

#endif
