/* Slots: random schedules against the rules themselves, and the cases of D-22 by name. */
#include "exec/slots.h"

#include "unit.h"

#include "base/time.h"

#define N 60

static const struct exec_share ONE = {.project = {"p", 1}, .run_id = 1};

static void share_is_never_passed(void **state)
{
    (void)state;
    for (int seed = 1; seed <= 200; seed++) {
        struct exec_slots s;
        struct exec_slot slot[N] = {0};
        int64_t cpu = 1000 * (1 + seed % 4), memory = 1000;
        size_t started = 0;
        srand((unsigned)seed);
        exec_slots_init(&s, cpu, memory, 0);
        for (int i = 0; i < N; i++) {
            slot[i].cpu_millis = 100 * (1 + rand() % 15);
            slot[i].memory_bytes = rand() % 3 ? 0 : 1 + rand() % 700;
            exec_slots_queue(&s, &slot[i], &ONE, i);
        }
        /* No lending here: what runs together must fit, except one that is above the machine and alone. */
        for (int step = 0; started < N && step < 10000; step++) {
            struct exec_slot *next;
            while ((next = exec_slots_next(&s, 0)))
                started++;
            int64_t used_cpu = 0, used_memory = 0, running = 0;
            for (int i = 0; i < N; i++)
                if (slot[i].running) {
                    used_cpu += slot[i].cpu_millis;
                    used_memory += slot[i].memory_bytes;
                    running++;
                }
            assert_true(running > 0);
            assert_true(used_cpu <= cpu || running == 1);
            assert_true(used_memory <= memory || running == 1);
            int end = rand() % N;
            while (!slot[end].running)
                end = (end + 1) % N;
            exec_slots_release(&s, &slot[end]);
        }
        assert_int_equal(started, N);
        for (int i = 0; i < N; i++)
            exec_slots_release(&s, &slot[i]);
        assert_int_equal(s.used_cpu, 0);
        assert_int_equal(s.used_memory, 0);
        assert_int_equal(s.running_count + s.queued + s.lent_count, 0);
        exec_slots_done(&s);
    }
}

static void first_in_first_out(void **state)
{
    struct exec_slots s;
    struct exec_slot slot[4] = {{.cpu_millis = 1000}, {.cpu_millis = 2000}, {.cpu_millis = 100}, {.cpu_millis = 100}};
    (void)state;
    exec_slots_init(&s, 2000, 1, 0);
    for (int i = 0; i < 4; i++)
        exec_slots_queue(&s, &slot[i], &ONE, 0);
    assert_ptr_equal(exec_slots_next(&s, 0), &slot[0]);
    assert_null(exec_slots_next(&s, 0)); /* small ones do not overtake: the large one would starve */
    assert_int_equal(exec_slots_lacks(&s, &slot[1]), EXEC_SLOT_CPU);
    assert_int_equal(exec_slots_lacks(&s, &slot[2]), EXEC_SLOT_TURN);
    exec_slots_release(&s, &slot[0]);
    assert_ptr_equal(exec_slots_next(&s, 0), &slot[1]);
    exec_slots_release(&s, &slot[1]);
    assert_ptr_equal(exec_slots_next(&s, 0), &slot[2]);
    assert_ptr_equal(exec_slots_next(&s, 0), &slot[3]);
    assert_null(exec_slots_next(&s, 0));
    exec_slots_done(&s);
}

static void waiting_parents_lend_cpu_not_memory(void **state)
{
    struct exec_slots s;
    struct exec_slot parent = {.cpu_millis = 1000, .memory_bytes = 600}, small = {.cpu_millis = 1000, .depth = 1},
                     large = {.cpu_millis = 1000, .memory_bytes = 600, .depth = 1};
    (void)state;
    exec_slots_init(&s, 1000, 1000, 0);
    exec_slots_queue(&s, &parent, &ONE, 0);
    assert_ptr_equal(exec_slots_next(&s, 0), &parent);
    exec_slots_queue(&s, &small, &ONE, 0);
    exec_slots_queue(&s, &large, &ONE, 0);
    assert_null(exec_slots_next(&s, 0));
    exec_slots_set_waiting(&s, &parent, true);
    exec_slots_set_waiting(&s, &parent, true); /* twice is once */
    assert_ptr_equal(exec_slots_next(&s, 0), &small);
    exec_slots_release(&s, &small);
    /* The large child cannot fit as long as its parent lives: it starts all the same, because nothing else could. */
    assert_int_equal(exec_slots_lacks(&s, &large), EXEC_SLOT_MEMORY);
    assert_ptr_equal(exec_slots_next(&s, 0), &large);
    exec_slots_set_waiting(&s, &parent, false); /* both run now, over the total, until one ends */
    exec_slots_queue(&s, &small, &ONE, 0);
    assert_null(exec_slots_next(&s, 0));
    exec_slots_release(&s, &large);
    assert_null(exec_slots_next(&s, 0));
    exec_slots_release(&s, &parent);
    assert_ptr_equal(exec_slots_next(&s, 0), &small);
    exec_slots_done(&s);
}

static void the_deepest_starts_when_all_wait(void **state)
{
    struct exec_slots s;
    struct exec_slot parent = {.cpu_millis = 1, .memory_bytes = 1000}, child[3];
    (void)state;
    exec_slots_init(&s, 1000, 1000, 0);
    exec_slots_queue(&s, &parent, &ONE, 0);
    assert_non_null(exec_slots_next(&s, 0));
    for (uint32_t i = 0; i < 3; i++) {
        child[i] = (struct exec_slot){.cpu_millis = 1, .memory_bytes = 10, .depth = i == 1 ? 5 : 1};
        exec_slots_queue(&s, &child[i], &ONE, 0);
    }
    assert_null(exec_slots_next(&s, 0));
    exec_slots_set_waiting(&s, &parent, true);
    assert_ptr_equal(exec_slots_next(&s, 0), &child[1]);
    assert_null(exec_slots_next(&s, 0)); /* one at a time */
    exec_slots_done(&s);
}

static void who_takes_nothing_keeps_nobody_waiting(void **state)
{
    struct exec_slots s;
    struct exec_slot parent = {.cpu_millis = 1000, .memory_bytes = 1000}, child = {.memory_bytes = 10, .depth = 1},
                     place = {0};
    (void)state;
    exec_slots_init(&s, 1000, 1000, 0);
    exec_slots_take(&s, &place, &ONE);
    exec_slots_queue(&s, &parent, &ONE, 0);
    assert_ptr_equal(exec_slots_next(&s, 0), &parent);
    exec_slots_queue(&s, &child, &ONE, 0);
    assert_null(exec_slots_next(&s, 0));
    exec_slots_set_waiting(&s, &parent, true);
    assert_ptr_equal(exec_slots_next(&s, 0), &child); /* the end of the place would not make room for it */
    exec_slots_set_waiting(&s, &place, true);
    exec_slots_release(&s, &child);
    exec_slots_set_waiting(&s, &parent, false);
    exec_slots_queue(&s, &child, &ONE, 0);
    assert_null(exec_slots_next(&s, 0)); /* nor is it one more that waits */
    exec_slots_release(&s, &parent);
    exec_slots_release(&s, &place);
    assert_ptr_equal(exec_slots_next(&s, 0), &child);
    exec_slots_done(&s);
}

static void many_trees_go_deep_first_but_nobody_starves(void **state)
{
    struct exec_slots s;
    struct exec_slot parent[40] = {0}, child = {.cpu_millis = 1000, .depth = 1};
    size_t live = 0;
    (void)state;
    exec_slots_init(&s, 1000, 1000, 0);
    for (int i = 0; i < 40; i++) {
        struct exec_share share = {.project = STR("p"), .run_id = (uint64_t)i + 1};
        parent[i].cpu_millis = 1000;
        exec_slots_queue(&s, &parent[i], &share, 0);
    }
    assert_ptr_equal(exec_slots_next(&s, NS_PER_S), &parent[0]);
    exec_slots_queue(&s, &child, &ONE, 0);
    exec_slots_set_waiting(&s, &parent[0], true);
    for (struct exec_slot *p; (p = exec_slots_next(&s, NS_PER_S)) && p != &child; live++)
        exec_slots_set_waiting(&s, p, true);
    assert_true(child.running);
    assert_true(live >= 4 && live < 20);
    /* After half a minute it is the turn of one of those that have nothing yet. */
    struct exec_slot late = {.cpu_millis = 1000, .depth = 9};
    exec_slots_release(&s, &child);
    exec_slots_queue(&s, &late, &ONE, 31 * NS_PER_S);
    struct exec_slot *next = exec_slots_next(&s, 31 * NS_PER_S);
    assert_int_equal(next->depth, 0);
    exec_slots_done(&s);
}

static void above_the_machine_runs_alone(void **state)
{
    struct exec_slots s;
    struct exec_slot one = {.cpu_millis = 500}, giant = {.cpu_millis = 64000}, other = {.cpu_millis = 1};
    (void)state;
    exec_slots_init(&s, 1000, 1000, 0);
    exec_slots_queue(&s, &one, &ONE, 0);
    exec_slots_queue(&s, &giant, &ONE, 0);
    exec_slots_queue(&s, &other, &ONE, 0);
    assert_ptr_equal(exec_slots_next(&s, 0), &one);
    assert_null(exec_slots_next(&s, 0));
    exec_slots_release(&s, &one);
    assert_ptr_equal(exec_slots_next(&s, 0), &giant);
    assert_null(exec_slots_next(&s, 0));
    exec_slots_release(&s, &giant);
    assert_ptr_equal(exec_slots_next(&s, 0), &other);
    exec_slots_done(&s);
}

/* ---- queues, projects, runs -------------------------------------------------------------------------------------- */

struct job {
    struct exec_slot slot;
    int queue, project, run;
    int order; /* of arrival */
    bool there;
};

static struct exec_rule rules[] = {
    {.name = {"q0", 2}},
    {.name = {"q1", 2}},
    {.name = {"q2", 2}},
    {.project = true, .name = {"p0", 2}},
    {.project = true, .name = {"p1", 2}},
    {.project = true, .name = {"p2", 2}},
};

static struct exec_share share_of(const struct job *j)
{
    return (struct exec_share){.queue = rules[j->queue].name,
                               .project = rules[3 + j->project].name,
                               .run_id = (uint64_t)(j->project * 100 + j->run)};
}

enum { OF_QUEUE, OF_PROJECT, OF_RUN };

/* How many of the same queue, project or run work. */
static int working(const struct job *jobs, const struct job *as, int what)
{
    int n = 0;
    for (int i = 0; i < N; i++) {
        const struct job *j = &jobs[i];
        bool same = what == OF_QUEUE ? j->queue == as->queue : j->project == as->project;
        if (what == OF_RUN)
            same = same && j->run == as->run;
        n += j->there && j->slot.running && !j->slot.waiting && same;
    }
    return n;
}

static bool is_open(const struct job *jobs, const struct job *j)
{
    const struct exec_rule *q = &rules[j->queue], *p = &rules[3 + j->project];
    return !q->paused && !p->paused && (!q->limit || working(jobs, j, OF_QUEUE) < (int)q->limit) &&
           (!p->limit || working(jobs, j, OF_PROJECT) < (int)p->limit);
}

/* Whether the rules of shares.h say that a goes before b; both are open. What they leave open is true. */
static bool may_go_before(const struct job *jobs, const struct job *a, const struct job *b)
{
    const struct exec_rule *q = &rules[a->queue], *r = &rules[b->queue], *p = &rules[3 + a->project],
                           *o = &rules[3 + b->project];
    if (q->priority != r->priority)
        return q->priority > r->priority;
    int x = working(jobs, a, OF_PROJECT) * (int)o->weight, y = working(jobs, b, OF_PROJECT) * (int)p->weight;
    if (x != y)
        return x < y;
    if (a->project != b->project)
        return true;
    x = working(jobs, a, OF_RUN);
    y = working(jobs, b, OF_RUN);
    if (x != y)
        return x < y;
    if (a->run != b->run || a->queue != b->queue)
        return true;
    return a->slot.depth != b->slot.depth ? a->slot.depth > b->slot.depth : a->order < b->order;
}

static void random_rules(struct exec_slots *s)
{
    for (size_t i = 0; i < 6; i++) {
        rules[i].limit = rand() % 3 ? 0 : 1 + (uint32_t)rand() % 3;
        rules[i].paused = rand() % 8 == 0;
        rules[i].priority = i < 3 ? rand() % 2 : 0;
        rules[i].weight = 1 + (uint32_t)rand() % 3;
    }
    exec_shares_set_rules(&s->shares, rules, 6);
}

static void arrive(struct exec_slots *s, struct job *j, int order)
{
    *j = (struct job){.queue = rand() % 3, .project = rand() % 3, .run = rand() % 4, .order = order, .there = true};
    j->slot.cpu_millis = 1000;
    j->slot.depth = (uint32_t)rand() % 3;
    struct exec_share share = share_of(j);
    exec_slots_queue(s, &j->slot, &share, 0);
}

static void end(struct exec_slots *s, struct job *j)
{
    exec_slots_release(s, &j->slot);
    j->there = false;
}

/* Everything that could start was looked at: the one that did may go before each of them, and nothing is left out. */
static void check_start(struct exec_slots *s, struct job *jobs)
{
    bool open[N];
    int busy = 0, could = 0;
    for (int i = 0; i < N; i++) {
        open[i] = jobs[i].there && !jobs[i].slot.running && is_open(jobs, &jobs[i]);
        could += open[i];
        busy += jobs[i].there && jobs[i].slot.running && !jobs[i].slot.waiting;
    }
    struct job before[N];
    memcpy(before, jobs, sizeof(before));
    struct exec_slot *slot = exec_slots_next(s, 0);
    assert_int_equal(slot != NULL, could > 0 && busy < 4);
    if (!slot)
        return;
    struct job *j = container_of(slot, struct job, slot);
    assert_true(open[j - jobs]);
    for (int i = 0; i < N; i++)
        if (open[i])
            assert_true(&jobs[i] == j || may_go_before(before, &before[j - jobs], &before[i]));
}

static void the_rules_say_who_starts(void **state)
{
    (void)state;
    for (int seed = 1; seed <= 300; seed++) {
        struct exec_slots s;
        struct job jobs[N] = {0};
        srand((unsigned)seed);
        exec_slots_init(&s, 4000, 1, 0);
        random_rules(&s);
        for (int step = 0; step < 300; step++) {
            struct job *j = &jobs[rand() % N];
            if (rand() % 40 == 0)
                random_rules(&s);
            if (!j->there)
                arrive(&s, j, step);
            else if (rand() % 3 == 0)
                end(&s, j);
            else if (j->slot.running && (j->slot.waiting || s.lent_count < 7))
                exec_slots_set_waiting(&s, &j->slot, !j->slot.waiting);
            check_start(&s, jobs);
        }
        for (int i = 0; i < N; i++)
            end(&s, &jobs[i]);
        exec_shares_set_rules(&s.shares, NULL, 0);
        assert_int_equal(s.shares.queues.n + s.shares.projects.n + s.shares.runs.n, 0);
        assert_true(list_empty(&s.shares.lanes));
        exec_slots_done(&s);
    }
}

#define MANY 1200

/* One CPU, and each waits behind its own: what starts is counted. */
static void starts(struct exec_slots *s, const struct exec_share *shares, size_t n, int each, int rounds, int *count)
{
    struct exec_slot *slot = calloc(n * (size_t)each, sizeof(*slot));
    for (size_t i = 0; i < n; i++)
        for (int k = 0; k < each; k++) {
            slot[i * (size_t)each + (size_t)k].cpu_millis = 1000;
            exec_slots_queue(s, &slot[i * (size_t)each + (size_t)k], &shares[i], 0);
        }
    for (int i = 0; i < rounds; i++) {
        struct exec_slot *next = exec_slots_next(s, 0);
        assert_non_null(next);
        assert_null(exec_slots_next(s, 0));
        count[(next - slot) / each]++;
        exec_slots_release(s, next);
    }
    for (size_t i = 0; i < n * (size_t)each; i++)
        exec_slots_release(s, &slot[i]);
    free(slot);
}

static void one_cpu_is_shared_by_projects_then_runs(void **state)
{
    struct exec_slots s;
    const struct exec_rule heavy = {.project = true, .name = STR("heavy"), .weight = 3};
    const struct exec_share shares[] = {{.project = STR("heavy"), .run_id = 1},
                                        {.project = STR("heavy"), .run_id = 2},
                                        {.project = STR("light"), .run_id = 3}};
    int count[3] = {0};
    (void)state;
    exec_slots_init(&s, 1000, 1, 0);
    exec_shares_set_rules(&s.shares, &heavy, 1);
    starts(&s, shares, 3, MANY, 800, count);
    assert_in_range(count[0], 299, 301);
    assert_in_range(count[1], 299, 301);
    assert_in_range(count[2], 199, 201);
    exec_slots_done(&s);
}

static void who_comes_late_is_served_at_once_but_has_no_claim(void **state)
{
    struct exec_slots s;
    const struct exec_share first = {.project = STR("p"), .run_id = 1}, late = {.project = STR("p"), .run_id = 2};
    struct exec_slot a[100] = {0}, b[100] = {0};
    int of_b = 0;
    (void)state;
    exec_slots_init(&s, 1000, 1, 0);
    for (int i = 0; i < 100; i++) {
        a[i].cpu_millis = b[i].cpu_millis = 1000;
        exec_slots_queue(&s, &a[i], &first, 0);
    }
    for (int i = 0; i < 50; i++)
        exec_slots_release(&s, exec_slots_next(&s, 0));
    for (int i = 0; i < 100; i++)
        exec_slots_queue(&s, &b[i], &late, 0);
    for (int i = 0; i < 40; i++) {
        struct exec_slot *next = exec_slots_next(&s, 0);
        of_b += next >= b && next < b + 100;
        assert_true(i || next == b); /* after at most one of the others */
        exec_slots_release(&s, next);
    }
    assert_in_range(of_b, 19, 21);
    exec_slots_done(&s);
}

static void a_narrow_queue_is_no_deadlock(void **state)
{
    struct exec_slots s;
    const struct exec_rule narrow = {.name = STR("narrow"), .limit = 1};
    const struct exec_share share = {.queue = STR("narrow"), .project = STR("p"), .run_id = 1};
    struct exec_slot tree[20] = {0}, other = {.cpu_millis = 1000};
    (void)state;
    exec_slots_init(&s, 4000, 1, 0);
    exec_shares_set_rules(&s.shares, &narrow, 1);
    for (uint32_t i = 0; i < 20; i++) {
        tree[i].depth = i;
        exec_slots_queue(&s, &tree[i], &share, 0);
        if (i == 1)
            exec_slots_queue(&s, &other, &share, 0);
        if (i)
            assert_int_equal(exec_slots_lacks(&s, &tree[i]), EXEC_SLOT_QUEUE);
        if (i)
            exec_slots_set_waiting(&s, &tree[i - 1], true);
        assert_ptr_equal(exec_slots_next(&s, 0), &tree[i]); /* the deepest first: the other one has to wait */
        assert_null(exec_slots_next(&s, 0));
    }
    for (uint32_t i = 20; i-- > 0;) {
        exec_slots_release(&s, &tree[i]);
        if (i)
            exec_slots_set_waiting(&s, &tree[i - 1], false);
        assert_ptr_equal(exec_slots_next(&s, 0), i ? NULL : &other);
    }
    exec_slots_done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(share_is_never_passed),
        cmocka_unit_test(first_in_first_out),
        cmocka_unit_test(waiting_parents_lend_cpu_not_memory),
        cmocka_unit_test(the_deepest_starts_when_all_wait),
        cmocka_unit_test(who_takes_nothing_keeps_nobody_waiting),
        cmocka_unit_test(many_trees_go_deep_first_but_nobody_starves),
        cmocka_unit_test(above_the_machine_runs_alone),
        cmocka_unit_test(the_rules_say_who_starts),
        cmocka_unit_test(one_cpu_is_shared_by_projects_then_runs),
        cmocka_unit_test(who_comes_late_is_served_at_once_but_has_no_claim),
        cmocka_unit_test(a_narrow_queue_is_no_deadlock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
