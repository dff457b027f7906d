/* The object store and its S3 endpoint alone, for tests.
 *
 *     s3d serve DIR LISTEN READY-FILE     serves until SIGTERM; the file gets the port
 *                                         buckets of others: lines of object.upstreams in S3D_UPSTREAMS
 *     s3d keys DIR KIND PROJECT DOMAIN RUN ATTEMPT     prints access key id and secret, a line each
 *     s3d presign DIR ENDPOINT METHOD KEY LIFETIME [NAME VALUE]...     prints the URL; headers to be signed follow
 *     s3d get DIR KEY | put DIR KEY | sweep DIR     as another process beside the server; bytes on standard streams
 *
 * Policy: any key may read what begins with its project and "/"; an attempt may write below <project>/<domain>/<run>/
 * and raw/<run>/; the project "*" may do everything. */
#include "base/file.h"
#include "base/log.h"
#include "base/time.h"
#include "object/keeper_int.h"
#include "object/s3.h"
#include "object/upstream.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static bool starts(str key, struct ctx *cx, const char *fmt, const struct object_scope *s)
{
    str prefix = fmt[1] ? arena_printf(cx->mem, STR_FMT "/" STR_FMT "/" STR_FMT "/", STR_ARG(s->project),
                                       STR_ARG(s->domain), STR_ARG(s->run))
                        : arena_printf(cx->mem, STR_FMT "/", STR_ARG(s->project));
    return str_starts(key, prefix);
}

static bool access_of(void *arg, const struct object_scope *s, enum object_access access, str bucket, str key)
{
    struct arena mem;
    struct ctx cx;
    (void)arg;
    (void)bucket;
    if (str_eq(s->project, STR("*")))
        return s->kind == OBJECT_KEY_ATTEMPT || access != OBJECT_WRITE;
    arena_init(&mem, 0);
    ctx_init(&cx, &mem);
    str raw = arena_printf(&mem, "raw/" STR_FMT "/", STR_ARG(s->run));
    bool ok = access == OBJECT_WRITE
                  ? s->kind == OBJECT_KEY_ATTEMPT && (starts(key, &cx, "ab", s) || str_starts(key, raw))
                  : starts(key, &cx, "a", s) || str_starts(key, raw);
    arena_done(&mem);
    return ok;
}

static int die(const struct ctx *cx)
{
    fprintf(stderr, "s3d: %s: %s\n", code_name(cx->err.code), cx->err.msg);
    return 1;
}

static int serve(struct ctx *cx, struct object_store *store, char **argv)
{
    struct object_upstreams upstreams;
    str text, entries[16], rest = str_from(getenv("S3D_UPSTREAMS") ? getenv("S3D_UPSTREAMS") : "");
    size_t n = 0;
    while (rest.n && n < 16 && str_next(&rest, '\n', &entries[n]))
        n++;
    if (object_upstream_resolve(cx, entries, n, &text) != CODE_OK ||
        object_upstream_parse(cx, text, &upstreams) != CODE_OK)
        return die(cx);
    struct object_s3_config cfg = {
        .store = store, .listen = str_from(argv[0]), .access = access_of, .upstreams = &upstreams};
    struct object_s3 *s3;
    sigset_t set;
    int sig;
    char port[16];
    pthread_sigmask(SIG_BLOCK, NULL, &set);
    if (object_s3_start(cx, &cfg, &s3) != CODE_OK)
        return die(cx);
    snprintf(port, sizeof(port), "%u\n", object_s3_port(s3));
    if (file_write(cx, argv[1], str_from(port), 0600) != CODE_OK)
        return die(cx);
    sigwait(&set, &sig);
    object_s3_stop(s3, 2 * NS_PER_S);
    return 0;
}

static int keys(struct ctx *cx, struct object_store *store, char **argv)
{
    struct object_scope scope = {.kind = (enum object_key_kind)atoi(argv[0]),
                                 .project = str_from(argv[1]),
                                 .domain = str_from(argv[2]),
                                 .run = str_from(argv[3]),
                                 .attempt = (uint32_t)atoi(argv[4]),
                                 .action_id = 1};
    struct object_keys k;
    if (object_keys_derive(cx, store, &scope, &k) != CODE_OK)
        return die(cx);
    printf(STR_FMT "\n" STR_FMT "\n", STR_ARG(k.access_key_id), STR_ARG(k.secret_access_key));
    return 0;
}

static int presign(struct ctx *cx, struct object_store *store, char **argv)
{
    struct object_presign_header headers[8];
    struct object_presign_request req = {.endpoint = str_from(argv[0]),
                                         .method = str_from(argv[1]),
                                         .bucket = STR(OBJECT_BUCKET),
                                         .key = str_from(argv[2]),
                                         .lifetime_s = atoi(argv[3]),
                                         .headers = headers};
    str url;
    for (argv += 4; argv[0] && argv[1] && req.header_count < 8; argv += 2) {
        if (!*argv[0])
            req.content_type = str_from(argv[1]);
        else
            headers[req.header_count++] = (struct object_presign_header){str_from(argv[0]), str_from(argv[1])};
    }
    if (object_presign_request(cx, store, &req, &url) != CODE_OK)
        return die(cx);
    puts(url.p);
    return 0;
}

static int get(struct ctx *cx, struct object_store *store, char **argv)
{
    str bytes;
    if (object_get(cx, store, STR(OBJECT_BUCKET), str_from(argv[0]), SIZE_MAX, &bytes) != CODE_OK)
        return die(cx);
    return fwrite(bytes.p, 1, bytes.n, stdout) == bytes.n ? 0 : 1;
}

static int put(struct ctx *cx, struct object_store *store, char **argv)
{
    struct object_writer *w;
    static char chunk[100000];
    size_t n;
    if (object_writer_open(cx, store, STR(OBJECT_BUCKET), str_from(argv[0]), NULL, &w) != CODE_OK)
        return die(cx);
    while ((n = fread(chunk, 1, sizeof(chunk), stdin)))
        if (object_writer_append(cx, w, str_make(chunk, n)) != CODE_OK)
            return die(cx);
    int status = object_writer_commit(cx, w, NULL) == CODE_OK ? 0 : die(cx);
    object_writer_close(w);
    return status;
}

static int sweep(struct ctx *cx, struct object_store *store, char **argv)
{
    size_t removed;
    (void)argv;
    if (object_keeper_sweep(cx, store, &removed) != CODE_OK)
        return die(cx);
    printf("%zu\n", removed);
    return 0;
}

static const struct {
    const char *name;
    int args;
    int (*run)(struct ctx *cx, struct object_store *store, char **argv);
} commands[] = {{"serve", 2, serve}, {"keys", 5, keys}, {"presign", 4, presign},
                {"get", 1, get},     {"put", 1, put},   {"sweep", 0, sweep}};

int main(int argc, char **argv)
{
    struct arena mem;
    struct ctx cx;
    struct object_store *store;
    int status = 2;
    sigset_t set; /* for serve(); before any thread starts */
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    arena_init(&mem, 0);
    ctx_init(&cx, &mem);
    log_setup(getenv("S3D_DEBUG") ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARN, LOG_FORMAT_TEXT);
    if (argc < 3)
        return 2;
    if (object_store_open(&cx, str_from(argv[2]), &store) != CODE_OK)
        return die(&cx);
    for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
        if (!strcmp(argv[1], commands[i].name) && argc >= 3 + commands[i].args)
            status = commands[i].run(&cx, store, argv + 3);
    object_store_close(store);
    arena_done(&mem);
    return status;
}
