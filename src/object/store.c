/* Opening and closing the object store, and the connections that read. See store_int.h and object.h. */
#include "object/store_int.h"

#include "base/file.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- reading ----------------------------------------------------------------------------------------------------- */

enum code object_store_borrow(struct ctx *cx, struct object_store *s, struct object_index **out)
{
    pthread_mutex_lock(&s->mutex);
    while (!s->idle && s->readers == OBJECT_READERS_MAX)
        pthread_cond_wait(&s->returned, &s->mutex);
    struct object_index *ix = s->idle;
    if (ix)
        s->idle = ix->next;
    else
        s->readers++;
    pthread_mutex_unlock(&s->mutex);
    if (ix) {
        *out = ix;
        return CODE_OK;
    }
    ix = mem_new(struct object_index);
    enum code code = object_index_open(cx, s->index_path, ix);
    if (code != CODE_OK) {
        mem_free(ix);
        pthread_mutex_lock(&s->mutex);
        s->readers--;
        pthread_cond_signal(&s->returned);
        pthread_mutex_unlock(&s->mutex);
        return code;
    }
    ix->store = s;
    *out = ix;
    return CODE_OK;
}

void object_store_give_back(struct object_index **ix)
{
    if (!*ix)
        return;
    struct object_store *s = (*ix)->store;
    pthread_mutex_lock(&s->mutex);
    (*ix)->next = s->idle;
    s->idle = *ix;
    pthread_cond_signal(&s->returned);
    pthread_mutex_unlock(&s->mutex);
    *ix = NULL;
}

/* ---- open and close ---------------------------------------------------------------------------------------------- */

static enum code open_files(struct ctx *cx, struct object_store *s, const char *dir)
{
    const char *path = arena_printf(cx->mem, "%s/objects", dir).p;
    if (mkdir(path, 0700)) {
        if (errno != EEXIST)
            return fail_errno(cx, "make folder %s", path);
    } else {
        TRY(file_sync_dir(cx, dir));
    }
    s->files = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    return s->files < 0 ? fail_errno(cx, "open %s", path) : CODE_OK;
}

/* SQLite would make it with the umask's mode. Never opens one that is there: closing it would drop the locks of a
 * connection of this process. */
static enum code make_private(struct ctx *cx, const char *path)
{
    int fd cleanup_(object_file_close) = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return fd < 0 && errno != EEXIST ? fail_errno(cx, "create %s", path) : CODE_OK;
}

static enum code open_all(struct ctx *cx, struct object_store *s, const char *dir)
{
    s->index_path = mem_strdup(arena_printf(cx->mem, "%s/objects.db", dir).p);
    TRY(object_keys_load(cx, dir, s->server_key));
    TRY(open_files(cx, s, dir));
    TRY(make_private(cx, s->index_path));
    TRY(object_commit_start(cx, s, s->index_path, &s->commit));
    return object_keeper_start(cx, s, s->index_path, &s->keeper);
}

enum code object_store_open(struct ctx *cx, str data_dir, struct object_store **out)
{
    struct object_store *s = mem_new(struct object_store);
    s->files = -1;
    pthread_mutex_init(&s->mutex, NULL);
    pthread_cond_init(&s->returned, NULL);
    enum code code = open_all(cx, s, arena_cstr(cx->mem, data_dir));
    if (code != CODE_OK) {
        object_store_close(s);
        return code;
    }
    *out = s;
    return CODE_OK;
}

int64_t object_store_stalled_ns(struct object_store *s)
{
    return object_commit_stalled_ns(s->commit);
}

void object_store_close(struct object_store *s)
{
    if (!s)
        return;
    object_keeper_stop(s->keeper); /* its sweep writes */
    object_commit_stop(s->commit); /* its commits tell the keeper */
    object_keeper_free(s->keeper);
    for (struct object_index *ix; (ix = s->idle);) {
        s->idle = ix->next;
        object_index_close(ix);
        mem_free(ix);
    }
    object_file_close(&s->files);
    pthread_cond_destroy(&s->returned);
    pthread_mutex_destroy(&s->mutex);
    mem_free(s->index_path);
    explicit_bzero(s->server_key, sizeof(s->server_key));
    mem_free(s);
}
