/* Preloaded into Tern by test_clock.py: a machine that was suspended. What a sleeping machine's clocks do is added to
 * those that go on (CLOCK_BOOTTIME, CLOCK_REALTIME) from the control file, eight bytes of nanoseconds that all processes
 * share; CLOCK_MONOTONIC, on which the kernel waits, stood still. A timer of CLOCK_BOOTTIME fires on resume when its time
 * has passed: poll() returns when the sum has changed, so that whoever waits looks at the clock again. */
#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SLICE_MS 20
#define NS INT64_C(1000000000)

static _Atomic int64_t none, *slept = &none;

__attribute__((constructor)) static void map_control(void)
{
    const char *path = getenv("SUSPEND_CONTROL");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    void *p = mmap(NULL, sizeof(*slept), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (p != MAP_FAILED)
        slept = p;
}

#define REAL(name)                                                                                                     \
    static __typeof__(&name) real;                                                                                     \
    if (!real) {                                                                                                       \
        void *p = dlsym(RTLD_NEXT, #name);                                                                             \
        memcpy(&real, &p, sizeof(real));                                                                               \
    }

int clock_gettime(clockid_t id, struct timespec *t)
{
    REAL(clock_gettime);
    int rc = real(id, t);
    if (rc == 0 && (id == CLOCK_BOOTTIME || id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) {
        int64_t ns = t->tv_nsec + *slept % NS;
        t->tv_sec += *slept / NS + ns / NS;
        t->tv_nsec = ns % NS;
    }
    return rc;
}

time_t time(time_t *out)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    if (out)
        *out = t.tv_sec;
    return t.tv_sec;
}

int gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
    struct timespec t;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &t);
    *tv = (struct timeval){.tv_sec = t.tv_sec, .tv_usec = t.tv_nsec / 1000};
    return 0;
}

int poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
    REAL(poll);
    int64_t before = *slept;
    for (;;) {
        int slice = timeout_ms >= 0 && timeout_ms < SLICE_MS ? timeout_ms : SLICE_MS;
        int got = real(fds, n, slice);
        if (timeout_ms >= 0)
            timeout_ms -= slice;
        if (got != 0 || timeout_ms == 0 || *slept != before)
            return got;
    }
}
