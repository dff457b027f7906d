/* Sealing and look-up of secrets. Any thread; the key is read from its file at each use, so a changed file takes effect
 * and the key is in memory only for that long. */
#include "engine/secret.h"

#include "base/file.h"
#include "base/random.h"
#include "base/seal.h"
#include "store/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Kept beside the one in use. */
#define OLD_KEYS_MAX 1000

static void wipe_key(struct seal_key *key)
{
    seal_wipe(key, sizeof(*key));
}

/* The file that holds the key; *may_create: it is ours to make. */
static str key_path(struct ctx *cx, bool *may_create)
{
    const char *file = getenv("TERN_SECRET_KEY_FILE"), *credentials = getenv("CREDENTIALS_DIRECTORY");
    const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    *may_create = false;
    if (file && *file)
        return arena_str(cx->mem, str_from(file));
    if (credentials && *credentials) {
        str path = arena_printf(cx->mem, "%s/tern-secret-key", credentials);
        if (access(path.p, R_OK) == 0)
            return path;
    }
    *may_create = true;
    if (config && *config)
        return arena_printf(cx->mem, "%s/tern/secret.key", config);
    return arena_printf(cx->mem, "%s/.config/tern/secret.key", home && *home ? home : "");
}

static enum code make_folders(struct ctx *cx, str path)
{
    char *copy = arena_cstr(cx->mem, path);
    for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        if (mkdir(copy, 0700) != 0 && errno != EEXIST)
            return fail(cx, CODE_FAILED_PRECONDITION, "cannot make %s for the secret key", copy);
        *slash = '/';
    }
    return CODE_OK;
}

/* A rival that makes the file at the same time wins; we then read what it wrote. */
static enum code make_key(struct ctx *cx, str path)
{
    cleanup_(wipe_key) struct seal_key key;
    TRY(make_folders(cx, path));
    str tmp = arena_printf(cx->mem, "%s.%d.new", path.p, (int)getpid());
    cleanup_(file_close) int fd = open(tmp.p, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return fail(cx, CODE_FAILED_PRECONDITION, "cannot make the secret key %s", path.p);
    random_bytes(key.bytes, sizeof(key.bytes));
    bool ok = write(fd, key.bytes, sizeof(key.bytes)) == (ssize_t)sizeof(key.bytes) && fsync(fd) == 0;
    if (ok && link(tmp.p, path.p) != 0 && errno != EEXIST)
        ok = false;
    unlink(tmp.p);
    return ok ? CODE_OK : fail(cx, CODE_FAILED_PRECONDITION, "cannot write the secret key %s", path.p);
}

static enum code read_key_file(struct ctx *cx, str path, struct seal_key *key)
{
    struct stat st;
    cleanup_(file_close) int fd = open(path.p, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fail(cx, errno == ENOENT ? CODE_NOT_FOUND : CODE_FAILED_PRECONDITION, "cannot read the secret key %s",
                    path.p);
    if (fstat(fd, &st) != 0 || (st.st_mode & 077) != 0)
        return fail(cx, CODE_FAILED_PRECONDITION, "the secret key %s must be readable by its owner only (chmod 600)",
                    path.p);
    if (st.st_size != SEAL_KEY_BYTES || read(fd, key->bytes, SEAL_KEY_BYTES) != SEAL_KEY_BYTES)
        return fail(cx, CODE_FAILED_PRECONDITION, "the secret key %s must have %d bytes", path.p, SEAL_KEY_BYTES);
    return CODE_OK;
}

static enum code read_key(struct ctx *cx, struct seal_key *key)
{
    bool may_create;
    str path = key_path(cx, &may_create);
    enum code code = read_key_file(cx, path, key);
    if (code == CODE_NOT_FOUND && may_create) {
        ctx_clear_err(cx);
        TRY(make_key(cx, path));
        code = read_key_file(cx, path, key);
    }
    if (code == CODE_NOT_FOUND)
        cx->err.code = code = CODE_FAILED_PRECONDITION;
    return code;
}

static str next_path(struct ctx *cx)
{
    bool may_create;
    return arena_printf(cx->mem, "%s.next", key_path(cx, &may_create).p);
}

/* What a sealed value is bound to, so that a row cannot be put in another's place. */
static str binding(struct ctx *cx, str domain, str project, str name)
{
    return arena_printf(cx->mem, "secret/" STR_FMT "/" STR_FMT "/" STR_FMT, STR_ARG(domain), STR_ARG(project),
                        STR_ARG(name));
}

enum code engine_secret_seal(struct ctx *cx, str domain, str project, str name, str value, str *sealed)
{
    cleanup_(wipe_key) struct seal_key key;
    TRY(read_key(cx, &key));
    return seal(cx, &key, binding(cx, domain, project, name), value, sealed);
}

/* With the key, or the one that is to follow it: a rekey may have been cut off between the rows and the file. */
static enum code open_with(struct ctx *cx, const struct seal_key *key, str bound, str sealed, str *value)
{
    cleanup_(wipe_key) struct seal_key next;
    enum code code = seal_open(cx, key, bound, sealed, value);
    if (code != CODE_FAILED_PRECONDITION || access(next_path(cx).p, R_OK) != 0)
        return code;
    ctx_clear_err(cx);
    TRY(read_key_file(cx, next_path(cx), &next));
    return seal_open(cx, &next, bound, sealed, value);
}

/* A damaged value stays damaged until it is stored anew: not DATA_LOSS, after which tasks would be tried again for ever. */
static enum code open_row(struct ctx *cx, const struct seal_key *key, const struct store_secret *row, str *value)
{
    enum code code = open_with(cx, key, binding(cx, row->domain, row->project, row->name), row->sealed, value);
    if (code == CODE_DATA_LOSS)
        cx->err.code = CODE_FAILED_PRECONDITION;
    return code == CODE_OK ? code : fail_wrap(cx, "secret " STR_FMT, STR_ARG(row->name));
}

enum code engine_secret_open(struct ctx *cx, str domain, str project, str name, str sealed, str *value)
{
    cleanup_(wipe_key) struct seal_key key;
    TRY(read_key(cx, &key));
    return open_with(cx, &key, binding(cx, domain, project, name), sealed, value);
}

enum code engine_secret_resolve(struct ctx *cx, str project, str domain, str name, str *value)
{
    struct store_secret *row;
    cleanup_(wipe_key) struct seal_key key;
    TRY(store_secret_resolve(cx, domain, project, name, &row));
    if (!row)
        return fail(cx, CODE_NOT_FOUND,
                    "secret " STR_FMT " is not there: neither for project " STR_FMT " in domain " STR_FMT
                    ", nor for the domain, nor globally; make it with: flyte create secret " STR_FMT,
                    STR_ARG(name), STR_ARG(project), STR_ARG(domain), STR_ARG(name));
    TRY(read_key(cx, &key));
    return open_row(cx, &key, row, value);
}

/* ---- another key ------------------------------------------------------------------------------------------------- */

enum code engine_secret_rekey_begin(struct ctx *cx)
{
    cleanup_(wipe_key) struct seal_key key;
    str next = next_path(cx);
    bool may_create;
    str path = key_path(cx, &may_create);
    if (!may_create && !getenv("TERN_SECRET_KEY_FILE"))
        return fail(
            cx, CODE_FAILED_PRECONDITION,
            "the key is a credential of systemd, %.120s, which cannot be replaced from here: copy it to a file, "
            "name that in TERN_SECRET_KEY_FILE, rekey, and make the file the credential again",
            path.p);
    TRY(read_key(cx, &key));
    enum code code = read_key_file(cx, next, &key);
    if (code != CODE_NOT_FOUND)
        return code;
    ctx_clear_err(cx);
    return make_key(cx, next);
}

enum code engine_secret_rekey(struct ctx *cx, size_t *n)
{
    cleanup_(wipe_key) struct seal_key key, next;
    const struct store_page all = {.where = STR(""), .order = STR("s.id"), .limit = SIZE_MAX / 2};
    struct store_secret *rows;
    TRY(read_key(cx, &key));
    TRY(read_key_file(cx, next_path(cx), &next));
    TRY(store_secret_list(cx, &all, &rows, n));
    for (size_t i = 0; i < *n; i++) {
        str value;
        TRY(open_row(cx, &key, &rows[i], &value));
        TRY(seal(cx, &next, binding(cx, rows[i].domain, rows[i].project, rows[i].name), value, &rows[i].sealed));
        TRY(store_secret_update(cx, &rows[i]));
    }
    return CODE_OK;
}

/* The old key stays under another name: backups were made with it. */
enum code engine_secret_rekey_end(struct ctx *cx, str *old)
{
    bool may_create;
    str path = key_path(cx, &may_create);
    int n = 1;
    do
        *old = arena_printf(cx->mem, "%s.old-%d", path.p, n);
    while (link(path.p, old->p) != 0 && errno == EEXIST && n++ < OLD_KEYS_MAX);
    if (access(old->p, F_OK) != 0 || n > OLD_KEYS_MAX || rename(next_path(cx).p, path.p) != 0)
        return fail_errno(cx, "%s", path.p);
    return file_sync_dir(cx, arena_cstr(cx->mem, str_head(path, str_rfind_char(path, '/'))));
}
