/* The executor of connectors, without a connector that answers: what waits for one is bounded. */
#define EXEC_CONNECTOR_KEPT_MAX ((size_t)1000)
#include "exec/connector.c"

#include "unit.h"

#include "base/tree.h"
#include "gen/flyteidl2_connector.h"

#include <unistd.h>

struct fixture {
    struct arena mem;
    struct ctx cx;
    char dir[32];
    struct exec_connectors *connectors;
    struct exec others;
    struct exec *exec;
};

static void others_log_system(struct exec *e, struct exec_key key, str line)
{
    (void)e;
    (void)key;
    (void)line;
}

static void others_stop(struct exec *e)
{
    (void)e;
}

static const struct exec_ops others_ops = {.log_system = others_log_system, .stop = others_stop};

static enum code put(struct ctx *cx, void *arg, str uri, str bytes)
{
    (void)cx;
    (void)arg;
    (void)uri;
    (void)bytes;
    return CODE_OK;
}

static void notify(void *arg, struct exec_key key)
{
    (void)arg;
    (void)key;
}

static int set_up_executor(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    const str entry = STR("localhost:1 type=job"); /* nobody listens there */
    arena_init(&f->mem, 0);
    ctx_init(&f->cx, &f->mem);
    strcpy(f->dir, "/tmp/tern-connector-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    f->others.ops = &others_ops;
    assert_ok(&f->cx, exec_connectors_start(&f->cx, &entry, 1, &f->connectors));
    const struct exec_connector_config cfg = {
        .data_dir = str_from(f->dir), .connectors = f->connectors, .others = &f->others, .put = put, .notify = notify};
    assert_ok(&f->cx, exec_connector_start(&f->cx, &cfg, &f->exec));
    *state = f;
    return 0;
}

static int tear_down_executor(void **state)
{
    struct fixture *f = *state;
    exec_stop(f->exec);
    exec_connectors_stop(f->connectors);
    assert_true(tree_remove(f->dir));
    arena_done(&f->mem);
    free(f);
    return 0;
}

static enum code launch(struct fixture *f, uint64_t id, str request)
{
    const struct exec_connector_task t = {.connector = STR("localhost:1"), .type = STR("job"), .request = request};
    const struct exec_task task = {.key = {id, 1}, .connector = &t};
    return exec_launch(&f->cx, f->exec, &task);
}

/* One with a text of n bytes. */
static str request(struct fixture *f, size_t n)
{
    const ConnectorCreateTaskRequest req = {.output_prefix = str_make(memset(arena_alloc(&f->mem, n), 'x', n), n)};
    str bytes;
    assert_ok(&f->cx, pb_encode(&f->cx, &ConnectorCreateTaskRequest_type, &req, &bytes));
    return bytes;
}

static void wait_for_exit(struct fixture *f, uint64_t id)
{
    struct exec_observation seen = {0};
    while (seen.state != EXEC_EXITED) {
        usleep(1000);
        assert_ok(&f->cx, exec_observe(&f->cx, f->exec, (struct exec_key){id, 1}, &seen));
    }
}

static void forget(struct fixture *f, uint64_t id)
{
    assert_ok(&f->cx, exec_abort(&f->cx, f->exec, (struct exec_key){id, 1}));
    wait_for_exit(f, id);
    assert_ok(&f->cx, exec_cleanup(&f->cx, f->exec, (struct exec_key){id, 1}));
}

static void what_waits_for_connectors_is_bounded(void **state)
{
    struct fixture *f = *state;
    assert_ok(&f->cx, launch(f, 1, request(f, 600)));
    assert_code(&f->cx, launch(f, 2, request(f, 600)), CODE_UNAVAILABLE);
    assert_ok(&f->cx, launch(f, 1, request(f, 600))); /* it is there */
    assert_ok(&f->cx, launch(f, 3, request(f, 300)));
    forget(f, 1);
    assert_ok(&f->cx, launch(f, 2, request(f, 600)));
    forget(f, 2);
    forget(f, 3);
    assert_ok(&f->cx, launch(f, 4, request(f, 5000))); /* one alone is taken, or it never would */
    assert_code(&f->cx, launch(f, 5, request(f, 1)), CODE_UNAVAILABLE);
    forget(f, 4);
}

static void what_is_not_sent_again_makes_room(void **state)
{
    struct fixture *f = *state;
    char wrong[900];
    memset(wrong, 0xff, sizeof(wrong));
    assert_ok(&f->cx, launch(f, 1, str_make(wrong, sizeof(wrong))));
    wait_for_exit(f, 1);
    assert_ok(&f->cx, launch(f, 2, request(f, 600)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_waits_for_connectors_is_bounded, set_up_executor, tear_down_executor),
        cmocka_unit_test_setup_teardown(what_is_not_sent_again_makes_room, set_up_executor, tear_down_executor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
