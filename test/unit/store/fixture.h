/* A database of its own in a temporary folder, for the tests of this folder. */
#ifndef TEST_UNIT_STORE_FIXTURE_H
#define TEST_UNIT_STORE_FIXTURE_H

#include "unit.h"

#include "store/db.h"

#include <ftw.h>
#include <unistd.h>

struct fixture {
    char dir[64], file[96], url[128];
    struct arena mem;
    struct ctx cx;
};

static int fixture_remove_one(const char *path, const struct stat *st, int flag, struct FTW *at)
{
    (void)st;
    (void)flag;
    (void)at;
    return remove(path);
}

static inline int fixture_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    strcpy(f->dir, "/tmp/tern-store-XXXXXX");
    if (!f || !mkdtemp(f->dir))
        return -1;
    snprintf(f->file, sizeof(f->file), "%s/tern.db", f->dir);
    snprintf(f->url, sizeof(f->url), "sqlite:%s", f->file);
    arena_init(&f->mem, 0);
    ctx_init(&f->cx, &f->mem);
    *state = f;
    return 0;
}

static inline int fixture_down(void **state)
{
    struct fixture *f = *state;
    nftw(f->dir, fixture_remove_one, 16, FTW_DEPTH | FTW_PHYS);
    arena_done(&f->mem);
    free(f);
    return 0;
}

static inline struct db *fixture_open(struct fixture *f, enum db_mode mode)
{
    struct db *db = NULL;
    assert_int_equal(db_open(&f->cx, str_from(f->url), mode, &db), CODE_OK);
    return db;
}

static inline int64_t fixture_int(struct ctx *cx, const char *sql)
{
    struct db_rows rows;
    assert_ok(cx, db_query_dynamic(cx, str_from(sql), NULL, 0, &rows));
    assert_int_equal(rows.n, 1);
    return rows.v[0].i;
}

static inline void fixture_exec(struct ctx *cx, const char *sql)
{
    assert_ok(cx, db_query_dynamic(cx, str_from(sql), NULL, 0, NULL));
}

#endif
