#include "base/metric.h"
#include "unit.h"

#include <dirent.h>
#include <pthread.h>

static void *count(void *arg)
{
    for (int i = 0; i < 10000; i++)
        metric_add(METRIC_write_entries_total, 1);
    return arg;
}

static str text(struct unit *u)
{
    buf b;
    buf_init_arena(&b, &u->mem, 1000000);
    metric_print(&b);
    assert_false(b.failed);
    return buf_view(&b);
}

static void assert_line(str all, const char *line)
{
    for (str one; str_next(&all, '\n', &one);)
        if (str_eq(one, str_from(line)))
            return;
    fail_msg("no line: %s", line);
}

static void counts_from_many_threads(void **state)
{
    struct unit *u = *state;
    pthread_t t[4];
    for (int i = 0; i < 4; i++)
        pthread_create(&t[i], NULL, count, NULL);
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    metric_set(METRIC_streams_open, 7);
    metric_add(METRIC_streams_open, -2);
    assert_int_equal(metric_get(METRIC_write_entries_total), 40000);
    assert_line(text(u), "tern_write_entries_total 40000");
    assert_line(text(u), "tern_streams_open 5");
    assert_line(text(u), "# TYPE tern_streams_open gauge");
}

static void histograms_are_cumulative(void **state)
{
    struct unit *u = *state;
    metric_observe_ns(METRIC_write_batch_seconds, 50000); /* a bound belongs to its bucket */
    metric_observe_ns(METRIC_write_batch_seconds, 50001);
    metric_observe_ns(METRIC_write_batch_seconds, INT64_C(60000000000));
    str all = text(u);
    assert_line(all, "tern_write_batch_seconds_bucket{le=\"5e-05\"} 1");
    assert_line(all, "tern_write_batch_seconds_bucket{le=\"0.0001\"} 2");
    assert_line(all, "tern_write_batch_seconds_bucket{le=\"10\"} 2");
    assert_line(all, "tern_write_batch_seconds_bucket{le=\"+Inf\"} 3");
    assert_line(all, "tern_write_batch_seconds_count 3");
    assert_line(all, "tern_write_batch_seconds_sum 60.000100001");
}

static double value_of(str all, const char *name)
{
    str one, key, value;
    double v = -1;
    while (str_next(&all, '\n', &one))
        if (str_cut(one, ' ', &key, &value) && str_eq(key, str_from(name)))
            assert_true(str_to_f64(value, &v));
    return v;
}

static void the_process_is_described(void **state)
{
    struct unit *u = *state;
    DIR *tasks = opendir("/proc/self/task");
    double threads = -2; /* "." and ".."; a sanitizer may have one of its own */
    while (readdir(tasks))
        threads += 1;
    closedir(tasks);
    str all = text(u);
    assert_true(value_of(all, "process_resident_memory_bytes") > 1e6);
    assert_true(value_of(all, "process_virtual_memory_bytes") >= value_of(all, "process_resident_memory_bytes"));
    assert_true(value_of(all, "process_open_fds") >= 1);
    assert_true(value_of(all, "process_threads") == threads);
    assert_true(value_of(all, "process_start_time_seconds") > 1.6e9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {unit_test(counts_from_many_threads), unit_test(histograms_are_cumulative),
                                       unit_test(the_process_is_described)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
