/* tern notifications: what waits to be sent and what was given up, read from the database, also while its server runs; --retry
 * asks the running server to send what was given up again. */
#include "cli/ask.h"
#include "cli/cli.h"

#include "base/json.h"
#include "base/time.h"
#include "config/config.h"
#include "store/db.h"
#include "store/outbox.h"

#define PIECE 500
#define LINE_MAX 4096

struct options {
    str retry;
    bool dead, json;
};

const struct cli_option cli_cmd_notifications_options[] = {
    {"--dead", CLI_FLAG, offsetof(struct options, dead), NULL, "Only those that were given up"},
    {"--retry", CLI_TEXT, offsetof(struct options, retry), "ID|all", "Send what was given up again"},
    {"--json", CLI_FLAG, offsetof(struct options, json), NULL, "One JSON object a line"},
    {0},
};

/* ---- listing ----------------------------------------------------------------------------------------------------- */

static const char *by(const struct store_outbox *row)
{
    static const char *const names[] = {"-", "webhook", "email"};
    return row->channel >= 0 && row->channel < 3 ? names[row->channel] : "?";
}

static void put_text(buf *b, const struct store_outbox_line *l)
{
    const struct store_outbox *row = &l->row;
    buf_printf(b, "%-6llu %-8s %-7s %3u tries  ", (unsigned long long)row->id, row->ended_ns ? "dead" : "waiting",
               by(row), row->attempts);
    buf_printf(b, STR_FMT "/" STR_FMT "/" STR_FMT "/" STR_FMT "  ", STR_ARG(l->project), STR_ARG(l->domain),
               STR_ARG(l->run), STR_ARG(l->action));
    buf_visible(b, row->error);
    buf_char(b, '\n');
}

static void put_json(buf *b, const struct store_outbox_line *l)
{
    const struct store_outbox *row = &l->row;
    const struct {
        const char *key;
        str value;
    } members[] = {{"state", row->ended_ns ? STR("dead") : STR("waiting")},
                   {"by", str_from(by(row))},
                   {"config", row->config},
                   {"project", l->project},
                   {"domain", l->domain},
                   {"run", l->run},
                   {"action", l->action},
                   {"error", row->error}};
    buf_printf(b, "{\"id\":%llu,\"attempts\":%u", (unsigned long long)row->id, row->attempts);
    for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++) {
        buf_printf(b, ",\"%s\":", members[i].key);
        json_put_str(b, members[i].value);
    }
    buf_str(b, STR("}\n"));
}

static enum code print(struct ctx *cx, const struct options *o, const struct store_outbox_line *lines, size_t n)
{
    buf b;
    buf_init_arena(&b, cx->mem, PIECE * LINE_MAX);
    for (size_t i = 0; i < n; i++) {
        if (o->json)
            put_json(&b, &lines[i]);
        else
            put_text(&b, &lines[i]);
    }
    return cli_print(cx, buf_view(&b));
}

static enum code list(struct ctx *cx, const struct options *o, bool dead)
{
    struct store_outbox_line *lines;
    size_t n;
    uint64_t after = 0;
    do {
        TRY(store_outbox_list(cx, dead, after, PIECE, &lines, &n));
        TRY(print(cx, o, lines, n));
        after = n ? lines[n - 1].row.id : 0;
        arena_reset(cx->mem);
    } while (n == PIECE);
    return CODE_OK;
}

static enum code list_both(struct ctx *cx, const struct options *o)
{
    if (!o->dead)
        TRY(list(cx, o, false));
    return list(cx, o, true);
}

static enum code show(struct ctx *cx, const struct config *c, const struct options *o)
{
    cleanup_(db_cleanup) struct db *db = NULL;
    struct arena mem, *outer = cx->mem;
    TRY(db_open(cx, arena_printf(cx->mem, "sqlite:%s/tern.db", c->data.p), DB_READ, &db));
    arena_init(&mem, 0);
    cx->db = db;
    cx->mem = &mem;
    enum code code = list_both(cx, o);
    cx->db = NULL;
    cx->mem = outer;
    arena_done(&mem);
    return code;
}

/* ---- trying again ------------------------------------------------------------------------------------------------ */

static enum code retry(struct ctx *cx, const struct config *c, str which)
{
    uint64_t id;
    if (!str_eq(which, STR("all")) && !str_to_u64(which, &id))
        return fail(cx, CODE_INVALID_ARGUMENT, "--retry: a number from the list, or all");
    const char *path = arena_printf(cx->mem, "/admin/notifications?retry=" STR_FMT, STR_ARG(which)).p;
    return cli_ask(cx, c, "POST", path, STR(""), "Start it: tern serve");
}

enum code cli_cmd_notifications(struct ctx *cx, int argc, char **argv)
{
    struct options o = {0};
    struct config *c;
    TRY(config_load(cx, &argc, argv, &c));
    TRY(cli_args(cx, cli_cmd_notifications_options, &o, &argc, argv, 0, 0));
    return o.retry.n ? retry(cx, c, o.retry) : show(cx, c, &o);
}
