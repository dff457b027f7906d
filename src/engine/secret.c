/* Sealing and look-up of secrets. Any thread; the key is read from its file at each use, so a changed file takes effect
 * and the key is in memory only for that long. */
#include "engine/secret.h"

#include "base/random.h"
#include "base/seal.h"
#include "store/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

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

/* A rival that makes the file at the same time wins by O_EXCL; we then read what it wrote. */
static enum code make_key(struct ctx *cx, str path)
{
    cleanup_(wipe_key) struct seal_key key;
    TRY(make_folders(cx, path));
    str tmp = arena_printf(cx->mem, "%s.%d.new", path.p, (int)getpid());
    cleanup_(close_fd) int fd = open(tmp.p, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return fail(cx, CODE_FAILED_PRECONDITION, "cannot make the secret key %s", path.p);
    random_bytes(key.bytes, sizeof(key.bytes));
    bool ok = write(fd, key.bytes, sizeof(key.bytes)) == (ssize_t)sizeof(key.bytes) && fsync(fd) == 0;
    if (ok && link(tmp.p, path.p) != 0 && errno != EEXIST)
        ok = false;
    unlink(tmp.p);
    return ok ? CODE_OK : fail(cx, CODE_FAILED_PRECONDITION, "cannot write the secret key %s", path.p);
}

static enum code read_key(struct ctx *cx, struct seal_key *key)
{
    bool may_create;
    struct stat st;
    str path = key_path(cx, &may_create);
    int fd = open(path.p, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT && may_create) {
        TRY(make_key(cx, path));
        fd = open(path.p, O_RDONLY | O_CLOEXEC);
    }
    cleanup_(close_fd) int held = fd;
    if (held < 0)
        return fail(cx, CODE_FAILED_PRECONDITION, "cannot read the secret key %s", path.p);
    if (fstat(held, &st) != 0 || (st.st_mode & 077) != 0)
        return fail(cx, CODE_FAILED_PRECONDITION, "the secret key %s must be readable by its owner only (chmod 600)",
                    path.p);
    if (st.st_size != SEAL_KEY_BYTES || read(held, key->bytes, SEAL_KEY_BYTES) != SEAL_KEY_BYTES)
        return fail(cx, CODE_FAILED_PRECONDITION, "the secret key %s must have %d bytes", path.p, SEAL_KEY_BYTES);
    return CODE_OK;
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

enum code engine_secret_resolve(struct ctx *cx, str project, str domain, str name, str *value)
{
    struct store_secret *row;
    cleanup_(wipe_key) struct seal_key key;
    TRY(store_secret_resolve(cx, domain, project, name, &row));
    if (!row)
        return fail(cx, CODE_NOT_FOUND,
                    "secret " STR_FMT " is not there: neither for project " STR_FMT " in domain " STR_FMT
                    ", nor for the domain, nor globally",
                    STR_ARG(name), STR_ARG(project), STR_ARG(domain));
    TRY(read_key(cx, &key));
    return seal_open(cx, &key, binding(cx, row->domain, row->project, row->name), row->sealed, value);
}
