/* A growing byte buffer with a maximum size and a sticky error: a writer appends without looking and checks
 * buf.failed once at the end. Lives on the heap (buf_init) or in an arena (buf_init_arena). */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/arena.h"

#include <stdarg.h>

typedef struct buf {
    char *p;
    size_t n, cap;
    size_t max; /* bytes; more sets failed and appends nothing */
    struct arena *mem;
    bool failed;
} buf;

void buf_init(buf *b, size_t max);
void buf_init_arena(buf *b, struct arena *mem, size_t max);
/* Frees heap memory; for an arena buffer only forgets. Accepts a zeroed buf. */
void buf_done(buf *b);
void buf_clear(buf *b);

void buf_add(buf *b, const void *p, size_t n);
void buf_str(buf *b, str s);
void buf_char(buf *b, char c);
void buf_printf(buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* s for a terminal or a log line: control bytes and what is no UTF-8 as \xNN (D-38). */
void buf_visible(buf *b, str s);
void buf_u64(buf *b, uint64_t v); /* decimal */
void buf_i64(buf *b, int64_t v);
/* Room for n more bytes to be written directly at the returned place, then buf_wrote(); NULL when over max. */
char *buf_room(buf *b, size_t n);
static inline void buf_wrote(buf *b, size_t n)
{
    b->n += n;
}
/* The content will be n bytes: takes room for exactly so many, unless that is over max. */
void buf_expect(buf *b, size_t n);
/* Drops the first n bytes. */
void buf_consume(buf *b, size_t n);
/* The content, borrowed until the next change; NUL-terminated. */
str buf_view(buf *b);

#endif
