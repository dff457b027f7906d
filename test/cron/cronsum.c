/* What engine/cron.c says, in the form of oracle/main.go: reads "from until zone expression", answers "n hash",
 * "every seconds" or "error ...". With an argument: the first so many times instead. */
#include "base/time.h"
#include "engine/cron.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static uint64_t add(uint64_t hash, int64_t t)
{
    for (int i = 0; i < 8; i++)
        hash = (hash ^ ((uint64_t)t >> (8 * i) & 0xff)) * UINT64_C(0x100000001b3);
    return hash;
}

static void list(const struct engine_cron *c, int64_t from, int64_t until, long max)
{
    for (int64_t t = from - 1; max-- > 0 && engine_cron_next(c, t, &t) && t < until;)
        printf("%" PRId64 " ", t);
    printf("\n");
}

static void answer(struct ctx *cx, str line, long max)
{
    str from_text, until_text, zone, expression;
    int64_t from, until;
    uint64_t n = 0, hash = UINT64_C(0xcbf29ce484222325);
    struct engine_cron c;
    str_cut(line, ' ', &from_text, &line);
    str_cut(line, ' ', &until_text, &line);
    str_cut(line, ' ', &zone, &expression);
    if (!str_to_i64(from_text, &from) || !str_to_i64(until_text, &until))
        abort();
    if (engine_cron_parse(cx, "cron", expression, zone, &c) != CODE_OK) {
        printf("error %s\n", cx->err.msg);
        return;
    }
    if (c.every_s) {
        printf("every %" PRId64 "\n", c.every_s);
        return;
    }
    if (max) {
        list(&c, from, until, max);
        return;
    }
    for (int64_t t = from - 1; engine_cron_next(&c, t, &t) && t < until; n++)
        hash = add(hash, t);
    printf("%" PRIu64 " %" PRIu64 "\n", n, hash);
}

int main(int argc, char **argv)
{
    struct arena mem;
    struct ctx cx;
    char line[4096];
    arena_init(&mem, 0);
    ctx_init(&cx, &mem);
    while (fgets(line, sizeof(line), stdin)) {
        line[strcspn(line, "\n")] = 0;
        answer(&cx, str_from(line), argc > 1 ? strtol(argv[1], NULL, 10) : 0);
        ctx_clear_err(&cx);
    }
    arena_done(&mem);
    return 0;
}
