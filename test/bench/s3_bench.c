/* Load for an S3 endpoint: one thread, many connections, each with one signed request in flight.
 *
 *     s3_bench put HOST:PORT KEY-ID SECRET [--connections 64] [--seconds 5] [--size 1024] [--below bench/d] [--pid SERVER]
 *     s3_bench get HOST:PORT KEY-ID SECRET KEY [--connections 1] [--seconds 5] [--pid SERVER]
 *
 * put writes new objects of --size bytes with keys --below what is given; get reads one object again and again. Prints requests and bytes per second,
 * p50 and p99, and with --pid the server's processor time per request. Every answer must be 200. */
#include "base/time.h"
#include "object/hash_int.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define SAMPLES_MAX 4000000

struct options {
    bool put;
    const char *host, *key_id, *secret, *key, *below;
    int port, connections, seconds, pid;
    size_t size;
};

struct connection {
    int fd;
    char *out; /* the request */
    size_t out_n, sent;
    char head[4096]; /* of the answer, until its body begins */
    size_t head_n;
    int64_t body_left; /* -1 = the head is not complete */
    int64_t started_ns;
};

static struct options opt;
static char date[9], now_text[32], body_hash[65], *body;
static uint8_t signing_key[32];
static int64_t *samples;
static size_t done, stopping;
static int64_t received;
static uint64_t sequence;

static void die(const char *what)
{
    fprintf(stderr, "s3_bench: %s: %s\n", what, strerror(errno));
    exit(1);
}

static str text(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static str text(const char *fmt, ...)
{
    static char buffers[4][2048];
    static int at;
    va_list ap;
    char *p = buffers[at++ % 4];
    va_start(ap, fmt);
    int n = vsnprintf(p, 2048, fmt, ap);
    va_end(ap);
    return str_make(p, (size_t)n);
}

static void prepare(void)
{
    uint8_t a[32], b[32];
    struct time_civil c;
    time_to_civil(time_wall_ns() / NS_PER_S, &c);
    snprintf(now_text, sizeof(now_text), "%04u%02u%02uT%02u%02u%02uZ", (unsigned)c.year % 10000,
             (unsigned)c.month % 100, (unsigned)c.day % 100, (unsigned)c.hour % 100, (unsigned)c.minute % 100,
             (unsigned)c.second % 100);
    memcpy(date, now_text, 8);
    object_hash_hmac(text("AWS4%s", opt.secret), str_from(date), a);
    object_hash_hmac(str_make((char *)a, 32), STR("us-east-1"), b);
    object_hash_hmac(str_make((char *)b, 32), STR("s3"), a);
    object_hash_hmac(str_make((char *)a, 32), STR("aws4_request"), signing_key);
    body = malloc(opt.size + 1);
    for (size_t i = 0; i < opt.size; i++)
        body[i] = (char)(i * 7);
    object_hash_sha256(str_make(body, opt.size), a);
    object_hash_hex(a, 32, body_hash);
}

static void make_request(struct connection *c)
{
    uint8_t md[32];
    char hash[65], signature[65];
    const char *method = opt.put ? "PUT" : "GET", *names = "host;x-amz-content-sha256;x-amz-date";
    uint64_t n = ++sequence;
    str path =
        opt.put ? text("/tern/%s/r%08x/%llu/outputs.pb", opt.below, (unsigned)(n * 2654435761u), (unsigned long long)n)
                : text("/tern/%s", opt.key);
    str canonical = text("%s\n" STR_FMT "\n\nhost:%s:%d\nx-amz-content-sha256:%s\nx-amz-date:%s\n\n%s\n%s", method,
                         STR_ARG(path), opt.host, opt.port, body_hash, now_text, names, body_hash);
    object_hash_sha256(canonical, md);
    object_hash_hex(md, 32, hash);
    object_hash_hmac(str_make((char *)signing_key, 32),
                     text("AWS4-HMAC-SHA256\n%s\n%s/us-east-1/s3/aws4_request\n%s", now_text, date, hash), md);
    object_hash_hex(md, 32, signature);
    int head = snprintf(
        c->out, 4096,
        "%s " STR_FMT " HTTP/1.1\r\nhost: %s:%d\r\nx-amz-content-sha256: %s\r\nx-amz-date: %s\r\n"
        "content-length: %zu\r\nauthorization: AWS4-HMAC-SHA256 Credential=%s/%s/us-east-1/s3/aws4_request,"
        "SignedHeaders=%s,Signature=%s\r\n\r\n",
        method, STR_ARG(path), opt.host, opt.port, body_hash, now_text, opt.size, opt.key_id, date, names, signature);
    memcpy(c->out + head, body, opt.size);
    c->out_n = (size_t)head + opt.size;
    c->sent = c->head_n = 0;
    c->body_left = -1;
    c->started_ns = time_now_ns();
}

static void send_some(struct connection *c)
{
    while (c->sent < c->out_n) {
        ssize_t n = send(c->fd, c->out + c->sent, c->out_n - c->sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0)
            die("send");
        c->sent += (size_t)n;
    }
}

/* The head is there: checks the status, finds the length; what follows it belongs to the body. */
static void read_head(struct connection *c)
{
    c->head[c->head_n] = 0;
    char *end = strstr(c->head, "\r\n\r\n"), *length = strcasestr(c->head, "\r\ncontent-length:");
    if (!end && c->head_n < sizeof(c->head) - 1)
        return;
    if (strncmp(c->head, "HTTP/1.1 200", 12) != 0 || !length) {
        fprintf(stderr, "s3_bench: %s\n", c->head);
        exit(1);
    }
    c->body_left = atoll(length + 17) - (int64_t)(c->head_n - (size_t)(end + 4 - c->head));
    received += (int64_t)(c->head_n - (size_t)(end + 4 - c->head));
}

/* True when the answer is complete. */
static bool receive_some(struct connection *c)
{
    static char sink[1 << 20];
    while (c->body_left) {
        bool head = c->body_left < 0;
        ssize_t n = head ? recv(c->fd, c->head + c->head_n, sizeof(c->head) - 1 - c->head_n, 0)
                         : recv(c->fd, sink, sizeof(sink), MSG_TRUNC); /* not copied: the client costs little */
        if (n < 0 && errno == EAGAIN)
            return false;
        if (n <= 0)
            die("receive");
        if (head) {
            c->head_n += (size_t)n;
            read_head(c);
        } else {
            received += n;
            c->body_left -= n;
        }
    }
    return true;
}

static void on_ready(struct connection *c)
{
    send_some(c);
    if (c->sent < c->out_n || !receive_some(c))
        return;
    if (done < SAMPLES_MAX)
        samples[done++] = time_now_ns() - c->started_ns;
    if (stopping)
        return;
    make_request(c);
    send_some(c);
}

static void open_connection(struct connection *c, int epoll)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)opt.port)};
    struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};
    int one = 1;
    inet_pton(AF_INET, opt.host, &to.sin_addr);
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(c->fd, (struct sockaddr *)&to, sizeof(to)))
        die("connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    c->out = malloc(4096 + opt.size);
    make_request(c);
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &e))
        die("epoll");
}

/* Processor time of the server in microseconds. */
static int64_t server_us(void)
{
    char path[64], line[1024] = "";
    long user = 0, system = 0;
    snprintf(path, sizeof(path), "/proc/%d/stat", opt.pid);
    FILE *f = opt.pid ? fopen(path, "r") : NULL;
    if (!f)
        return 0;
    if (fgets(line, sizeof(line), f))
        sscanf(strrchr(line, ')') + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %ld %ld", &user, &system);
    fclose(f);
    return (user + system) * 1000000 / sysconf(_SC_CLK_TCK);
}

static int by_size(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static void parse(int argc, char **argv)
{
    int at = 5;
    if (argc < 5)
        die("usage: see the source");
    opt = (struct options){.put = !strcmp(argv[1], "put"), .host = argv[2], .key_id = argv[3], .secret = argv[4]};
    opt.connections = opt.put ? 64 : 1;
    opt.seconds = 5;
    opt.below = "bench/d";
    opt.size = opt.put ? 1024 : 0;
    if (!opt.put)
        opt.key = argv[at++];
    char *colon = strchr(argv[2], ':');
    opt.port = atoi(colon + 1);
    *colon = 0;
    for (; at + 1 < argc; at += 2) {
        int v = atoi(argv[at + 1]);
        if (!strcmp(argv[at], "--connections"))
            opt.connections = v;
        else if (!strcmp(argv[at], "--seconds"))
            opt.seconds = v;
        else if (!strcmp(argv[at], "--size"))
            opt.size = (size_t)v;
        else if (!strcmp(argv[at], "--below"))
            opt.below = argv[at + 1];
        else if (!strcmp(argv[at], "--pid"))
            opt.pid = v;
    }
}

static void report(double seconds, int64_t cpu_us)
{
    qsort(samples, done, sizeof(*samples), by_size);
    printf("%s: %.0f requests/s, %.1f MB/s, p50 %.2f ms, p99 %.2f ms", opt.put ? "put" : "get", (double)done / seconds,
           ((double)received + (double)(done * opt.size)) / seconds / 1e6, (double)samples[done / 2] / 1e6,
           (double)samples[done * 99 / 100] / 1e6);
    if (opt.pid)
        printf(", server %.1f us/request", (double)cpu_us / (double)done);
    printf(" (%zu requests, %d connections, %.1f s)\n", done, opt.connections, seconds);
}

int main(int argc, char **argv)
{
    struct epoll_event events[256];
    parse(argc, argv);
    prepare();
    samples = malloc(SAMPLES_MAX * sizeof(*samples));
    int epoll = epoll_create1(0);
    struct connection *c = calloc((size_t)opt.connections, sizeof(*c));
    int64_t cpu = server_us(), start = time_now_ns(), end = start + opt.seconds * NS_PER_S;
    for (int i = 0; i < opt.connections; i++)
        open_connection(&c[i], epoll);
    while (time_now_ns() < end) {
        int n = epoll_wait(epoll, events, 256, 100);
        for (int i = 0; i < n; i++)
            on_ready(events[i].data.ptr);
    }
    if (!done)
        die("nothing was answered");
    report((double)(time_now_ns() - start) / 1e9, server_us() - cpu);
    return 0;
}
