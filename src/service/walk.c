/* Pages of large lists. See walk.h. Tokens hold, after a number that says which:
 *   NEXT: group, place of the last row looked at, how many rows of an offset are still to be skipped;
 *   WINDOW_OF: the place before the window, its last place if it is known, how many rows of an offset are still to be
 *   skipped, and the order's values of the last row given, if any. */
#include "service/walk.h"

#include "base/time.h"
#include "base/vec.h"
#include "service/token.h"

#include <stdlib.h>

#define WINDOW 100000
#define PIECE 1000
#define TIME_NS (250 * NS_PER_MS)
/* In pieces: a list of ids as text. */
#define IDS_BYTES ((size_t)PIECE * 24)

enum { NEXT = SERVICE_WALK_IN_ORDER, WINDOW_OF = SERVICE_WALK_SORTED };

/* A page while it is made. */
struct state {
    struct service_list *l;
    struct service_walk *w;
    VEC(uint64_t) ids;
    size_t seen;      /* rows looked at */
    int64_t until_ns; /* then it is time to answer */
};

static bool enough(const struct state *s)
{
    return s->seen >= WINDOW || (s->seen && time_now_ns() > s->until_ns);
}

/* ---- filters ----------------------------------------------------------------------------------------------------- */

/* The rows of the places that the filters select, in any order: id, then keys. */
static enum code select_rows(struct ctx *cx, struct state *s, const struct store_walk_place *at, size_t n, bool keys,
                             struct db_rows *out)
{
    struct store_page page = s->l->page;
    buf b;
    buf_init_arena(&b, cx->mem, IDS_BYTES + page.where.n + 64);
    buf_printf(&b, "%s IN (", s->w->id);
    for (size_t i = 0; i < n; i++) {
        buf_str(&b, i ? STR(",") : STR(""));
        buf_u64(&b, at[i].id);
    }
    buf_char(&b, ')');
    if (page.where.n)
        buf_printf(&b, " AND (" STR_FMT ")", STR_ARG(page.where));
    page.where = buf_view(&b);
    page.order = STR("");
    page.keys = keys ? page.keys : STR("");
    page.limit = n;
    page.offset = 0;
    page.read = NULL;
    return s->w->filter(cx, &page, out);
}

static int compare_ids(const void *x, const void *y)
{
    const struct db_value *a = x, *b = y;
    return a->i < b->i ? -1 : a->i > b->i;
}

/* Which of the places the filters select. */
static enum code mark(struct ctx *cx, struct state *s, const struct store_walk_place *at, size_t n, bool *keep)
{
    struct db_rows rows;
    if (s->w->exact || !n) {
        memset(keep, true, n);
        return CODE_OK;
    }
    TRY(select_rows(cx, s, at, n, false, &rows));
    if (rows.n)
        qsort(rows.v, rows.n, sizeof(*rows.v), compare_ids);
    for (size_t i = 0; i < n; i++)
        keep[i] = rows.n && bsearch(&DB_I(at[i].id), rows.v, rows.n, sizeof(*rows.v), compare_ids);
    return CODE_OK;
}

/* ---- in order ---------------------------------------------------------------------------------------------------- */

static str next_token(struct ctx *cx, const struct state *s, size_t group, struct store_walk_place at)
{
    const struct db_value v[] = {DB_I(NEXT), DB_I(group), DB_I(at.at), DB_I(at.id), DB_I(s->l->page.offset)};
    return service_token_make(cx, s->l->question, v, sizeof(v) / sizeof(*v));
}

/* Keeps of a piece what the page has room for; true when it is full, with *last the place of its last row. */
static bool keep_piece(struct ctx *cx, struct state *s, const struct store_walk_place *at, size_t n, const bool *keep,
                       struct store_walk_place *last)
{
    for (size_t i = 0; i < n; i++) {
        if (!keep[i])
            continue;
        if (s->l->page.offset) {
            s->l->page.offset--;
        } else if (s->ids.n == s->l->limit) {
            return true;
        } else {
            *vec_push(&s->ids, cx->mem) = at[i].id;
            *last = at[i];
        }
    }
    return false;
}

/* *full: the page is, or the time is over; *token goes on then. */
static enum code walk_group(struct ctx *cx, struct state *s, size_t group, struct store_walk_place *last,
                            size_t *last_group, bool *full, str *token)
{
    struct service_walk *w = s->w;
    const struct service_walk_group *g = &w->groups[group];
    struct store_walk_place *at;
    size_t n, max = s->l->limit + 1 < PIECE ? s->l->limit + 1 : PIECE;
    bool keep[PIECE], more = true;
    while (more && !*full) {
        size_t had = s->ids.n;
        TRY(store_walk_read(cx, g->sets, g->n, &w->range, max, &at, &n));
        TRY(mark(cx, s, at, n, keep));
        *full = keep_piece(cx, s, at, n, keep, last);
        *last_group = s->ids.n > had ? group : *last_group;
        s->seen += n;
        more = n == max;
        if (*full)
            *token = next_token(cx, s, *last_group, *last);
        else if (more && enough(s)) {
            *full = true;
            *token = next_token(cx, s, group, at[n - 1]);
        }
        if (n)
            w->range.after = at[n - 1];
        max = max * 4 < PIECE ? max * 4 : PIECE;
    }
    return CODE_OK;
}

static enum code in_order(struct ctx *cx, struct state *s, const struct db_value *v, size_t n, str *token)
{
    const struct store_walk_place begin = s->w->range.after;
    struct store_walk_place last = begin;
    size_t group = 0, last_group = 0;
    bool full = false;
    if (n) {
        if (n != 5 || v[0].i != NEXT || v[1].i < 0 || (size_t)v[1].i >= s->w->group_count)
            return fail(cx, CODE_INVALID_ARGUMENT, "invalid token");
        group = (size_t)v[1].i;
        s->w->range.after = (struct store_walk_place){v[2].i, (uint64_t)v[3].i};
        s->l->page.offset = (size_t)v[4].i;
    }
    for (; group < s->w->group_count && !full; group++) {
        TRY(walk_group(cx, s, group, &last, &last_group, &full, token));
        s->w->range.after = begin;
    }
    return CODE_OK;
}

/* ---- sorted ------------------------------------------------------------------------------------------------------ */

struct sorted {
    const struct service_list *l;
    VEC(const struct db_value *) rows; /* id, then the order's values */
};

static int compare_values(const struct db_value *a, const struct db_value *b)
{
    if (a->kind != DB_TEXT || b->kind != DB_TEXT)
        return a->i < b->i ? -1 : a->i > b->i;
    size_t n = a->s.n < b->s.n ? a->s.n : b->s.n;
    int c = n ? memcmp(a->s.p, b->s.p, n) : 0;
    return c ? c : a->s.n < b->s.n ? -1 : a->s.n > b->s.n;
}

static int compare_rows(const void *x, const void *y, void *arg)
{
    const struct service_list *l = arg;
    const struct db_value *a = *(const struct db_value *const *)x, *b = *(const struct db_value *const *)y;
    for (size_t i = 0; i < l->order_count; i++) {
        int c = compare_values(&a[i + 1], &b[i + 1]);
        if (c)
            return l->order[i].descending ? -c : c;
    }
    return 0;
}

/* Adds rows; of many, those that come first are kept. */
static void add_rows(struct ctx *cx, struct state *s, struct sorted *all, const struct db_rows *rows, bool last)
{
    size_t most = s->l->page.offset + s->l->limit + 1;
    for (size_t i = 0; rows && i < rows->n; i++)
        *vec_push(&all->rows, cx->mem) = db_row(rows, i);
    if (!last && all->rows.n < most + 4 * PIECE)
        return;
    if (all->rows.n)
        qsort_r(all->rows.p, all->rows.n, sizeof(*all->rows.p), compare_rows, s->l);
    if (all->rows.n > most)
        all->rows.n = most;
}

/* Where a window begins (after), where it ends when that is known, and what is still to be skipped of an offset. */
struct window {
    struct store_walk_place begin, end;
    bool ends;
    /* Something was given of it: it goes as far as it went then, to the end of the list if it does not end. */
    bool fixed;
    size_t skip;
};
#define WINDOW_VALUES 7

static str window_token(struct ctx *cx, const struct state *s, const struct window *w, const struct db_value *last)
{
    struct db_value v[SERVICE_TOKEN_VALUES_MAX] = {DB_I(WINDOW_OF), DB_I(w->begin.at), DB_I(w->begin.id), DB_I(w->ends),
                                                   DB_I(w->end.at), DB_I(w->end.id),   DB_I(w->skip)};
    size_t n = WINDOW_VALUES;
    for (size_t i = 0; last && i < s->l->order_count; i++)
        v[n++] = last[i + 1];
    return service_token_make(cx, s->l->question, v, n);
}

static enum code read_window(struct ctx *cx, struct state *s, const struct db_value *v, size_t n, struct window *out)
{
    *out = (struct window){.begin = s->w->range.after};
    if (!n)
        return CODE_OK;
    if ((n != WINDOW_VALUES && n != WINDOW_VALUES + s->l->order_count) || v[0].i != WINDOW_OF)
        return fail(cx, CODE_INVALID_ARGUMENT, "invalid token");
    *out = (struct window){.begin = {v[1].i, (uint64_t)v[2].i}, .end = {v[4].i, (uint64_t)v[5].i}, .ends = v[3].i != 0};
    out->fixed = n > WINDOW_VALUES;
    s->l->page.offset = (size_t)v[6].i;
    s->w->range.after = out->begin;
    return out->fixed ? service_list_after(cx, s->l, v + WINDOW_VALUES) : CODE_OK;
}

/* Rows of a piece that are still in the window. */
static size_t inside(const struct state *s, const struct window *win, const struct store_walk_place *at, size_t n)
{
    for (size_t i = 0; win->ends && i < n; i++) {
        bool after = at[i].at != win->end.at ? at[i].at > win->end.at : at[i].id > win->end.id;
        bool same = at[i].at == win->end.at && at[i].id == win->end.id;
        if (!same && after != s->w->range.descending)
            return i;
    }
    return n;
}

/* A window of which something was given has what came meanwhile as well, up to 2 * WINDOW rows; what is behind them becomes
 * the next window, and may be given again. */
static bool is_over(const struct state *s, const struct window *win)
{
    return win->fixed ? s->seen >= 2 * WINDOW : enough(s);
}

static enum code gather(struct ctx *cx, struct state *s, struct window *win, struct sorted *all)
{
    struct service_walk *w = s->w;
    struct store_walk_place *at;
    struct db_rows rows;
    size_t n, used;
    bool more;
    do {
        TRY(store_walk_read(cx, w->groups[0].sets, w->groups[0].n, &w->range, PIECE, &at, &n));
        used = inside(s, win, at, n);
        if (used) {
            TRY(select_rows(cx, s, at, used, true, &rows));
            add_rows(cx, s, all, &rows, false);
            w->range.after = at[used - 1];
        }
        s->seen += used;
        more = n == PIECE && used == n;
    } while (more && !is_over(s, win));
    if (more) {
        win->ends = true;
        win->end = w->range.after;
    }
    return CODE_OK;
}

static enum code sorted(struct ctx *cx, struct state *s, const struct db_value *v, size_t n, str *token)
{
    struct window win;
    struct sorted all = {.l = s->l};
    TRY(read_window(cx, s, v, n, &win));
    TRY(gather(cx, s, &win, &all));
    add_rows(cx, s, &all, NULL, true);
    size_t from = s->l->page.offset < all.rows.n ? s->l->page.offset : all.rows.n, to = from + s->l->limit;
    for (size_t i = from; i < all.rows.n && i < to; i++)
        *vec_push(&s->ids, cx->mem) = (uint64_t)all.rows.p[i][0].i;
    if (all.rows.n > to)
        *token = window_token(cx, s, &win, all.rows.p[to - 1]);
    else if (win.ends)
        *token = window_token(cx, s, &(struct window){.begin = win.end, .skip = s->l->page.offset - from}, NULL);
    return CODE_OK;
}

static enum code each_piece(struct ctx *cx, struct state *s, service_walk_fn *fn, void *arg, bool *more)
{
    struct service_walk *w = s->w;
    struct store_walk_place *at;
    struct db_rows rows;
    size_t n;
    TRY(store_walk_read(cx, w->groups[0].sets, w->groups[0].n, &w->range, PIECE, &at, &n));
    *more = n == PIECE;
    if (!n)
        return CODE_OK;
    TRY(select_rows(cx, s, at, n, true, &rows));
    s->seen += n;
    w->range.after = at[n - 1];
    return fn(cx, &rows, arg);
}

enum code service_walk_each(struct ctx *cx, struct service_list *l, struct service_walk *w, service_walk_fn *fn,
                            void *arg)
{
    struct state s = {.l = l, .w = w, .until_ns = time_now_ns() + TIME_NS};
    struct arena mem, *outer = cx->mem;
    enum code code = CODE_OK;
    bool more = true;
    arena_init(&mem, outer->cap);
    cx->mem = &mem;
    while (code == CODE_OK && more && !enough(&s)) {
        code = each_piece(cx, &s, fn, arg, &more);
        arena_reset(&mem);
    }
    cx->mem = outer;
    cx->err.details = NULL;
    arena_done(&mem);
    return code;
}

static enum code count_piece(struct ctx *cx, const struct db_rows *rows, void *arg)
{
    size_t *n = arg;
    (void)cx;
    *n += rows->n;
    return CODE_OK;
}

enum code service_walk_count(struct ctx *cx, struct service_list *l, struct service_walk *w, size_t *out)
{
    const str keys = l->page.keys;
    *out = 0;
    l->page.keys = STR("");
    TRY(service_walk_each(cx, l, w, count_piece, out));
    l->page.keys = keys;
    return CODE_OK;
}

enum code service_walk_begun(struct ctx *cx, const struct service_list *l, enum service_walk_way *out)
{
    struct db_value v[SERVICE_TOKEN_VALUES_MAX];
    size_t n;
    *out = SERVICE_WALK_NEW;
    if (!l->token.n)
        return CODE_OK;
    TRY(service_token_read(cx, l->question, l->token, v, &n));
    *out = n && v[0].i == NEXT ? SERVICE_WALK_IN_ORDER : SERVICE_WALK_SORTED;
    return CODE_OK;
}

enum code service_walk_page(struct ctx *cx, struct service_list *l, struct service_walk *w, uint64_t **ids, size_t *n,
                            str *token)
{
    struct state s = {.l = l, .w = w, .until_ns = time_now_ns() + TIME_NS};
    struct db_value v[SERVICE_TOKEN_VALUES_MAX];
    size_t values = 0;
    *token = STR("");
    if (l->token.n)
        TRY(service_token_read(cx, l->question, l->token, v, &values));
    TRY((w->ordered ? in_order : sorted)(cx, &s, v, values, token));
    *ids = s.ids.p;
    *n = s.ids.n;
    return CODE_OK;
}
