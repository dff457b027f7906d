/* Preloaded into Tern by test_disk.py: the n-th sync or write below a folder fails, or syncs there do not return, when the
 * control file says so.
 *
 * The control file (DISK_CONTROL) is a struct control, shared by the test and all processes; disk.py knows its layout. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

enum { OP_NONE, OP_SYNC, OP_WRITE, OP_STALL };

struct control {
    _Atomic int32_t op; /* set last */
    int32_t error;      /* errno */
    int32_t at;         /* the n-th call fails */
    int32_t onwards;    /* and all later ones */
    _Atomic int32_t passed, hits;
    char folder[512], end[64]; /* which files: below this folder, names that end so */
};

static struct control *control;

__attribute__((constructor)) static void map_control(void)
{
    const char *path = getenv("DISK_CONTROL");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    void *p = mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (p != MAP_FAILED)
        control = p;
}

static int is_meant(int fd)
{
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof(path) - 1);
    size_t folder = strlen(control->folder), end = strlen(control->end);
    if (n <= 0)
        return 0;
    path[n] = 0;
    return (size_t)n >= folder && (size_t)n >= end && memcmp(path, control->folder, folder) == 0 &&
           strcmp(path + n - end, control->end) == 0;
}

/* errno is set when the call is to fail. */
static int fails(int32_t op, int fd)
{
    int before = errno;
    if (!control || atomic_load(&control->op) != op || !is_meant(fd)) {
        errno = before;
        return 0;
    }
    int32_t n = atomic_fetch_add(&control->passed, 1) + 1;
    int now = n == control->at || (control->onwards && n > control->at);
    errno = now ? control->error : before;
    if (now)
        atomic_fetch_add(&control->hits, 1);
    return now;
}

/* Until the control file says something else. */
static void stall(int fd)
{
    int before = errno;
    int meant = control && atomic_load(&control->op) == OP_STALL && is_meant(fd);
    if (meant)
        atomic_fetch_add(&control->hits, 1);
    while (meant && atomic_load(&control->op) == OP_STALL)
        usleep(10000);
    errno = before;
}

/* ISO C has no conversion from dlsym's object pointer to a function's; POSIX promises that the bits are the same. */
#define REAL(name)                                                                                                     \
    static __typeof__(&name) real;                                                                                     \
    if (!real) {                                                                                                       \
        void *p = dlsym(RTLD_NEXT, #name);                                                                             \
        memcpy(&real, &p, sizeof(real));                                                                               \
    }

int fsync(int fd)
{
    REAL(fsync);
    stall(fd);
    return fails(OP_SYNC, fd) ? -1 : real(fd);
}

int fdatasync(int fd)
{
    REAL(fdatasync);
    stall(fd);
    return fails(OP_SYNC, fd) ? -1 : real(fd);
}

ssize_t write(int fd, const void *p, size_t n)
{
    REAL(write);
    return fails(OP_WRITE, fd) ? -1 : real(fd, p, n);
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
    REAL(pwrite);
    return fails(OP_WRITE, fd) ? -1 : real(fd, p, n, at);
}

ssize_t pwrite64(int fd, const void *p, size_t n, off64_t at)
{
    REAL(pwrite64);
    return fails(OP_WRITE, fd) ? -1 : real(fd, p, n, at);
}
