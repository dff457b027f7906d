/* Gzip over zlib. See gzip.h. */
#include "rpc/gzip.h"

#include "base/mem.h"

#include <pthread.h>
#include <stdlib.h>
#include <zlib.h>

#define GZIP_WINDOW (15 + 16) /* zlib: the largest window, gzip framing */
#define GROW_MIN ((size_t)4096)

struct codecs {
    z_stream in, out;
    bool has_in, has_out;
};

static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void codecs_free(void *p)
{
    struct codecs *z = p;
    if (z->has_in)
        inflateEnd(&z->in);
    if (z->has_out)
        deflateEnd(&z->out);
    mem_free(z);
}

static void make_key(void)
{
    if (pthread_key_create(&key, codecs_free) != 0)
        abort();
}

static struct codecs *codecs_get(void)
{
    pthread_once(&once, make_key);
    struct codecs *z = pthread_getspecific(key);
    if (!z) {
        z = mem_new(struct codecs);
        if (pthread_setspecific(key, z) != 0)
            abort();
    }
    return z;
}

/* Ready for a new stream. */
static z_stream *inflater(void)
{
    struct codecs *z = codecs_get();
    int rc = z->has_in ? inflateReset(&z->in) : inflateInit2(&z->in, GZIP_WINDOW);
    if (rc != Z_OK)
        abort(); /* out of memory */
    z->has_in = true;
    return &z->in;
}

static z_stream *deflater(void)
{
    struct codecs *z = codecs_get();
    int rc = z->has_out ? deflateReset(&z->out)
                        : deflateInit2(&z->out, Z_BEST_SPEED, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY);
    if (rc != Z_OK)
        abort();
    z->has_out = true;
    return &z->out;
}

/* The last four bytes of a member say its size, but a stranger wrote them: believed as far as deflate could have come.
 */
static size_t first_guess(str in, size_t max)
{
    const unsigned char *end = (const unsigned char *)in.p + in.n;
    size_t said =
        in.n < 18 ? 0 : (size_t)end[-4] | (size_t)end[-3] << 8 | (size_t)end[-2] << 16 | (size_t)end[-1] << 24;
    size_t most = in.n * 8 > GROW_MIN ? in.n * 8 : GROW_MIN;
    size_t guess = said < most ? said : most;
    return guess < max ? guess : max;
}

/* One more round of inflate() into b, which has room for at least a byte. */
static int inflate_some(z_stream *z, buf *b, size_t room)
{
    char *at = buf_room(b, room);
    if (!at)
        return Z_MEM_ERROR;
    z->next_out = (Bytef *)at;
    z->avail_out = (uInt)room;
    int rc = inflate(z, Z_NO_FLUSH);
    buf_wrote(b, room - z->avail_out);
    return rc == Z_BUF_ERROR && z->avail_out == 0 ? Z_OK : rc;
}

static enum code too_big(struct ctx *cx, size_t max)
{
    return fail(cx, CODE_RESOURCE_EXHAUSTED, "message is larger than %zu bytes when decompressed", max);
}

static enum code inflate_all(struct ctx *cx, z_stream *z, size_t max, size_t guess, buf *b)
{
    size_t room = guess + 1; /* one more, so that the end is seen without another round */
    for (;;) {
        if (room > max + 1 - b->n)
            room = max + 1 - b->n;
        int rc = inflate_some(z, b, room);
        if (b->n > max)
            return too_big(cx, max);
        if (rc == Z_STREAM_END && z->avail_in == 0)
            return CODE_OK;
        if (rc == Z_STREAM_END)
            rc = inflateReset(z); /* another member follows */
        if (rc != Z_OK || (z->avail_in == 0 && z->avail_out != 0))
            return fail(cx, CODE_INVALID_ARGUMENT, "message is not valid gzip");
        room = b->n > GROW_MIN ? b->n : GROW_MIN;
    }
}

enum code gzip_inflate(struct ctx *cx, str in, size_t max, str *out)
{
    buf b;
    if (in.n > UINT32_MAX - 1)
        return too_big(cx, max);
    z_stream *z = inflater();
    z->next_in = (Bytef *)(uintptr_t)in.p;
    z->avail_in = (uInt)in.n;
    buf_init_arena(&b, cx->mem, max + 1);
    TRY(inflate_all(cx, z, max, first_guess(in, max), &b));
    *out = buf_view(&b);
    return CODE_OK;
}

void gzip_deflate_to(buf *b, str in)
{
    z_stream *z = deflater();
    size_t room = deflateBound(z, (uLong)in.n);
    char *at = buf_room(b, room);
    if (!at)
        return;
    z->next_in = (Bytef *)(uintptr_t)in.p;
    z->avail_in = (uInt)in.n;
    z->next_out = (Bytef *)at;
    z->avail_out = (uInt)room;
    if (deflate(z, Z_FINISH) != Z_STREAM_END)
        b->failed = true;
    else
        buf_wrote(b, room - z->avail_out);
}
