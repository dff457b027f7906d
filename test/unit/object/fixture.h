/* An object store in a folder of its own, for the tests of object/. */
#ifndef TEST_OBJECT_FIXTURE_H
#define TEST_OBJECT_FIXTURE_H

#include "object/object.h"
#include "unit.h"

#include <unistd.h>

struct fixture {
    struct arena mem;
    struct ctx cx;
    char dir[64];
    struct object_store *s;
};

static inline int fixture_remove(const char *dir)
{
    char cmd[128];
    snprintf(cmd, sizeof(cmd), "rm -rf '%s'", dir);
    return system(cmd);
}

static inline void fixture_open(struct fixture *f)
{
    assert_ok(&f->cx, object_store_open(&f->cx, str_from(f->dir), &f->s));
}

static inline void fixture_reopen(struct fixture *f)
{
    object_store_close(f->s);
    f->s = NULL;
    fixture_open(f);
}

static inline int fixture_setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    arena_init(&f->mem, 0);
    ctx_init(&f->cx, &f->mem);
    strcpy(f->dir, "/tmp/tern-object-test-XXXXXX");
    if (!mkdtemp(f->dir))
        return -1;
    *state = f;
    fixture_open(f);
    return 0;
}

static inline int fixture_teardown(void **state)
{
    struct fixture *f = *state;
    object_store_close(f->s);
    arena_done(&f->mem);
    fixture_remove(f->dir);
    free(f);
    return 0;
}

#define fixture_test(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

/* n bytes that follow from the seed; not the same at any two offsets that a test would confuse. */
static inline str fixture_bytes(struct arena *mem, size_t n, uint32_t seed)
{
    char *p = arena_alloc(mem, n + 1);
    uint32_t x = seed * 2654435761u + 1;
    for (size_t i = 0; i < n; i++) {
        x = x * 1664525u + 1013904223u;
        p[i] = (char)(x >> 24);
    }
    return str_make(p, n);
}

static inline void fixture_expect(struct fixture *f, str key, str bytes)
{
    str got;
    assert_ok(&f->cx, object_get(&f->cx, f->s, STR("tern"), key, (size_t)1 << 30, &got));
    assert_int_equal(got.n, bytes.n);
    assert_true(str_eq(got, bytes));
}

/* How many files of large objects there are. */
static inline int fixture_files(struct fixture *f)
{
    char cmd[128];
    int n = -1;
    snprintf(cmd, sizeof(cmd), "find '%s/objects' -type f -not -name sweep.lock | wc -l", f->dir);
    FILE *p = popen(cmd, "r");
    if (fscanf(p, "%d", &n) != 1)
        n = -1;
    pclose(p);
    return n;
}

#endif
