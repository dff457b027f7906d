/* Dates of HTTP headers: "Sun, 06 Nov 1994 08:49:37 GMT". */
#ifndef OBJECT_S3_DATE_INT_H
#define OBJECT_S3_DATE_INT_H

#include "base/arena.h"

str object_s3_date_format(struct arena *mem, int64_t seconds);
/* That one form only. */
bool object_s3_date_parse(str s, int64_t *seconds);

#endif
