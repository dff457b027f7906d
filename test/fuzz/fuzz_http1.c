/* HTTP/1.1 connections: whatever arrives, cut in whatever way, each exchange is opened and closed once, and the cut does
 * not change which requests there are. The first byte is the size of the pieces. */
#include "../unit/net/wire.h"

#include "net/http_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
    long opened, completed;
};

#define require(condition)                                                                                             \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                            \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

/* /pause goes on when its timer fires; here no time passes. */
static void unpause(struct wire *w)
{
    while (w->c && !w->c->lingers && w->c->proto->wants_input && w->c->h1.x && w->c->h1.x->paused) {
        http_pause(w->c->h1.x, false);
        wire_settle(w);
    }
}

static struct outcome run(str in, size_t piece)
{
    struct wire w;
    wire_open(&w);
    w.echo.no_threads = true;
    w.echo.big_max = 100000;
    while (in.n && w.c && !w.c->lingers) {
        wire_feed(&w, str_head(in, piece), piece);
        unpause(&w);
        in = str_skip(in, piece);
    }
    wire_close(&w);
    require(w.echo.opened == w.echo.closed && w.echo.completed <= w.echo.closed);
    require(!w.echo.data_after_end && !w.w.conns);
    return (struct outcome){w.echo.opened, w.echo.completed};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool quiet;
    if (!quiet)
        log_setup(LOG_LEVEL_ERROR - 1, LOG_FORMAT_TEXT);
    quiet = true;
    /* HTTP/2 has a fuzzer of its own. */
    if (size < 2 || memmem(data, size, "PRI * HTTP/2.0", 14))
        return 0;
    str in = str_make((const char *)data + 1, size - 1);
    struct outcome whole = run(in, SIZE_MAX), cut = run(in, (size_t)data[0] + 1);
    require(whole.opened == cut.opened);
    return 0;
}
