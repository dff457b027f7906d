/* tern audit: who has changed what, when and from where, read from the database, also while its server runs. Whoever may
 * read the data folder may ask. */
#include "cli/cli.h"

#include "base/json.h"
#include "base/time.h"
#include "base/vec.h"
#include "config/config.h"
#include "store/audit.h"
#include "store/db.h"

#define PIECE 1000
#define LIMIT_DEFAULT 100
#define LIMIT_MAX 1000000
#define LINE_MAX 8192

struct options {
    str since, until, who, rpc, about;
    int64_t limit;
    bool json;
};

const struct cli_option cli_cmd_audit_options[] = {
    {"--since", CLI_TEXT, offsetof(struct options, since), "TIME",
     "Only from then on: 2h, 7d ago, or 2026-01-31T12:00:00Z"},
    {"--until", CLI_TEXT, offsetof(struct options, until), "TIME", "Only before then"},
    {"--who", CLI_TEXT, offsetof(struct options, who), "NAME",
     "Only of this caller: account, uid:1000, or as a proxy names it"},
    {"--rpc", CLI_TEXT, offsetof(struct options, rpc), "NAME", "Only of these RPCs: CreateRun, SecretService"},
    {"--about", CLI_TEXT, offsetof(struct options, about), "TEXT",
     "Only what has the text: a project, run, task, secret"},
    {"--limit", CLI_INT, offsetof(struct options, limit), "N", "At most the newest N (100)"},
    {"--json", CLI_FLAG, offsetof(struct options, json), NULL, "One JSON object a line"},
    {0},
};

struct query {
    const struct options *o;
    int64_t since_ns, before_ns, before_id;
    size_t limit;
    VEC(struct store_audit) found; /* newest first */
};

static enum code parse_moment(struct ctx *cx, const char *option, str text, int64_t *ns)
{
    int64_t seconds;
    int32_t nanos;
    if (!text.n)
        return CODE_OK;
    if (time_parse_duration(text, ns))
        *ns = time_wall_ns() - *ns;
    else if (time_parse_rfc3339(text, &seconds, &nanos) && seconds >= 0 && seconds < INT64_MAX / NS_PER_S)
        *ns = seconds * NS_PER_S + nanos;
    else
        return fail(cx, CODE_INVALID_ARGUMENT, "%s: \"" STR_FMT "\" is no time ago (2h, 7d) and no moment (%s)", option,
                    STR_ARG(text), "2026-01-31T12:00:00Z");
    return CODE_OK;
}

static bool has(str s, str part)
{
    return !part.n || str_find(s, part) != SIZE_MAX;
}

static bool wanted(const struct options *o, const struct store_audit *a)
{
    bool who = !o->who.n || str_eq(o->who, a->subject) || str_eq(o->who, a->name);
    return who && has(a->rpc, o->rpc) && has(a->about, o->about);
}

static void keep(struct arena *mem, struct query *q, const struct store_audit *a)
{
    *vec_push(&q->found, mem) = (struct store_audit){
        a->id,
        a->time_ns,
        arena_str(mem, a->rpc),
        arena_str(mem, a->subject),
        arena_str(mem, a->name),
        arena_str(mem, a->address),
        arena_str(mem, a->about),
    };
}

/* The next piece towards the past; *more = there may be another. */
static enum code look(struct ctx *cx, struct arena *mem, struct query *q, bool *more)
{
    struct store_audit *rows;
    size_t n;
    TRY(store_audit_list(cx, q->since_ns, q->before_ns, q->before_id, PIECE, &rows, &n));
    for (size_t i = 0; i < n && q->found.n < q->limit; i++)
        if (wanted(q->o, &rows[i]))
            keep(mem, q, &rows[i]);
    if (n)
        q->before_id = rows[n - 1].id;
    *more = n == PIECE && q->found.n < q->limit;
    return CODE_OK;
}

static enum code search(struct ctx *cx, struct query *q)
{
    struct arena piece, *mem = cx->mem;
    enum code code = CODE_OK;
    arena_init(&piece, 0);
    cx->mem = &piece;
    for (bool more = true; more && code == CODE_OK; arena_reset(&piece))
        code = look(cx, mem, q, &more);
    cx->mem = mem;
    arena_done(&piece);
    return code;
}

/* "flyteidl2.workflow.RunService/CreateRun" to "RunService.CreateRun"; what is no path stays. */
static str short_rpc(struct arena *mem, str path)
{
    size_t slash = str_find_char(str_skip(path, 1), '/');
    if (!str_starts(path, STR("/")) || slash == SIZE_MAX)
        return path;
    str service = str_head(str_skip(path, 1), slash), method = str_skip(path, slash + 2);
    for (size_t dot; (dot = str_find_char(service, '.')) != SIZE_MAX;)
        service = str_skip(service, dot + 1);
    return arena_printf(mem, STR_FMT "." STR_FMT, STR_ARG(service), STR_ARG(method));
}

static void put_padded(buf *b, str s, size_t width)
{
    buf_visible(b, s);
    for (size_t i = s.n; i < width; i++)
        buf_char(b, ' ');
    buf_char(b, ' ');
}

static void put_text(struct ctx *cx, buf *b, const struct store_audit *a, str time)
{
    str who = a->name.n ? a->name : a->subject;
    put_padded(b, time, 24);
    put_padded(b, who.n ? who : STR("-"), 12);
    put_padded(b, a->address.n ? a->address : STR("local"), 15);
    put_padded(b, short_rpc(cx->mem, a->rpc), 32);
    buf_visible(b, a->about);
    buf_char(b, '\n');
}

static void put_json(buf *b, const struct store_audit *a, str time)
{
    const struct {
        const char *key;
        str value;
    } members[] = {{"time", time},    {"rpc", a->rpc},         {"subject", a->subject},
                   {"name", a->name}, {"address", a->address}, {"about", a->about}};
    for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++) {
        buf_printf(b, "%s\"%s\":", i ? "," : "{", members[i].key);
        json_put_str(b, members[i].value);
    }
    buf_str(b, STR("}\n"));
}

static enum code print(struct ctx *cx, const struct query *q)
{
    char time[TIME_RFC3339_MAX];
    buf line;
    if (!q->found.n && !q->o->json)
        return cli_print(cx, STR("Nothing.\n"));
    for (size_t i = q->found.n; i-- > 0;) {
        const struct store_audit *a = &q->found.p[i];
        buf_init_arena(&line, cx->mem, LINE_MAX);
        if (!q->o->json) {
            time_format_ms(a->time_ns, time);
            put_text(cx, &line, a, str_from(time));
        } else {
            if (!time_format_rfc3339(a->time_ns / NS_PER_S, (int32_t)(a->time_ns % NS_PER_S), time))
                return fail(cx, CODE_DATA_LOSS, "a row has no possible time");
            put_json(&line, a, str_from(time));
        }
        TRY(cli_print(cx, buf_view(&line)));
    }
    return CODE_OK;
}

enum code cli_cmd_audit(struct ctx *cx, int argc, char **argv)
{
    cleanup_(db_cleanup) struct db *db = NULL;
    struct options o = {.limit = LIMIT_DEFAULT};
    struct query q = {.o = &o, .before_ns = INT64_MAX, .before_id = INT64_MAX};
    struct config *c;
    TRY(config_load(cx, &argc, argv, &c));
    TRY(cli_args(cx, cli_cmd_audit_options, &o, &argc, argv, 0, 0));
    TRY(parse_moment(cx, "--since", o.since, &q.since_ns));
    TRY(parse_moment(cx, "--until", o.until, &q.before_ns));
    q.limit = (size_t)(o.limit < LIMIT_MAX ? o.limit : LIMIT_MAX);
    TRY(db_open(cx, arena_printf(cx->mem, "sqlite:%s/tern.db", c->data.p), DB_READ, &db));
    cx->db = db;
    enum code code = search(cx, &q);
    cx->db = NULL;
    TRY(code);
    return print(cx, &q);
}
