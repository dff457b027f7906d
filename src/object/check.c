/* Bounds of keys and headers. No state. See check_int.h. */
#include "object/check_int.h"

enum code object_check_key(struct ctx *cx, str bucket, str key)
{
    if (!bucket.n || bucket.n > 63)
        return fail(cx, CODE_INVALID_ARGUMENT, "a bucket's name has 3 to 63 bytes");
    if (!key.n || key.n > OBJECT_KEY_MAX)
        return fail(cx, CODE_INVALID_ARGUMENT, "an object's key has 1 to 1,024 bytes, not %zu", key.n);
    return CODE_OK;
}

/* Control characters would end a header line. */
static bool is_plain(str s, bool lines)
{
    for (size_t i = 0; i < s.n; i++)
        if (((uint8_t)s.p[i] < 0x20 && s.p[i] != '\t' && !(lines && s.p[i] == '\n')) || s.p[i] == 0x7f)
            return false;
    return true;
}

enum code object_check_put(struct ctx *cx, str bucket, str key, str content_type, str headers)
{
    TRY(object_check_key(cx, bucket, key));
    if (content_type.n > OBJECT_CONTENT_TYPE_MAX || !is_plain(content_type, false))
        return fail(cx, CODE_INVALID_ARGUMENT, "content type: too long or with control characters");
    if (headers.n > OBJECT_HEADERS_MAX || !is_plain(headers, true))
        return fail(cx, CODE_INVALID_ARGUMENT, "headers of an object: over 8 KiB or with control characters");
    return CODE_OK;
}

void object_check_close_writer(struct object_writer **w)
{
    object_writer_close(*w);
}

void object_check_close_reader(struct object_reader **r)
{
    object_reader_close(*r);
}
