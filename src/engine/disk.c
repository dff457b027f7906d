/* Free space. See disk.h. The last answer is kept for the process, which has one data folder. */
#include "engine/disk.h"

#include "app.h"
#include "base/time.h"
#include "config/config.h"

#include <stdatomic.h>
#include <sys/statvfs.h>

static _Atomic int64_t looked_ns, free_bytes;

static int64_t look(const struct app *app)
{
    struct statvfs v;
    int64_t now = time_now_ns(), last = atomic_load(&looked_ns);
    if (last && now - last < NS_PER_S)
        return atomic_load(&free_bytes);
    if (statvfs(app->data_dir.p, &v) != 0)
        return INT64_MAX; /* whoever writes will tell */
    int64_t bytes = (int64_t)v.f_bavail * (int64_t)v.f_frsize;
    atomic_store(&free_bytes, bytes);
    atomic_store(&looked_ns, now);
    return bytes;
}

enum code engine_disk_require(struct ctx *cx)
{
    const struct app *app = cx->app;
    if (!app || !app->config || !app->data_dir.n)
        return CODE_OK;
    int64_t bytes = look(app), least = app->config->storage_min_free_bytes;
    if (bytes < least)
        return fail(
            cx, CODE_RESOURCE_EXHAUSTED,
            "no new runs: the disk of %s has %lld MiB left, storage.min_free is %lld MiB (tern gc --dry-run lists what "
            "may go)",
            app->data_dir.p, (long long)(bytes >> 20), (long long)(least >> 20));
    return CODE_OK;
}
