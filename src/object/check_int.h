/* Bounds on what goes into the index, and closers for cleanup_(). */
#ifndef OBJECT_CHECK_INT_H
#define OBJECT_CHECK_INT_H

#include "object/object.h"

/* Bytes of the headers stored with one object; S3 allows 2 KiB of user metadata. */
#define OBJECT_HEADERS_MAX ((size_t)8 * 1024)
#define OBJECT_CONTENT_TYPE_MAX ((size_t)256)

/* Errors: INVALID_ARGUMENT. */
must_check_ enum code object_check_key(struct ctx *cx, str bucket, str key);
must_check_ enum code object_check_put(struct ctx *cx, str bucket, str key, str content_type, str headers);

void object_check_close_writer(struct object_writer **w);
void object_check_close_reader(struct object_reader **r);

#endif
