/* tern doctor: the kernel, the disk, the network of this machine. */
#include "cli/doctor_int.h"

#include "base/file.h"
#include "base/time.h"
#include "cli/state.h"

#include <errno.h>
#include <linux/magic.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

static void set(struct doctor_result *r, enum doctor_state state, str text, str fix)
{
    *r = (struct doctor_result){state, text, fix};
}

void doctor_kernel(struct ctx *cx, const struct config *c, struct doctor_result *r)
{
    struct utsname u;
    int major = 0, minor = 0;
    (void)c;
    if (uname(&u) != 0 || sscanf(u.release, "%d.%d", &major, &minor) != 2) {
        set(r, DOCTOR_WARN, STR("unknown"), STR("Linux 5.4 or newer is needed"));
        return;
    }
    r->text = arena_printf(cx->mem, "%s %s on %s", u.sysname, u.release, u.machine);
    if (major * 1000 + minor < 5004) {
        r->state = DOCTOR_FAIL;
        r->fix = STR("update the system: Linux 5.4 or newer is needed (pidfds)");
    }
}

void doctor_proc(struct ctx *cx, const struct config *c, struct doctor_result *r)
{
    int64_t start;
    (void)c;
    if (cli_state_start_time(cx, getpid(), &start))
        r->text = STR("mounted");
    else
        set(r, DOCTOR_FAIL, STR("/proc/<pid>/stat cannot be read"), STR("mount -t proc proc /proc"));
}

/* The program cannot be younger than now. */
void doctor_clock(struct ctx *cx, const struct config *c, struct doctor_result *r)
{
    char now[TIME_RFC3339_MAX] = "?";
    struct stat st;
    int64_t wall_s = time_wall_ns() / NS_PER_S;
    (void)c;
    time_format_rfc3339(wall_s, 0, now);
    r->text = arena_str(cx->mem, str_from(now));
    if (stat("/proc/self/exe", &st) == 0 && st.st_mtime > wall_s + 86400) {
        r->state = DOCTOR_FAIL;
        r->fix = STR("set the clock: it is before the day this program was built");
    }
}

/* ---- disk -------------------------------------------------------------------------------------------------------- */

/* The folder, or the nearest one above it that exists. */
static const char *existing(struct ctx *cx, str path)
{
    struct stat st;
    char *p = arena_cstr(cx->mem, path);
    while (stat(p, &st) != 0) {
        char *slash = strrchr(p, '/');
        if (!slash || slash == p)
            return "/";
        *slash = 0;
    }
    return p;
}

void doctor_data(struct ctx *cx, const struct config *c, struct doctor_result *r)
{
    const char *dir = existing(cx, c->data);
    struct statfs fs;
    struct cli_state *s = NULL;
    if (access(dir, W_OK | X_OK) != 0) {
        set(r, DOCTOR_FAIL, arena_printf(cx->mem, "%s: %s", dir, strerror(errno)),
            STR("choose another folder with --data, or change the owner of this one"));
        return;
    }
    if (statfs(dir, &fs) == 0 && (fs.f_type == NFS_SUPER_MAGIC || fs.f_type == (long)CIFS_SUPER_MAGIC)) {
        set(r, DOCTOR_FAIL, arena_printf(cx->mem, "%s is on a network file system, where SQLite loses data", dir),
            STR("choose a folder on a local disk with --data"));
        return;
    }
    if (cli_state_find(cx, c->data, &s) != CODE_OK) {
        set(r, DOCTOR_WARN, arena_printf(cx->mem, "%s", cx->err.msg), STR("remove that file when no server runs"));
        return;
    }
    if (s)
        r->text = arena_printf(cx->mem, "%s, served at " STR_FMT " (process %lld)", c->data.p, STR_ARG(s->api),
                               (long long)s->pid);
    else
        r->text = arena_printf(cx->mem, "%s%s", c->data.p, strlen(dir) < c->data.n ? ", to be made" : "");
}

void doctor_disk(struct ctx *cx, const struct config *c, struct doctor_result *r)
{
    struct statvfs v;
    const char *dir = existing(cx, c->data);
    if (statvfs(dir, &v) != 0) {
        set(r, DOCTOR_WARN, arena_printf(cx->mem, "%s: %s", dir, strerror(errno)), STR("check the disk"));
        return;
    }
    double free_gib = (double)v.f_bavail * (double)v.f_frsize / (1 << 30);
    double need_gib = (double)c->storage_min_free_bytes / (1 << 30);
    r->text = arena_printf(cx->mem, "%.1f GiB free", free_gib);
    if (free_gib < need_gib) {
        r->state = DOCTOR_FAIL;
        r->fix = arena_printf(cx->mem, "free some space: runs are refused below %.1f GiB (storage.min_free)", need_gib);
    } else if (v.f_files && v.f_favail < 10000) {
        r->state = DOCTOR_WARN;
        r->fix = STR("few inodes are left: remove files");
    }
}

void doctor_files(struct ctx *cx, const struct config *c, struct doctor_result *r)
{
    struct rlimit lim = {0};
    (void)c;
    getrlimit(RLIMIT_NOFILE, &lim);
    r->text = arena_printf(cx->mem, "%llu may be open", (unsigned long long)lim.rlim_max);
    if (lim.rlim_max < 4096) {
        r->state = DOCTOR_WARN;
        r->fix = STR("ulimit -Hn 65536: many watching clients need a descriptor each");
    }
}

/* ---- network ----------------------------------------------------------------------------------------------------- */

/* 0 when the address can be bound now, else errno; EINVAL: the name is unknown. */
static int try_bind(struct ctx *cx, str address)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV}, *all = NULL;
    uint16_t port;
    str host;
    int error = EINVAL;
    if (!config_split_address(address, &host, &port))
        return EINVAL;
    if (getaddrinfo(arena_cstr(cx->mem, host), arena_printf(cx->mem, "%u", port).p, &hints, &all) != 0)
        return EINVAL;
    for (struct addrinfo *a = all; a && error != EADDRINUSE; a = a->ai_next) {
        int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
        if (fd < 0)
            continue;
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        if (bind(fd, a->ai_addr, a->ai_addrlen) == 0)
            error = error == EINVAL ? 0 : error;
        else if (errno != EADDRNOTAVAIL) /* no IPv6 here */
            error = errno;
        close(fd);
    }
    freeaddrinfo(all);
    return error;
}

static bool port_problem(struct ctx *cx, str address, str ours, const char *flag, struct doctor_result *r)
{
    int error = str_eq(address, ours) ? 0 : try_bind(cx, address);
    if (error == 0)
        return false;
    set(r, DOCTOR_FAIL,
        arena_printf(cx->mem, STR_FMT ": %s", STR_ARG(address), error == EINVAL ? "no such address" : strerror(error)),
        arena_printf(cx->mem, "stop what uses it, or choose another address with %s", flag));
    return true;
}

void doctor_ports(struct ctx *cx, const struct config *c, struct doctor_result *r)
{
    struct cli_state *s = NULL;
    if (cli_state_find(cx, c->data, &s) != CODE_OK)
        s = NULL;
    str api = s ? s->api : STR_NONE, s3 = s ? s->s3 : STR_NONE;
    if (port_problem(cx, c->server_listen, api, "--listen", r) ||
        port_problem(cx, c->server_s3_listen, s3, "--s3-listen", r))
        return;
    r->text = arena_printf(cx->mem, STR_FMT " and " STR_FMT " %s", STR_ARG(c->server_listen),
                           STR_ARG(c->server_s3_listen), s ? "(this server's)" : "are free");
}

void doctor_localhost(struct ctx *cx, const struct config *c, struct doctor_result *r)
{
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *all = NULL;
    bool found = false;
    (void)cx;
    (void)c;
    if (getaddrinfo("localhost", NULL, &hints, &all) == 0 && all) {
        const struct sockaddr_in *in = (const void *)all->ai_addr;
        found = ntohl(in->sin_addr.s_addr) == INADDR_LOOPBACK;
        freeaddrinfo(all);
    }
    if (found)
        r->text = STR("is 127.0.0.1");
    else
        set(r, DOCTOR_FAIL, STR("is not 127.0.0.1"), STR("add the line \"127.0.0.1 localhost\" to /etc/hosts"));
}

/* ---- cgroups ----------------------------------------------------------------------------------------------------- */

/* The folder of this process's cgroup below /sys/fs/cgroup for the line that begins so in /proc/self/cgroup. */
static const char *own_cgroup(struct ctx *cx, str line_start, const char *root)
{
    str text, line;
    if (file_read(cx, "/proc/self/cgroup", 65536, &text) != CODE_OK)
        return NULL;
    while (str_next(&text, '\n', &line))
        if (str_find(line, line_start) != SIZE_MAX) {
            str path = str_skip(line, str_find(line, line_start) + line_start.n);
            const char *full = arena_printf(cx->mem, "%s" STR_FMT, root, STR_ARG(path)).p;
            return access(full, F_OK) == 0 ? full : root;
        }
    return NULL;
}

void doctor_cgroup(struct ctx *cx, const struct config *c, struct doctor_result *r)
{
    struct statfs fs;
    bool v2 = statfs("/sys/fs/cgroup", &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC;
    const char *own =
        v2 ? own_cgroup(cx, STR("0::"), "/sys/fs/cgroup") : own_cgroup(cx, STR(":memory:"), "/sys/fs/cgroup/memory");
    (void)c;
    if (own && access(own, W_OK) == 0) {
        r->text = v2 ? STR("limited by cgroup v2") : STR("limited by cgroup v1");
        return;
    }
    set(r, DOCTOR_WARN, STR("no cgroup may be made here: memory limits are kept by looking every 100 ms"),
        v2 ? STR("start Tern as a systemd user service with Delegate=yes, or with systemd-run --user --scope")
           : STR("run on a system with cgroup v2, or as root"));
}
