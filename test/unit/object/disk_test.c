/* A disk that fails: the n-th write or sync of the index, for all n. What was acknowledged is there afterwards, what
 * was not is there whole or not at all, and the store goes on by itself. */

#include "fixture.h"

#include <sqlite3.h>
#include <stdatomic.h>

enum fault { FAULT_NONE, FAULT_WRITE_FULL, FAULT_WRITE_IO, FAULT_SYNC };
static enum fault armed;
static atomic_int countdown; /* calls until the fault; < 0: it has happened */

/* The database and its WAL have method tables of their own; the two methods are the same in both. */
static const sqlite3_io_methods *real_methods[2];
static sqlite3_io_methods shim_methods[2];
static sqlite3_vfs shim, *real_vfs;

static bool fails(bool sync)
{
    return armed != FAULT_NONE && (armed == FAULT_SYNC) == sync && atomic_fetch_sub(&countdown, 1) == 1;
}

static int shim_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
    if (fails(false))
        return armed == FAULT_WRITE_FULL ? SQLITE_FULL : SQLITE_IOERR_WRITE;
    return real_methods[0]->xWrite(f, p, n, at);
}

static int shim_sync(sqlite3_file *f, int flags)
{
    return fails(true) ? SQLITE_IOERR_FSYNC : real_methods[0]->xSync(f, flags);
}

static int shim_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *out)
{
    (void)vfs;
    int rc = real_vfs->xOpen(real_vfs, name, f, flags, out);
    if (rc != SQLITE_OK || !(flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL)))
        return rc;
    int i = (flags & SQLITE_OPEN_WAL) != 0;
    if (!real_methods[i]) {
        real_methods[i] = f->pMethods;
        shim_methods[i] = *f->pMethods;
        shim_methods[i].xWrite = shim_write;
        shim_methods[i].xSync = shim_sync;
    }
    if (f->pMethods != real_methods[i] || real_methods[i]->xWrite != real_methods[0]->xWrite)
        abort();
    f->pMethods = &shim_methods[i];
    return rc;
}

static void arm(enum fault fault, int n)
{
    armed = FAULT_NONE;
    atomic_store(&countdown, n);
    armed = fault;
}

#define PUTS 6
static str key_of(struct fixture *f, int i)
{
    return arena_printf(&f->mem, "k%d", i);
}

static str bytes_of(struct fixture *f, int i)
{
    return fixture_bytes(&f->mem, i % 3 ? 3000 : 90000, (uint32_t)i);
}

/* One store, one fault at the n-th call. False when the calls were fewer. */
static bool one_fault(struct fixture *f, enum fault fault, int n)
{
    bool acknowledged[PUTS];
    fixture_remove(f->dir);
    assert_non_null(mkdtemp(strcpy(f->dir, "/tmp/tern-object-test-XXXXXX")));
    fixture_open(f);
    arm(fault, n);
    for (int i = 0; i < PUTS; i++)
        acknowledged[i] = object_put(&f->cx, f->s, STR("tern"), key_of(f, i), STR(""), bytes_of(f, i)) == CODE_OK;
    bool happened = atomic_load(&countdown) < 1;
    armed = FAULT_NONE;
    /* It goes on, without anybody's help. */
    assert_ok(&f->cx, object_put(&f->cx, f->s, STR("tern"), STR("after"), STR(""), STR("after")));
    for (int round = 0; round < 2; round++) {
        int failed = 0;
        for (int i = 0; i < PUTS; i++) {
            str got;
            enum code code = object_get(&f->cx, f->s, STR("tern"), key_of(f, i), 1 << 20, &got);
            failed += !acknowledged[i];
            if (acknowledged[i])
                assert_ok(&f->cx, code);
            if (code == CODE_OK)
                assert_true(str_eq(got, bytes_of(f, i)));
            else
                assert_int_equal(code, CODE_NOT_FOUND);
        }
        assert_int_equal(failed > 0, happened);
        fixture_expect(f, STR("after"), STR("after"));
        fixture_reopen(f);
    }
    object_store_close(f->s);
    f->s = NULL;
    arena_reset(&f->mem);
    return happened;
}

static void all_faults(struct fixture *f, enum fault fault, int at_least)
{
    int n = 1;
    object_store_close(f->s);
    f->s = NULL;
    while (one_fault(f, fault, n))
        n++;
    assert_true(n > at_least);
}

static void a_full_disk(void **state)
{
    all_faults(*state, FAULT_WRITE_FULL, PUTS);
}

static void a_failing_write(void **state)
{
    all_faults(*state, FAULT_WRITE_IO, PUTS);
}

static void a_failing_sync(void **state)
{
    all_faults(*state, FAULT_SYNC, PUTS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(a_full_disk),
        fixture_test(a_failing_write),
        fixture_test(a_failing_sync),
    };
    if (sqlite3_initialize() != SQLITE_OK)
        return 2;
    real_vfs = sqlite3_vfs_find(NULL);
    shim = *real_vfs;
    shim.zName = "failing";
    shim.xOpen = shim_open;
    if (sqlite3_vfs_register(&shim, 1) != SQLITE_OK)
        return 2;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
