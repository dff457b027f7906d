/* The echo service of the tests as a program, for clients that are programs too (h2load, curl, pytest).
 *
 *   echo LISTEN [loops [file [cert key [client-ca]]]]     prints "port N"; ends at the end of its input */
#include "../unit/net/echo.h"

#include <malloc.h>
#include <sys/resource.h>

static long cpu_us(void)
{
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return (r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1000000 + r.ru_utime.tv_usec + r.ru_stime.tv_usec;
}

/* Each line of input prints what has been used so far. */
static void report(const struct echo *e)
{
    struct mallinfo2 m = mallinfo2();
    printf("opened %ld closed %ld completed %ld cpu_us %ld heap %zu\n", atomic_load(&e->opened),
           atomic_load(&e->closed), atomic_load(&e->completed), cpu_us(), m.uordblks + m.hblkhd);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    static struct echo e;
    struct rlimit files;
    struct arena mem;
    struct ctx cx;
    struct http_server *s;
    char line[16];
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = getenv("ECHO_FILES") ? (rlim_t)atoi(getenv("ECHO_FILES")) : files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    arena_init(&mem, 0);
    ctx_init(&cx, &mem);
    echo_init(&e);
    e.file = argc > 3 ? argv[3] : "/dev/null";
    struct http_server_config cfg = {.listen = str_from(argc > 1 ? argv[1] : "localhost:0"),
                                     .loops = argc > 2 ? atoi(argv[2]) : 1,
                                     .tls_cert_file = str_from(argc > 5 ? argv[4] : NULL),
                                     .tls_key_file = str_from(argc > 5 ? argv[5] : NULL),
                                     .tls_client_ca_file = str_from(argc > 6 ? argv[6] : NULL),
                                     .service = &e.service};
    if (getenv("ECHO_TIMEOUT_MS"))
        cfg.limits.header_timeout_ns = cfg.limits.body_stall_ns = cfg.limits.idle_timeout_ns =
            atoi(getenv("ECHO_TIMEOUT_MS")) * NS_PER_MS;
    if (getenv("ECHO_CONNECTIONS"))
        cfg.limits.connections = (size_t)atoi(getenv("ECHO_CONNECTIONS"));
    if (http_server_start(&cx, &cfg, &s) != CODE_OK) {
        fprintf(stderr, "echo: %s\n", cx.err.msg);
        return 1;
    }
    printf("port %u\n", http_server_port(s));
    fflush(stdout);
    while (fgets(line, sizeof(line), stdin))
        report(&e);
    http_server_stop(s, 0);
    report(&e);
    arena_done(&mem);
    return atomic_load(&e.opened) == atomic_load(&e.closed) && !atomic_load(&e.data_after_end) ? 0 : 3;
}
