/* D-01: whatever write or sync fails, at whatever moment the power goes or the process is killed, what was acknowledged
 * is in the database when it is opened again, what was refused is not, and nothing is there by half.
 *
 * Each case is a process of its own: it runs the lanes on a copy of a prepared database with one fault, and leaves what
 * it told each caller in shared memory. The parent then opens the database and compares. */
#undef TERN_FAULTS
#define TERN_FAULTS /* in these two files, whatever the mode of the build */
#include "base/fault.c"
#include "lane/writer.c"

#include "lane/fixture.h"

#include "lane/fault_vfs.h"

#include <sys/mman.h>
#include <sys/wait.h>

#define ENTRIES 24
#define NOT_ANSWERED 100
#define EXIT_NOT_STARTED 3

struct shared {
    bool hit, read_failed;
    _Atomic int answer[ENTRIES]; /* an enum code */
};

static struct shared *shared;

/* ---- the child --------------------------------------------------------------------------------------------------- */

/* Two tables in one entry; some entries refuse after their first row, some meet a row that is there. */
static enum code two_rows(struct job *j, struct ctx *cx)
{
    TRY(db_query(cx, "INSERT INTO t VALUES ($1, randomblob(3000))", DB_ARGS(DB_I(j->a)), NULL));
    if (j->a % 8 == 5)
        return fail(cx, CODE_INVALID_ARGUMENT, "no");
    return db_query(cx, "INSERT INTO u VALUES ($1, randomblob(200))", DB_ARGS(DB_I(j->a % 8 == 6 ? -1 : j->a)), NULL);
}

static void note_answer(struct lane_entry *e, struct ctx *cx, enum code code)
{
    struct job *j = (struct job *)(void *)e;
    (void)cx;
    shared->answer[j->a] = (int)code;
    sem_post(j->over);
}

/* Chains of 1, 2, 3 ... entries, each answered before the next, so that there are many commits, and several
 * checkpoints. */
static void run_workload(struct fixture *f)
{
    sem_t over;
    struct job *jobs = jobs_new(f, ENTRIES, &over, two_rows);
    struct count c = {.sql = "SELECT count(*) FROM t"};
    for (size_t i = 0, n = 1; i < ENTRIES; i += n, n = n % 5 + 1) {
        if (n > ENTRIES - i)
            n = ENTRIES - i;
        for (size_t k = 0; k < n; k++) {
            jobs[i + k].e.done = note_answer;
            jobs[i + k].e.next = k + 1 < n ? &jobs[i + k + 1].e : NULL;
        }
        lane_submit_batch(f->lanes, LANE_WRITE, &jobs[i].e);
        jobs_wait(&over, n);
        if (lane_read(&f->cx, f->lanes, fixture_count_fn, &c) != CODE_OK)
            shared->read_failed = true;
    }
}

static _Noreturn void child(struct fixture *f, enum fault_mode mode, int n)
{
    dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
    fault_install(mode, n, &shared->hit);
    f->cfg.wal_bytes = 64 << 10;
    f->cfg.work_workers = 1;
    if (lanes_start(&f->cx, &f->cfg, &f->lanes) != CODE_OK)
        _exit(EXIT_NOT_STARTED);
    run_workload(f);
    lanes_stop(f->lanes);
    _exit(0);
}

/* ---- the parent -------------------------------------------------------------------------------------------------- */

static void in_child(struct fixture *f, void (*fn)(struct fixture *f))
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        fn(f);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void make_template(struct fixture *f)
{
    fixture_start(f);
    fixture_exec(f, "CREATE TABLE u (a INTEGER PRIMARY KEY, b)");
    fixture_exec(f, "INSERT INTO u VALUES (-1, 'there before')");
    lanes_stop(f->lanes);
}

static void copy_template(struct fixture *f)
{
    static const char *const old[] = {"case.db", "case.db-wal", "case.db-shm", "case.db.damaged"};
    static char content[1 << 20];
    for (size_t i = 0; i < 4; i++)
        unlink(arena_printf(&f->mem, "%s/%s", f->dir, old[i]).p);
    FILE *from = fopen(arena_printf(&f->mem, "%s/tern.db", f->dir).p, "r");
    FILE *to = fopen(arena_printf(&f->mem, "%s/case.db", f->dir).p, "w");
    size_t n = fread(content, 1, sizeof(content), from);
    assert_in_range(n, 4096, sizeof(content) - 1);
    assert_int_equal(fwrite(content, 1, n, to), n);
    fclose(from);
    fclose(to);
}

static int64_t ask(struct ctx *cx, const char *sql, int64_t a)
{
    struct db_rows rows;
    assert_ok(cx, db_query_dynamic(cx, str_from(sql), DB_ARGS(DB_I(a)), &rows));
    return rows.v[0].i;
}

static void compare(struct fixture *f, enum fault_mode mode, int n)
{
    struct ctx *cx = &f->cx;
    assert_ok(cx, db_open(cx, f->cfg.db_url, DB_WRITE, &cx->db));
    assert_int_equal(ask(cx, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'", 0), 1);
    for (int64_t a = 0; a < ENTRIES; a++) {
        int64_t t = ask(cx, "SELECT count(*) FROM t WHERE a = $1", a),
                u = ask(cx, "SELECT count(*) FROM u WHERE a = $1", a);
        int answer = shared->answer[a];
        if (t != u)
            fail_msg("mode %d, n %d: entry %d is there by half", mode, n, (int)a);
        if (answer == CODE_OK && !t)
            fail_msg("mode %d, n %d: entry %d was acknowledged and is lost", mode, n, (int)a);
        if (answer != CODE_OK && answer != NOT_ANSWERED && t)
            fail_msg("mode %d, n %d: entry %d was refused (%d) and is there", mode, n, (int)a, answer);
        if (a % 8 == 5 && answer != NOT_ANSWERED && answer != CODE_UNAVAILABLE)
            assert_int_equal(answer, CODE_INVALID_ARGUMENT);
    }
    db_close(cx->db);
    cx->db = NULL;
    arena_reset(&f->mem);
}

static void begin_case(struct fixture *f)
{
    copy_template(f);
    memset(shared, 0, sizeof(*shared));
    for (int i = 0; i < ENTRIES; i++)
        shared->answer[i] = NOT_ANSWERED;
}

/* One process with the n-th fault; returns its exit status. */
static int run_case(struct fixture *f, enum fault_mode mode, int n)
{
    int status;
    begin_case(f);
    pid_t pid = fork();
    if (pid == 0)
        child(f, mode, n);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFEXITED(status))
        fail_msg("mode %d, n %d: ended by signal %d", mode, n, WTERMSIG(status));
    compare(f, mode, n);
    return WEXITSTATUS(status);
}

/* All n until the fault is not reached any more; every third where a neighbour of the mode tries all. */
static void run_all(struct fixture *f, enum fault_mode mode)
{
    int exits[100] = {0}, n = 1, cases = 0, step = mode == FAULT_FULL_STAYS || mode == FAULT_POWER_SOME ? 3 : 1;
    assert_int_equal(run_case(f, FAULT_NONE, 0), 0);
    for (int i = 0; i < ENTRIES; i++)
        assert_int_equal(shared->answer[i], i % 8 == 5   ? CODE_INVALID_ARGUMENT
                                            : i % 8 == 6 ? CODE_ALREADY_EXISTS
                                                         : CODE_OK);
    do {
        int status = run_case(f, mode, n);
        n += step;
        cases++;
        assert_in_range(status, 0, 99);
        exits[status]++;
        if (mode == FAULT_FULL || mode == FAULT_FULL_STAYS)
            assert_false(shared->read_failed);
    } while (shared->hit && n < 5000);
    bool power = mode == FAULT_POWER || mode == FAULT_POWER_SOME;
    assert_true(n > 10);
    assert_int_equal(exits[0] + exits[EXIT_NOT_STARTED] + exits[EXIT_DATA_LOSS] + exits[FAULT_EXIT_POWER], cases);
    assert_int_equal(exits[FAULT_EXIT_POWER] > 0, power);
    if (mode == FAULT_SYNC) /* a commit whose sync failed is never answered */
        assert_true(exits[EXIT_DATA_LOSS] > 5);
    if (mode == FAULT_FULL)
        assert_int_equal(exits[EXIT_DATA_LOSS], 0);
    print_message("%d cases: %d finished, %d did not start, %d ended by DATA_LOSS\n", cases, exits[0],
                  exits[EXIT_NOT_STARTED], exits[EXIT_DATA_LOSS]);
}

#define CASE(name, mode)                                                                                               \
    static void name(void **state)                                                                                     \
    {                                                                                                                  \
        run_all(*state, mode);                                                                                         \
    }
CASE(every_write_error, FAULT_WRITE)
CASE(every_moment_of_a_full_disk, FAULT_FULL)
CASE(a_disk_that_stays_full, FAULT_FULL_STAYS)
CASE(every_sync_error, FAULT_SYNC)
CASE(power_cut_at_every_moment, FAULT_POWER)
CASE(power_cut_that_keeps_some, FAULT_POWER_SOME)

/* Killed at the n-th pass of a fault point. Returns how many entries are stored of which nobody was told, or -1 when
 * the run ended before. */
static int kill_at(struct fixture *f, const char *point, int n)
{
    int status, untold = 0;
    begin_case(f);
    pid_t pid = fork();
    if (pid == 0) {
        setenv("TERN_FAULT", arena_printf(&f->mem, "%s:%d=kill", point, n).p, 1);
        child(f, FAULT_NONE, 0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    compare(f, FAULT_NONE, n);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return -1;
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_ok(&f->cx, db_open(&f->cx, f->cfg.db_url, DB_WRITE, &f->cx.db));
    for (int64_t a = 0; a < ENTRIES; a++)
        untold += shared->answer[a] == NOT_ANSWERED && ask(&f->cx, "SELECT count(*) FROM u WHERE a = $1", a);
    db_close(f->cx.db);
    f->cx.db = NULL;
    return untold;
}

static void killed_around_every_commit(void **state)
{
    struct fixture *f = *state;
    int before, after, n = 0, stored = 0;
    do {
        n++;
        before = kill_at(f, "lane.before_commit", n);
        after = kill_at(f, "lane.after_commit", n);
        assert_true(before <= 0);
        stored += after > 0;
    } while (before == 0 || after >= 0);
    assert_true(n > 5);
    assert_true(stored > 5);
}

static int up(void **state)
{
    struct fixture *f = *state = fixture_new();
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    in_child(f, make_template);
    snprintf(f->url, sizeof(f->url), "sqlite:%s/case.db", f->dir);
    f->cfg.db_url = str_from(f->url);
    return shared == MAP_FAILED ? -1 : 0;
}

#define T(name) cmocka_unit_test_setup_teardown(name, up, fixture_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(every_write_error),          T(every_moment_of_a_full_disk), T(a_disk_that_stays_full),
        T(every_sync_error),           T(power_cut_at_every_moment),   T(power_cut_that_keeps_some),
        T(killed_around_every_commit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
