/* See python.h. */
#include "exec/python.h"

#include "base/file.h"
#include "base/map.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SCRIPT_MAX ((size_t)64 * 1024)
#define VERSION_MAX 64

struct known {
    char *a0;
    struct timespec script, packages; /* times of change of the script and of its site-packages */
    char packages_dir[PATH_MAX];
    char interpreter[512];
    char version[VERSION_MAX]; /* of the SDK */
    char python[VERSION_MAX];
};

struct exec_python_cache {
    pthread_mutex_t lock;
    struct map by_a0;
};

struct exec_python_cache *exec_python_cache_new(void)
{
    struct exec_python_cache *c = mem_new(struct exec_python_cache);
    pthread_mutex_init(&c->lock, NULL);
    map_init(&c->by_a0);
    return c;
}

void exec_python_cache_free(struct exec_python_cache *c)
{
    if (!c)
        return;
    size_t at = 0;
    str key;
    void *value;
    while (map_next(&c->by_a0, &at, &key, &value)) {
        mem_free(((struct known *)value)->a0);
        mem_free(value);
    }
    map_done(&c->by_a0);
    pthread_mutex_destroy(&c->lock);
    mem_free(c);
}

/* ---- what an environment is -------------------------------------------------------------------------------------- */

static struct timespec changed_at(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? st.st_mtim : (struct timespec){0};
}

static bool same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/* "#!/venv/bin/python3 -sE" gives what follows "#!"; env, sh and the like do not count. */
static void read_interpreter(struct ctx *cx, struct known *k)
{
    str text, line, rest;
    k->interpreter[0] = 0;
    if (file_read(cx, k->a0, SCRIPT_MAX, &text) != CODE_OK) {
        ctx_clear_err(cx);
        return;
    }
    str_cut(text, '\n', &line, &rest);
    if (!str_starts(line, STR("#!")))
        return;
    line = str_trim(str_skip(line, 2));
    str program, flags;
    str_cut(line, ' ', &program, &flags);
    str name = str_skip(program, str_rfind_char(program, '/') + 1);
    if (program.n == 0 || program.p[0] != '/' || !str_starts(name, STR("python")) || line.n >= sizeof(k->interpreter))
        return;
    memcpy(k->interpreter, line.p, line.n);
    k->interpreter[line.n] = 0;
}

/* <prefix>/lib/python3.11/site-packages/flyte-2.12.1.dist-info */
static void read_version(struct known *k)
{
    DIR *dir = opendir(k->packages_dir);
    struct dirent *e;
    k->version[0] = 0;
    while (dir && (e = readdir(dir))) {
        str name = str_from(e->d_name);
        if (!str_starts(name, STR("flyte-")) || !str_ends(name, STR(".dist-info")))
            continue;
        str version = str_make(name.p + 6, name.n - 6 - 10);
        if (version.n < VERSION_MAX) {
            memcpy(k->version, version.p, version.n);
            k->version[version.n] = 0;
        }
    }
    if (dir)
        closedir(dir);
}

static void find_packages(struct ctx *cx, str bin_dir, struct known *k)
{
    str lib = arena_printf(cx->mem, STR_FMT "/../lib", STR_ARG(bin_dir));
    DIR *dir = opendir(lib.p);
    struct dirent *e;
    k->packages_dir[0] = k->python[0] = 0;
    while (dir && (e = readdir(dir))) {
        static const char *const names[] = {"site-packages", "dist-packages"};
        if (strncmp(e->d_name, "python3", 7) != 0)
            continue;
        for (size_t i = 0; i < 2 && !k->packages_dir[0]; i++) {
            str path = arena_printf(cx->mem, "%s/%s/%s", lib.p, e->d_name, names[i]);
            if (access(arena_printf(cx->mem, "%s/flyte", path.p).p, R_OK) != 0 || path.n >= sizeof(k->packages_dir))
                continue;
            memcpy(k->packages_dir, path.p, path.n + 1);
            snprintf(k->python, sizeof(k->python), "%.32s", e->d_name + 6);
        }
    }
    if (dir)
        closedir(dir);
}

static struct known *look_up(struct ctx *cx, struct exec_python_cache *c, str bin_dir, const char *a0)
{
    struct known *k = map_find(&c->by_a0, str_from(a0));
    if (k && same_time(k->script, changed_at(a0)) && same_time(k->packages, changed_at(k->packages_dir)))
        return k;
    if (!k) {
        k = mem_new(struct known);
        k->a0 = mem_strdup(a0);
        map_put(&c->by_a0, str_from(k->a0), k);
    }
    find_packages(cx, bin_dir, k);
    k->script = changed_at(a0);
    k->packages = changed_at(k->packages_dir);
    read_interpreter(cx, k);
    read_version(k);
    return k;
}

/* True when there is an SDK in this folder of programs. */
static bool try_dir(struct ctx *cx, struct exec_python_cache *c, str bin_dir, str source, struct exec_python *out)
{
    str a0 = arena_printf(cx->mem, STR_FMT "/a0", STR_ARG(bin_dir));
    if (bin_dir.n == 0 || bin_dir.p[0] != '/' || access(a0.p, X_OK) < 0)
        return false;
    pthread_mutex_lock(&c->lock);
    struct known *k = look_up(cx, c, bin_dir, a0.p);
    *out = (struct exec_python){.bin_dir = bin_dir,
                                .a0 = a0,
                                .interpreter = arena_str(cx->mem, str_from(k->interpreter)),
                                .version = arena_str(cx->mem, str_from(k->python)),
                                .sdk_version = arena_str(cx->mem, str_from(k->version)),
                                .source = source};
    pthread_mutex_unlock(&c->lock);
    return true;
}

/* ---- which one --------------------------------------------------------------------------------------------------- */

str exec_python_image_path(struct ctx *cx, str data_dir, str image)
{
    unsigned char sum[SHA256_DIGEST_LENGTH];
    char hex[33];
    SHA256((const unsigned char *)image.p, image.n, sum);
    for (size_t i = 0; i < 16; i++) {
        hex[2 * i] = "0123456789abcdef"[sum[i] >> 4];
        hex[2 * i + 1] = "0123456789abcdef"[sum[i] & 15];
    }
    hex[32] = 0;
    return arena_printf(cx->mem, STR_FMT "/venvs/image-%s", STR_ARG(data_dir), hex);
}

/* An interpreter's path, or a venv's folder. */
static str configured_bin(struct ctx *cx, str configured)
{
    struct stat st;
    str path = arena_str(cx->mem, configured);
    if (stat(path.p, &st) == 0 && S_ISDIR(st.st_mode))
        return arena_printf(cx->mem, STR_FMT "/bin", STR_ARG(path));
    size_t slash = str_rfind_char(path, '/');
    return slash == SIZE_MAX ? STR_NONE : arena_str(cx->mem, str_head(path, slash));
}

static bool try_image(struct ctx *cx, struct exec_python_cache *c, str data_dir, str image, struct exec_python *out)
{
    char real[PATH_MAX];
    if (image.n == 0 || !realpath(exec_python_image_path(cx, data_dir, image).p, real))
        return false;
    return try_dir(cx, c, arena_printf(cx->mem, "%s/bin", real), STR("the venv built for this image"), out);
}

static bool try_path(struct ctx *cx, struct exec_python_cache *c, struct exec_python *out)
{
    str rest = str_from(getenv("PATH")), dir;
    while (str_next(&rest, ':', &dir))
        if (try_dir(cx, c, arena_str(cx->mem, dir), STR("PATH"), out))
            return true;
    return false;
}

enum code exec_python_find(struct ctx *cx, struct exec_python_cache *c, str data_dir, str configured, str image,
                           struct exec_python *out)
{
    const char *venv = getenv("VIRTUAL_ENV");
    if (configured.n) {
        if (try_dir(cx, c, configured_bin(cx, configured), STR("exec.local.python"), out))
            return CODE_OK;
        return fail(cx, CODE_FAILED_PRECONDITION,
                    "exec.local.python is " STR_FMT ", but there is no flyte (no a0 beside it)", STR_ARG(configured));
    }
    if (try_image(cx, c, data_dir, image, out))
        return CODE_OK;
    if (venv && try_dir(cx, c, arena_printf(cx->mem, "%s/bin", venv), STR("VIRTUAL_ENV"), out))
        return CODE_OK;
    if (try_path(cx, c, out))
        return CODE_OK;
    return fail(
        cx, CODE_FAILED_PRECONDITION,
        "no Python with flyte: set exec.local.python to a venv, build the image with image.builder: remote, start the "
        "server inside a venv (VIRTUAL_ENV), or put python3 with flyte on its PATH");
}

str exec_python_uv(struct ctx *cx, str configured, str bin_dir)
{
    bool automatic = configured.n == 0 || str_eq(configured, STR("auto"));
    str beside = arena_printf(cx->mem, STR_FMT "/uv", STR_ARG(bin_dir)), found = STR("");
    if (str_eq(configured, STR("none")))
        return found;
    if (automatic && bin_dir.n && access(beside.p, X_OK) == 0)
        return beside;
    if (automatic || str_find_char(configured, '/') == SIZE_MAX)
        (void)file_on_path(cx, automatic ? STR("uv") : configured, &found);
    return found.n || automatic ? found : configured;
}
