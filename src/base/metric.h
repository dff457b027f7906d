/* Counters, gauges and histograms, declared in metric.def and printed as Prometheus text. Any thread;
 * a count is one relaxed atomic add. */
#ifndef BASE_METRIC_H
#define BASE_METRIC_H

#include "base/buf.h"

enum metric_id {
#define METRIC(id, kind, help) METRIC_##id,
#include "base/metric.def"
#undef METRIC
    METRIC_COUNT_
};

/* Times by size. Zeroed = empty. Any thread. */
#define METRIC_BUCKETS 17
struct metric_histogram {
    _Atomic int64_t counts[METRIC_BUCKETS];
    _Atomic int64_t sum_ns;
};
void metric_histogram_add(struct metric_histogram *h, int64_t ns);
/* The lines of one histogram; labels: "method=\"x\"", may be empty. */
void metric_histogram_print(buf *out, const char *name, str labels, struct metric_histogram *h);
/* # HELP and # TYPE ("counter", "gauge", "histogram"), before the lines of a metric. */
void metric_print_head(buf *out, const char *name, const char *type, const char *help);

void metric_add(enum metric_id id, int64_t by);
void metric_set(enum metric_id id, int64_t value);
int64_t metric_get(enum metric_id id);
/* Histograms: seconds, from nanoseconds. */
void metric_observe_ns(enum metric_id id, int64_t ns);
/* The whole of /metrics, with process_* values of this process. */
void metric_print(buf *out);

#endif
