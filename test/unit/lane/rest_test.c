/* When the writer rests: on a clock of the test's own. */
#include "unit.h"

#include "base/time.h"
#include "lane/lane_int.h"

#define MS NS_PER_MS

struct writer_at {
    struct rest rest;
    int64_t now;
};

/* Commits that far apart, of so many entries. */
static void commit_of(struct writer_at *w, int n, int64_t apart, size_t entries)
{
    for (int i = 0; i < n; i++) {
        w->now += apart;
        lane_rest_commit(&w->rest, w->now, entries);
    }
}

static void commit(struct writer_at *w, int n, int64_t apart)
{
    commit_of(w, n, apart, 2);
}

static bool rests(struct writer_at *w)
{
    return lane_rest_until(&w->rest, w->now) > w->now;
}

static void end_alone(struct writer_at *w)
{
    w->now += 2 * MS;
    lane_rest_ended(&w->rest, w->now, true);
}

static void test_not_when_changes_are_few(void **state)
{
    struct writer_at w = {.now = 1000 * MS};
    (void)state;
    assert_false(rests(&w));
    commit(&w, 1000, 4 * MS);
    assert_false(rests(&w));
}

static void test_when_they_come_in_masses(void **state)
{
    struct writer_at w = {.now = 1000 * MS};
    (void)state;
    commit(&w, 64, MS);
    assert_true(rests(&w));
    /* and goes on, although there are far fewer commits now, of more */
    for (int i = 0; i < 100; i++) {
        commit_of(&w, 1, 19 * MS, 50);
        assert_true(rests(&w));
        lane_rest_ended(&w.rest, w.now, false);
    }
}

/* As many callers as keep the writer busy by themselves. */
static void test_not_when_they_share_commits_already(void **state)
{
    struct writer_at w = {.now = 1000 * MS};
    (void)state;
    commit_of(&w, 1000, MS, 20);
    assert_false(rests(&w));
}

static void test_not_longer_than_twenty_ms_after_a_commit(void **state)
{
    struct writer_at w = {.now = 1000 * MS};
    (void)state;
    commit(&w, 64, MS);
    int64_t last = w.now;
    w.now += 4 * MS;
    assert_int_equal(lane_rest_until(&w.rest, w.now), last + 20 * MS);
}

static void test_not_when_they_stop(void **state)
{
    struct writer_at w = {.now = 1000 * MS};
    (void)state;
    commit(&w, 64, MS);
    w.now += 21 * MS;
    assert_false(rests(&w));
    commit(&w, 1, MS); /* nor when a single one comes then */
    assert_false(rests(&w));
}

/* Callers that wait for their answers send nothing while the writer rests. */
static void test_not_when_it_does_not_help(void **state)
{
    struct writer_at w = {.now = 1000 * MS};
    (void)state;
    commit(&w, 64, MS);
    end_alone(&w);
    end_alone(&w);
    lane_rest_ended(&w.rest, w.now, false); /* it did help: they are counted anew */
    end_alone(&w);
    end_alone(&w);
    assert_true(rests(&w));
    end_alone(&w);
    assert_false(rests(&w));
    commit(&w, 990, MS);
    assert_false(rests(&w));
    commit(&w, 64, MS);
    assert_true(rests(&w));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_not_when_changes_are_few),
        cmocka_unit_test(test_when_they_come_in_masses),
        cmocka_unit_test(test_not_when_they_share_commits_already),
        cmocka_unit_test(test_not_longer_than_twenty_ms_after_a_commit),
        cmocka_unit_test(test_not_when_they_stop),
        cmocka_unit_test(test_not_when_it_does_not_help),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
