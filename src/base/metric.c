/* Metrics: one cell for each row of metric.def, alone on its cache line; process_* values are read when asked for. */
#include "base/metric.h"

#include "base/time.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum kind { KIND_COUNTER, KIND_GAUGE, KIND_HISTOGRAM };

static const struct {
    enum kind kind;
    const char *name, *help;
} table[METRIC_COUNT_] = {
#define METRIC(id, kind, help) [METRIC_##id] = {KIND_##kind, "tern_" #id, help},
#include "base/metric.def"
#undef METRIC
};

/* Upper bounds in nanoseconds; the last bucket has none. */
static const int64_t bounds[] = {50000,     100000,     250000,     500000,     1000000,   2500000,
                                 5000000,   10000000,   25000000,   50000000,   100000000, 250000000,
                                 500000000, 1000000000, 2500000000, 10000000000};
#define BOUND_COUNT (sizeof(bounds) / sizeof(*bounds))
_Static_assert(METRIC_BUCKETS == BOUND_COUNT + 1, "a bucket for each bound, and one for what is longer");

static struct {
    _Alignas(64) _Atomic int64_t value;
} cells[METRIC_COUNT_];
static struct metric_histogram histograms[METRIC_COUNT_];

void metric_add(enum metric_id id, int64_t by)
{
    atomic_fetch_add_explicit(&cells[id].value, by, memory_order_relaxed);
}

void metric_set(enum metric_id id, int64_t value)
{
    atomic_store_explicit(&cells[id].value, value, memory_order_relaxed);
}

int64_t metric_get(enum metric_id id)
{
    return atomic_load_explicit(&cells[id].value, memory_order_relaxed);
}

void metric_histogram_add(struct metric_histogram *h, int64_t ns)
{
    size_t i = 0;
    if (ns < 0)
        ns = 0;
    while (i < BOUND_COUNT && ns > bounds[i])
        i++;
    atomic_fetch_add_explicit(&h->counts[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&h->sum_ns, ns, memory_order_relaxed);
}

void metric_observe_ns(enum metric_id id, int64_t ns)
{
    metric_histogram_add(&histograms[id], ns);
    metric_add(id, 1);
}

/* ---- text -------------------------------------------------------------------------------------------------------- */

void metric_print_head(buf *out, const char *name, const char *type, const char *help)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void metric_histogram_print(buf *out, const char *name, str labels, struct metric_histogram *h)
{
    const char *comma = labels.n ? "," : "", *open = labels.n ? "{" : "", *close = labels.n ? "}" : "";
    int64_t below = 0;
    for (size_t i = 0; i < BOUND_COUNT; i++) {
        below += atomic_load_explicit(&h->counts[i], memory_order_relaxed);
        buf_printf(out, "%s_bucket{" STR_FMT "%sle=\"%g\"} %lld\n", name, STR_ARG(labels), comma,
                   (double)bounds[i] / 1e9, (long long)below);
    }
    below += atomic_load_explicit(&h->counts[BOUND_COUNT], memory_order_relaxed);
    int64_t sum = atomic_load_explicit(&h->sum_ns, memory_order_relaxed);
    buf_printf(out, "%s_bucket{" STR_FMT "%sle=\"+Inf\"} %lld\n", name, STR_ARG(labels), comma, (long long)below);
    buf_printf(out, "%s_sum%s" STR_FMT "%s %lld.%09lld\n", name, open, STR_ARG(labels), close,
               (long long)(sum / NS_PER_S), (long long)(sum % NS_PER_S));
    buf_printf(out, "%s_count%s" STR_FMT "%s %lld\n", name, open, STR_ARG(labels), close, (long long)below);
}

/* ---- this process ------------------------------------------------------------------------------------------------ */

static str read_proc(const char *path, char *to, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, to, size) : 0;
    if (fd >= 0)
        close(fd);
    return str_make(to, n > 0 ? (size_t)n : 0);
}

/* The number in field `index` (from 0) of a line separated by spaces, or 0. */
static int64_t field(str line, size_t index)
{
    str piece;
    int64_t v = 0;
    for (size_t i = 0; str_next(&line, ' ', &piece); i++)
        if (i == index)
            return str_to_i64(str_trim(piece), &v) ? v : 0;
    return 0;
}

static int64_t open_fds(void)
{
    DIR *d = opendir("/proc/self/fd");
    int64_t n = 0;
    if (!d)
        return 0;
    while (readdir(d))
        n++;
    closedir(d);
    return n - 3; /* ".", ".." and the folder itself */
}

static double start_time(int64_t ticks_since_boot)
{
    double age = (double)time_now_ns() / 1e9 - (double)ticks_since_boot / (double)sysconf(_SC_CLK_TCK);
    return (double)time_wall_ns() / 1e9 - age;
}

static void put_value(buf *out, const char *name, const char *type, const char *help, double value)
{
    metric_print_head(out, name, type, help);
    buf_printf(out, "%s %.15g\n", name, value);
}

static void put_process(buf *out)
{
    char bytes[2048];
    struct rlimit lim = {0};
    struct rusage use = {0};
    str stat = read_proc("/proc/self/stat", bytes, sizeof(bytes));
    stat = str_skip(stat, str_rfind_char(stat, ')') + 2); /* the name may have spaces; field 3 comes first now */
    double page = (double)sysconf(_SC_PAGESIZE);
    getrlimit(RLIMIT_NOFILE, &lim);
    getrusage(RUSAGE_SELF, &use);
    double cpu = (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
                 (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
    put_value(out, "process_cpu_seconds_total", "counter", "User and system CPU time", cpu);
    put_value(out, "process_open_fds", "gauge", "Open file descriptors", (double)open_fds());
    put_value(out, "process_max_fds", "gauge", "Most file descriptors allowed", (double)lim.rlim_cur);
    put_value(out, "process_resident_memory_bytes", "gauge", "Resident memory", (double)field(stat, 21) * page);
    put_value(out, "process_virtual_memory_bytes", "gauge", "Virtual memory", (double)field(stat, 20));
    put_value(out, "process_threads", "gauge", "Threads", (double)field(stat, 17));
    put_value(out, "process_start_time_seconds", "gauge", "Start of the process since 1970",
              start_time(field(stat, 19)));
}

void metric_print(buf *out)
{
    static const char *const types[] = {"counter", "gauge", "histogram"};
    for (size_t i = 0; i < METRIC_COUNT_; i++) {
        metric_print_head(out, table[i].name, types[table[i].kind], table[i].help);
        if (table[i].kind == KIND_HISTOGRAM)
            metric_histogram_print(out, table[i].name, STR(""), &histograms[i]);
        else
            buf_printf(out, "%s %lld\n", table[i].name, (long long)metric_get((enum metric_id)i));
    }
    put_process(out);
}
