/* The housekeeping thread. See keeper_int.h. */
#include "object/keeper_int.h"

#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "object/store_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

/* D-15: from so many frames (8 MB) on the bulk is checkpointed here; what the writer may do itself between two batches.
 */
#define WAL_BULK 2048
#define WAL_REST 1500
/* 32 MB: two processes may miss each other's moments for long. */
#define WAL_MAX 8192
#define SWEEP_FIRST_NS (60 * NS_PER_S)
#define SWEEP_EVERY_NS (3600 * NS_PER_S)
/* Multipart uploads that nobody has completed for so long are aborted. */
#define UPLOAD_MAX_NS (7 * 24 * 3600 * NS_PER_S)
#define UPLOADS_PER_SWEEP 100

struct object_keeper {
    struct object_store *store;
    struct object_index ix; /* of the thread, for checkpoints */
    pthread_t thread;
    pthread_mutex_t mutex; /* of what follows */
    pthread_cond_t wake;
    struct object_file_id *remove;
    size_t remove_count, remove_cap;
    bool checkpoint;  /* asked for */
    bool bulk_done;   /* a checkpoint has ended; the writer decides about the rest */
    int checkpointed; /* frames of the WAL that it had copied */
    atomic_bool stopping;
};

/* ---- called by the commit thread --------------------------------------------------------------------------------- */

void object_keeper_remove(struct object_keeper *k, const struct object_file_id *ids, size_t n)
{
    if (!n)
        return;
    pthread_mutex_lock(&k->mutex);
    if (k->remove_count + n > k->remove_cap) {
        k->remove_cap = (k->remove_count + n) * 2;
        k->remove = mem_resize(k->remove, k->remove_cap * sizeof(*k->remove));
    }
    memcpy(k->remove + k->remove_count, ids, n * sizeof(*ids));
    k->remove_count += n;
    pthread_cond_signal(&k->wake);
    pthread_mutex_unlock(&k->mutex);
}

enum object_keeper_rest object_keeper_wal(struct object_keeper *k, int frames)
{
    enum object_keeper_rest rest = OBJECT_REST_NONE;
    if (frames < WAL_BULK)
        return rest;
    pthread_mutex_lock(&k->mutex);
    if (k->bulk_done && (frames - k->checkpointed < WAL_REST || frames > WAL_MAX)) {
        rest = frames > WAL_MAX ? OBJECT_REST_ALL : OBJECT_REST_SMALL;
        k->bulk_done = false;
    } else if (!k->checkpoint) {
        k->checkpoint = true;
        k->bulk_done = false;
        pthread_cond_signal(&k->wake);
    }
    pthread_mutex_unlock(&k->mutex);
    return rest;
}

/* ---- sweeping ---------------------------------------------------------------------------------------------------- */

struct sweep {
    struct ctx *cx;
    struct object_store *store;
    struct object_index *ix;
    enum code code;
    size_t removed;
};

static bool sweep_file(void *arg, const struct object_file_id *id)
{
    struct sweep *s = arg;
    bool used;
    int fd cleanup_(object_file_close) = -1;
    s->code = object_index_file_used(s->cx, s->ix, id, &used);
    if (s->code != CODE_OK || used || !object_file_lock(s->store->files, id, &fd))
        return s->code == CODE_OK;
    /* Its writer may have committed before it let go of the lock. */
    s->code = object_index_file_used(s->cx, s->ix, id, &used);
    if (s->code == CODE_OK && !used) {
        object_file_remove(s->store->files, id);
        s->removed++;
    }
    return s->code == CODE_OK && !(s->store->keeper && atomic_load(&s->store->keeper->stopping));
}

struct drop_uploads {
    struct object_op op;
    int64_t before_ns;
};

static enum code run_drop_uploads(struct object_op *op, struct ctx *cx, struct object_index *ix)
{
    struct object_uploads list;
    int64_t before_ns = container_of(op, struct drop_uploads, op)->before_ns;
    TRY(object_index_uploads_before(cx, ix, before_ns, UPLOADS_PER_SWEEP, &list));
    for (size_t i = 0; i < list.n; i++) {
        TRY(object_index_body_delete(cx, ix, list.p[i].body));
        TRY(object_index_upload_delete(cx, ix, list.p[i].id));
    }
    return CODE_OK;
}

static enum code sweep(struct ctx *cx, struct object_store *s, size_t *removed)
{
    struct drop_uploads drop = {.op = {.run = run_drop_uploads}, .before_ns = time_wall_ns() - UPLOAD_MAX_NS};
    struct object_index *ix cleanup_(object_store_give_back) = NULL;
    TRY(object_commit_run(cx, s->commit, &drop.op));
    TRY(object_store_borrow(cx, s, &ix));
    struct sweep sw = {.cx = cx, .store = s, .ix = ix};
    object_file_each(s->files, sweep_file, &sw);
    *removed = sw.removed;
    return sw.code;
}

enum code object_keeper_sweep(struct ctx *cx, struct object_store *s, size_t *removed)
{
    int lock cleanup_(object_file_close) =
        openat(s->files, "sweep.lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (lock < 0)
        return fail_errno(cx, "open objects/sweep.lock");
    *removed = 0;
    if (flock(lock, LOCK_EX | LOCK_NB))
        return CODE_OK; /* another process is at it */
    return sweep(cx, s, removed);
}

/* ---- the thread -------------------------------------------------------------------------------------------------- */

static void run_sweep(struct object_keeper *k)
{
    struct arena mem;
    struct ctx cx;
    size_t removed = 0;
    arena_init(&mem, 0);
    ctx_init(&cx, &mem);
    if (object_keeper_sweep(&cx, k->store, &removed) != CODE_OK)
        log_warn(&cx, "object sweep failed", LOG_ERR(&cx));
    else if (removed)
        log_info(&cx, "object sweep: removed files without a row", LOG_INT("files", removed));
    arena_done(&mem);
}

static void run_checkpoint(struct object_keeper *k)
{
    int frames = 0, done = 0;
    pthread_mutex_unlock(&k->mutex);
    sqlite3_wal_checkpoint_v2(k->ix.db, NULL, SQLITE_CHECKPOINT_PASSIVE, &frames, &done);
    pthread_mutex_lock(&k->mutex);
    k->checkpoint = false;
    k->bulk_done = true;
    k->checkpointed = done > 0 ? done : 0;
}

static void wait_until(struct object_keeper *k, int64_t until_ns)
{
    int64_t left = until_ns - time_now_ns();
    struct timespec at;
    if (left <= 0)
        return;
    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += left / NS_PER_S + 1;
    pthread_cond_timedwait(&k->wake, &k->mutex, &at);
}

/* Takes the list of files to remove. */
static void remove_files(struct object_keeper *k)
{
    struct object_file_id *ids = k->remove;
    size_t n = k->remove_count;
    k->remove = NULL;
    k->remove_count = k->remove_cap = 0;
    pthread_mutex_unlock(&k->mutex);
    for (size_t i = 0; i < n; i++)
        object_file_remove(k->store->files, &ids[i]);
    mem_free(ids);
    pthread_mutex_lock(&k->mutex);
}

/* Its steps let go of the mutex while they work. */
static void *keeper(void *arg)
{
    struct object_keeper *k = arg;
    int64_t sweep_ns = time_now_ns() + SWEEP_FIRST_NS;
    pthread_mutex_lock(&k->mutex);
    while (!atomic_load(&k->stopping)) {
        if (k->checkpoint)
            run_checkpoint(k);
        else if (k->remove_count)
            remove_files(k);
        else if (time_now_ns() < sweep_ns)
            wait_until(k, sweep_ns);
        else {
            pthread_mutex_unlock(&k->mutex);
            run_sweep(k);
            pthread_mutex_lock(&k->mutex);
            sweep_ns = time_now_ns() + SWEEP_EVERY_NS;
        }
    }
    pthread_mutex_unlock(&k->mutex);
    return NULL;
}

enum code object_keeper_start(struct ctx *cx, struct object_store *s, const char *path, struct object_keeper **out)
{
    struct object_index ix;
    pthread_condattr_t attr;
    TRY(object_index_open(cx, path, &ix));
    struct object_keeper *k = mem_new(struct object_keeper);
    k->store = s;
    k->ix = ix;
    pthread_mutex_init(&k->mutex, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&k->wake, &attr);
    pthread_condattr_destroy(&attr);
    if ((errno = pthread_create(&k->thread, NULL, keeper, k))) {
        enum code code = fail_errno(cx, "start the object store's housekeeping thread");
        object_keeper_free(k);
        return code;
    }
    *out = k;
    return CODE_OK;
}

void object_keeper_stop(struct object_keeper *k)
{
    if (!k)
        return;
    pthread_mutex_lock(&k->mutex);
    atomic_store(&k->stopping, true);
    pthread_cond_signal(&k->wake);
    pthread_mutex_unlock(&k->mutex);
    pthread_join(k->thread, NULL);
}

void object_keeper_free(struct object_keeper *k)
{
    if (!k)
        return;
    for (size_t i = 0; i < k->remove_count; i++)
        object_file_remove(k->store->files, &k->remove[i]);
    object_index_close(&k->ix);
    pthread_cond_destroy(&k->wake);
    pthread_mutex_destroy(&k->mutex);
    mem_free(k->remove);
    mem_free(k);
}
