/* HTTP/2 connections: frames of any kind after the preface, cut in any way: each stream is opened and closed once. The
 * first byte is the size of the pieces. */
#include "../unit/net/wire.h"

#include "net/http2_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define require(condition)                                                                                             \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                            \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

static void unpause(struct wire *w)
{
    for (struct list *n = w->c->h2->streams.next; n != &w->c->h2->streams; n = n->next)
        http_pause(&container_of(n, struct http2_stream, node)->x, false);
    wire_settle(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char first[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0";
    struct wire w;
    if (size < 2)
        return 0;
    log_setup(LOG_LEVEL_ERROR - 1, LOG_FORMAT_TEXT);
    str in = str_make((const char *)data + 1, size - 1);
    size_t piece = (size_t)data[0] + 1;
    wire_open(&w);
    w.echo.no_threads = true;
    w.echo.big_max = 100000;
    wire_feed(&w, str_make(first, sizeof(first)), SIZE_MAX);
    while (in.n && w.c && !w.c->lingers) {
        wire_feed(&w, str_head(in, piece), piece);
        if (w.c && !w.c->lingers)
            unpause(&w);
        in = str_skip(in, piece);
    }
    wire_close(&w);
    require(w.echo.opened == w.echo.closed && w.echo.completed <= w.echo.closed);
    require(!w.echo.data_after_end && !w.w.conns);
    return 0;
}
