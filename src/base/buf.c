/* Growing byte buffer, on the heap or in an arena. Not thread safe. */
#include "base/buf.h"

#include "base/mem.h"

#include <stdio.h>

void buf_init(buf *b, size_t max)
{
    *b = (buf){.max = max};
}

void buf_init_arena(buf *b, struct arena *mem, size_t max)
{
    *b = (buf){.max = max, .mem = mem};
}

void buf_done(buf *b)
{
    if (!b->mem)
        mem_free(b->p);
    *b = (buf){.max = b->max, .mem = b->mem};
}

void buf_clear(buf *b)
{
    b->n = 0;
    b->failed = false;
}

static void resize(buf *b, size_t cap)
{
    b->p = b->mem ? arena_move_raw(b->mem, b->p, b->cap, cap) : mem_resize(b->p, cap);
    b->cap = cap;
}

void buf_expect(buf *b, size_t n)
{
    if (!b->failed && n <= b->max && n + 1 > b->cap)
        resize(b, n + 1);
}

/* One byte beyond the content is always there for the NUL of buf_view(). */
char *buf_room(buf *b, size_t n)
{
    if (b->failed || n > b->max || b->n > b->max - n) {
        b->failed = true;
        return NULL;
    }
    size_t need = b->n + n + 1;
    if (need > b->cap) {
        size_t cap = b->cap ? b->cap * 2 : 64;
        if (cap < need)
            cap = need;
        resize(b, cap);
    }
    return b->p + b->n;
}

void buf_add(buf *b, const void *p, size_t n)
{
    char *to = n ? buf_room(b, n) : NULL;
    if (!to)
        return;
    memcpy(to, p, n);
    b->n += n;
}

void buf_str(buf *b, str s)
{
    buf_add(b, s.p, s.n);
}

void buf_char(buf *b, char c)
{
    buf_add(b, &c, 1);
}

void buf_printf(buf *b, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    char *to = n > 0 ? buf_room(b, (size_t)n) : NULL;
    if (to) {
        vsnprintf(to, (size_t)n + 1, fmt, again);
        b->n += (size_t)n;
    }
    va_end(again);
    va_end(ap);
}

void buf_visible(buf *b, str s)
{
    for (size_t i = 0; i < s.n;) {
        unsigned char c = (unsigned char)s.p[i];
        size_t len = c < 0x80 ? 1 : str_utf8_len(str_skip(s, i));
        /* U+0080 to U+009F are control characters too. */
        bool control = c < 0x20 || c == 0x7f || len == 0 || (c == 0xc2 && (unsigned char)s.p[i + 1] < 0xa0);
        if (len == 0)
            len = 1;
        if (control)
            for (size_t k = 0; k < len; k++)
                buf_printf(b, "\\x%02x", (unsigned char)s.p[i + k]);
        else
            buf_add(b, s.p + i, len);
        i += len;
    }
}

void buf_u64(buf *b, uint64_t v)
{
    char tmp[20];
    size_t at = sizeof(tmp);
    do
        tmp[--at] = (char)('0' + v % 10);
    while (v /= 10);
    buf_add(b, tmp + at, sizeof(tmp) - at);
}

void buf_i64(buf *b, int64_t v)
{
    if (v < 0)
        buf_char(b, '-');
    buf_u64(b, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

void buf_consume(buf *b, size_t n)
{
    if (n > b->n)
        n = b->n;
    b->n -= n;
    if (b->n)
        memmove(b->p, b->p + n, b->n);
}

str buf_view(buf *b)
{
    if (!b->p)
        return STR("");
    b->p[b->n] = 0;
    return (str){b->p, b->n};
}
