/* Lists that are sorted window by window: what one page looks at, whatever has come since the page before. */
#include "store/tables.h"

#include "base/time.h"
#include "store/walk.h"

/* The only set: rows 1 to there, of which the filter selects one in EVERY. */
#define EVERY 20000
#define ROWS 1000000
static uint64_t there;
static size_t looked; /* at so many, for one page */

static enum code read_set(struct ctx *cx, const struct store_walk *sets, size_t sets_n,
                          const struct store_walk_range *range, size_t max, struct store_walk_place **out, size_t *n)
{
    uint64_t id = range->after.id;
    (void)sets;
    (void)sets_n;
    *out = arena_new_array(cx->mem, struct store_walk_place, max);
    for (*n = 0; *n < max; (*n)++) {
        id = !range->descending ? id + 1 : id > there ? there : id - 1;
        if (id == 0 || id > there)
            break;
        (*out)[*n] = (struct store_walk_place){(int64_t)id, id};
    }
    looked += *n;
    return CODE_OK;
}

static int64_t no_time(void)
{
    return 1;
}

#define store_walk_read read_set
#define time_now_ns no_time
#include "service/walk.c"

static enum code filter(struct ctx *cx, const struct store_page *page, struct db_rows *out)
{
    return store_page_query(cx, STR("SELECT x.id"), STR(" FROM chosen x"), page, out);
}

struct list {
    struct tables *t;
    bool descending, seen[ROWS / EVERY + 1];
    size_t repeated;
    str token;
};

/* The next page of the list by id, in windows from the set's one end or the other. */
static void next_page(struct list *l)
{
    static const struct service_list_spec spec = {.default_order = "x.id", .walked = true};
    struct ctx *cx = l->t->cx;
    CommonListRequest req = {.limit = 3, .token = l->token};
    struct store_walk set = {0};
    struct service_walk w = {.groups = {{&set, 1}}, .group_count = 1, .id = "x.id", .filter = filter};
    struct service_list list;
    uint64_t *ids;
    size_t n;
    w.range.descending = l->descending;
    w.range.after.id = l->descending ? INT64_MAX : 0;
    service_list_init(cx, &list);
    assert_ok(cx, service_list_request(cx, &list, &spec, &req));
    assert_ok(cx, service_list_done(cx, &list));
    looked = 0;
    assert_ok(cx, service_walk_page(cx, &list, &w, &ids, &n, &l->token));
    assert_true(looked <= 2 * WINDOW);
    for (size_t i = 0; i < n; i++) {
        l->repeated += l->seen[ids[i] / EVERY];
        l->seen[ids[i] / EVERY] = true;
    }
}

/* A page while there are so many rows, then the others when there are ROWS. */
static void grow(struct list *l, uint64_t from)
{
    fixture_exec(l->t->cx, "CREATE TEMP TABLE chosen (id INTEGER PRIMARY KEY)");
    for (int64_t id = EVERY; id <= ROWS; id += EVERY)
        assert_ok(l->t->cx, db_query(l->t->cx, "INSERT INTO chosen VALUES ($1)", DB_ARGS(DB_I(id)), NULL));
    there = from;
    l->token = STR("");
    next_page(l);
    there = ROWS;
    while (l->token.n)
        next_page(l);
}

static void test_a_list_that_grows_at_its_end(void **state)
{
    struct list l = {.t = *state};
    grow(&l, 90000);
    for (size_t i = 1; i <= ROWS / EVERY; i++)
        assert_true(l.seen[i]);
    assert_int_equal(l.repeated, 0);
}

static void test_a_list_that_grows_at_its_front(void **state)
{
    struct list l = {.t = *state, .descending = true};
    grow(&l, 300000);
    for (size_t i = 1; i <= 300000 / EVERY; i++)
        assert_true(l.seen[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        tables_test(test_a_list_that_grows_at_its_end),
        tables_test(test_a_list_that_grows_at_its_front),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
