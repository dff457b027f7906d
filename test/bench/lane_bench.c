/* Micro-benchmark of the lanes, without network: durable creates of three rows and point reads, with a number of
 * callers in flight. One thread stands for a loop: it submits in chains what was answered meanwhile, as rpc/ does.
 *
 *     make bench-lane            (BENCH_DIR=folder on the disk to measure; default build/bench)
 *
 * Compare with each other and with earlier runs on the same machine; the disk's fsync is part of every number. */
#include "app.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/time.h"
#include "lane/futex_int.h"
#include "lane/lane.h"
#include "store/db.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define FLIGHT_MAX 256
#define BODY_BYTES 1400

struct call {
    struct lane_entry e;
    struct bench *b;
    int64_t id, started_ns;
};

struct bench {
    struct lanes *lanes;
    enum lane_kind kind;
    _Atomic(struct lane_entry *) answered;
    _Atomic uint32_t asleep;
    bool ordered;         /* names grow, as their index does then; random ones dirty a page of it each */
    int64_t next_id, ids; /* reads: how many rows there are */
    int64_t *latency_ns;
    size_t done;
    struct call calls[FLIGHT_MAX];
};

static char body[BODY_BYTES];

static _Noreturn void die(const struct ctx *cx, const char *what)
{
    fprintf(stderr, "lane_bench: %s: %s\n", what, cx->err.msg);
    exit(1);
}

static enum code make_schema(struct ctx *cx, void *arg)
{
    (void)arg;
    TRY(db_query(cx, "CREATE TABLE bench_run (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, spec BLOB)", NULL, 0,
                 NULL));
    TRY(db_query(
        cx, "CREATE TABLE bench_action (id INTEGER PRIMARY KEY, run INT, name TEXT, phase INT, UNIQUE (run, name))",
        NULL, 0, NULL));
    return db_query(cx, "CREATE TABLE bench_event (run INT, seq INT, at INT, PRIMARY KEY (run, seq)) WITHOUT ROWID",
                    NULL, 0, NULL);
}

static enum code create(struct lane_entry *e, struct ctx *cx)
{
    struct call *c = (struct call *)(void *)e;
    uint64_t name_of = (uint64_t)c->id * (c->b->ordered ? 1 : UINT64_C(0x9e3779b97f4a7c15));
    str name = arena_printf(cx->mem, "r%016llx", (unsigned long long)name_of);
    TRY(db_query(cx, "INSERT INTO bench_run VALUES ($1, $2, $3)",
                 DB_ARGS(DB_I(c->id), DB_S(name), DB_B(str_make(body, BODY_BYTES))), NULL));
    TRY(db_query(cx, "INSERT INTO bench_action VALUES ($1, $1, $2, 1)", DB_ARGS(DB_I(c->id), DB_S(STR("a0"))), NULL));
    return db_query(cx, "INSERT INTO bench_event VALUES ($1, 1, $2)", DB_ARGS(DB_I(c->id), DB_I(c->started_ns)), NULL);
}

static enum code get(struct lane_entry *e, struct ctx *cx)
{
    struct call *c = (struct call *)(void *)e;
    struct db_rows rows;
    int64_t id = (int64_t)((uint64_t)c->id * UINT64_C(2654435761) % (uint64_t)c->b->ids);
    TRY(db_query(cx, "SELECT id, name, spec FROM bench_run WHERE id = $1", DB_ARGS(DB_I(id)), &rows));
    return rows.n == 1 ? CODE_OK : fail(cx, CODE_NOT_FOUND, "run %lld", (long long)id);
}

static void answered(struct lane_entry *e, struct ctx *cx, enum code code)
{
    struct bench *b = ((struct call *)(void *)e)->b;
    if (code != CODE_OK)
        die(cx, "call");
    struct lane_entry *top = atomic_load(&b->answered);
    do
        e->next = top;
    while (!atomic_compare_exchange_weak(&b->answered, &top, e));
    if (!top && atomic_exchange(&b->asleep, 0))
        futex_wake_all(&b->asleep);
}

static struct lane_entry *wait_answers(struct bench *b)
{
    struct lane_entry *e;
    while (!(e = atomic_exchange(&b->answered, NULL))) {
        atomic_store(&b->asleep, 1);
        if (!atomic_load(&b->answered))
            futex_wait(&b->asleep, 1);
        atomic_store(&b->asleep, 0);
    }
    return e;
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int64_t cpu_us(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * INT64_C(1000000) + u.ru_utime.tv_usec + u.ru_stime.tv_usec;
}

/* Answers of one round become the next chain, until n calls have been made. */
static void drive(struct bench *b, size_t flight, size_t n)
{
    struct lane_entry *chain = NULL;
    size_t submitted = 0;
    b->done = 0;
    for (size_t i = 0; i < flight && i < n; i++) {
        b->calls[i].e.next = chain;
        chain = &b->calls[i].e;
    }
    while (b->done < n) {
        struct lane_entry *batch = NULL;
        int64_t now = time_now_ns();
        while (chain) {
            struct call *c = (struct call *)(void *)chain;
            chain = chain->next;
            if (submitted == n)
                continue;
            submitted++;
            c->id = b->next_id++;
            c->started_ns = now;
            c->e.next = batch;
            batch = &c->e;
        }
        if (batch)
            lane_submit_batch(b->lanes, b->kind, batch);
        chain = wait_answers(b);
        now = time_now_ns();
        for (struct lane_entry *e = chain; e; e = e->next)
            b->latency_ns[b->done++] = now - ((struct call *)(void *)e)->started_ns;
    }
}

static void measure(struct bench *b, const char *what, enum lane_kind kind, size_t flight, size_t n)
{
    b->kind = kind;
    b->latency_ns = calloc(n, sizeof(int64_t));
    for (size_t i = 0; i < flight; i++) {
        b->calls[i].b = b;
        b->calls[i].e = (struct lane_entry){.run = kind == LANE_WRITE ? create : get, .done = answered};
    }
    int64_t batches = metric_get(METRIC_write_batches_total), cpu = cpu_us(), start = time_now_ns();
    drive(b, flight, n);
    int64_t ns = time_now_ns() - start;
    cpu = cpu_us() - cpu;
    batches = metric_get(METRIC_write_batches_total) - batches;
    qsort(b->latency_ns, n, sizeof(int64_t), compare);
    printf("%-21s %4zu in flight  %9.0f /s  CPU %6.1f us  p50 %7.3f ms  p99 %7.3f ms  max %7.3f ms", what, flight,
           (double)n * 1e9 / (double)ns, (double)cpu / (double)n, (double)b->latency_ns[n / 2] / 1e6,
           (double)b->latency_ns[n * 99 / 100] / 1e6, (double)b->latency_ns[n - 1] / 1e6);
    if (kind == LANE_WRITE)
        printf("  batch %.0f", (double)n / (double)(batches ? batches : 1));
    printf("\n");
    free(b->latency_ns);
}

static int64_t file_bytes(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? (int64_t)st.st_size : 0;
}

static void print_memory(const char *when)
{
    long pages = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f && fscanf(f, "%ld %ld", &pages, &resident) == 2)
        printf("resident %s: %.1f MB\n", when, (double)resident * 4096 / 1e6);
    if (f)
        fclose(f);
}

int main(int argc, char **argv)
{
    static struct bench b;
    struct arena mem;
    struct ctx cx;
    struct app app = {0};
    if (argc != 2) {
        fprintf(stderr, "usage: lane_bench FILE.db   (is made, must not exist)\n");
        return 2;
    }
    log_setup(LOG_LEVEL_WARN, LOG_FORMAT_TEXT);
    arena_init(&mem, 0);
    ctx_init(&cx, &mem);
    for (size_t i = 0; i < BODY_BYTES; i++)
        body[i] = (char)(i * 131 % 251);
    int64_t start = time_now_ns();
    struct lane_config cfg = {.db_url = arena_printf(&mem, "sqlite:%s", argv[1]), .app = &app};
    if (lanes_start(&cx, &cfg, &b.lanes) != CODE_OK || lane_write(&cx, b.lanes, make_schema, NULL) != CODE_OK)
        die(&cx, argv[1]);
    printf("started in %.1f ms\n", (double)(time_now_ns() - start) / 1e6);
    print_memory("after the start");
    for (int i = 0; i < 2; i++) {
        b.ordered = i == 0;
        measure(&b, i ? "create, random names" : "create, ordered names", LANE_WRITE, 1, 2000);
        measure(&b, i ? "create, random names" : "create, ordered names", LANE_WRITE, 64, 100000);
        measure(&b, i ? "create, random names" : "create, ordered names", LANE_WRITE, 256, 200000);
    }
    b.ids = b.next_id;
    measure(&b, "get", LANE_READ, 1, 20000);
    measure(&b, "get", LANE_READ, 64, 200000);
    measure(&b, "get", LANE_READ, 256, 400000);
    print_memory("at the end");
    printf("write-ahead log %.1f MB\n", (double)file_bytes(arena_printf(&mem, "%s-wal", argv[1]).p) / 1e6);
    lanes_stop(b.lanes);
    arena_done(&mem);
    return 0;
}
