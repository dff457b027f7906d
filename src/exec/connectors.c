/* See connectors.h. One thread asks all connectors what they serve. */
#include "exec/connectors.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "gen/flyteidl2_connector.h"
#include "net/grpc_client.h"
#include "net/http_client.h"

#include <pthread.h>
#include <stdatomic.h>

#define ASK_EVERY_S 10
#define ASK_AGAIN_S 1 /* one that never answered */
#define TIMEOUT_NS (10 * NS_PER_S)
#define POLL_NS (10 * NS_PER_S)
#define UNSURE_NS (30 * NS_PER_S)
#define MESSAGE_MAX ((size_t)64 << 20)
#define TYPES_MAX ((size_t)1000)
#define WORD_MAX ((size_t)255)

struct type_list {
    struct exec_task_type *p;
    size_t n;
};

struct entry {
    struct exec_connector c;
    struct type_list said; /* by the setting: of any version */
    struct type_list listed;
    struct arena mem; /* of listed */
    bool reached, away;
};

struct exec_connectors {
    struct arena mem;
    struct entry *p;
    size_t n;
    int64_t started_ns;
    pthread_t thread;
    bool running;
    pthread_mutex_t lock; /* of what was listed */
    pthread_cond_t wake;
    atomic_bool stopping;
};

/* ---- the setting ------------------------------------------------------------------------------------------------- */

static enum code bad(struct ctx *cx, str name, const char *why)
{
    return fail(cx, CODE_INVALID_ARGUMENT, "exec.connectors: \"" STR_FMT "\": %s", STR_ARG(str_head(name, 100)), why);
}

static enum code read_word(struct ctx *cx, struct arena *mem, str word, struct entry *e)
{
    struct exec_connector *c = &e->c;
    str name, value;
    str_cut(word, '=', &name, &value);
    if (!value.n || value.n > WORD_MAX)
        return bad(cx, c->name, "a word after the endpoint has no value, or one that is too long");
    value = arena_str(mem, value);
    if (str_eq(name, STR("project")))
        c->project = value;
    else if (str_eq(name, STR("domain")))
        c->domain = value;
    else if (str_eq(name, STR("timeout")) || str_eq(name, STR("poll"))) {
        int64_t *to = name.p[0] == 't' ? &c->timeout_ns : &c->poll_ns;
        if (!time_parse_duration(value, to) || *to < NS_PER_S / 10 || *to > 3600 * NS_PER_S)
            return bad(cx, c->name, "timeout= and poll= take a duration from 100ms to 1h");
    } else if (str_eq(name, STR("type"))) {
        e->said.p = arena_grow(mem, e->said.p, e->said.n * sizeof(*e->said.p), (e->said.n + 1) * sizeof(*e->said.p));
        e->said.p[e->said.n++] = (struct exec_task_type){.name = value};
    } else {
        return bad(cx, c->name, "what follows the endpoint is type=, project=, domain=, timeout= or poll=");
    }
    return CODE_OK;
}

/* "host:port", also as gRPC writes it; http:// is the same, https:// with TLS. */
static enum code read_endpoint(struct ctx *cx, struct arena *mem, str word, struct exec_connector *c)
{
    bool tls = str_starts(word, STR("https://"));
    str rest = word, host, port;
    uint64_t number;
    static const char *const schemes[] = {"https://", "http://", "dns:///"};
    for (size_t i = 0; i < sizeof(schemes) / sizeof(*schemes); i++)
        if (str_starts(word, str_from(schemes[i])))
            rest = str_skip(word, strlen(schemes[i]));
    size_t colon = str_rfind_char(rest, ':');
    host = str_head(rest, colon == SIZE_MAX ? 0 : colon);
    port = colon == SIZE_MAX ? STR_NONE : str_skip(rest, colon + 1);
    c->name = arena_str(mem, word);
    if (!host.n || strcspn(arena_cstr(cx->mem, rest), "/?#@%") != rest.n || !str_to_u64(port, &number) || !number ||
        number > UINT16_MAX)
        return bad(cx, word, "an entry begins with host:port, or https://host:port for TLS");
    c->server = arena_concat(mem, tls ? STR("https://") : STR("http://"), rest);
    return CODE_OK;
}

static enum code read_entry(struct ctx *cx, struct arena *mem, str text, struct entry *e)
{
    str word;
    e->c.timeout_ns = TIMEOUT_NS;
    e->c.poll_ns = POLL_NS;
    while (str_next(&text, ' ', &word)) {
        if (!word.n)
            continue;
        if (!e->c.name.n)
            TRY(read_endpoint(cx, mem, word, &e->c));
        else
            TRY(read_word(cx, mem, word, e));
        if (e->said.n > TYPES_MAX)
            return bad(cx, e->c.name, "more types than 1000");
    }
    return e->c.name.n ? CODE_OK : bad(cx, text, "an entry begins with host:port");
}

/* ---- what they serve --------------------------------------------------------------------------------------------- */

static void keep_list(struct entry *e, const ConnectorListConnectorsResponse *answer)
{
    size_t n = 0;
    arena_reset(&e->mem);
    for (size_t i = 0; i < answer->connectors.n; i++)
        n += answer->connectors.p[i]->supported_task_categories.n;
    n = n < TYPES_MAX ? n : TYPES_MAX;
    e->listed = (struct type_list){.p = arena_new_array(&e->mem, struct exec_task_type, n)};
    for (size_t i = 0; i < answer->connectors.n; i++) {
        const ConnectorConnector *c = answer->connectors.p[i];
        for (size_t k = 0; k < c->supported_task_categories.n && e->listed.n < n; k++) {
            const ConnectorTaskCategory *t = c->supported_task_categories.p[k];
            if (t->name.n <= WORD_MAX)
                e->listed.p[e->listed.n++] = (struct exec_task_type){arena_str(&e->mem, t->name), t->version};
        }
    }
    if (!e->reached || e->away)
        log_info(NULL, "connector reached", LOG_STR("connector", e->c.name), LOG_INT("task_types", e->listed.n));
    e->reached = true;
    e->away = false;
}

static void ask(struct ctx *cx, struct exec_connectors *cs, struct entry *e)
{
    const ConnectorListConnectorsRequest req = {0};
    const void *answer;
    enum code code =
        exec_connectors_call(cx, &e->c, "/flyteidl2.connector.ConnectorMetadataService/ListConnectors", &req, &answer);
    pthread_mutex_lock(&cs->lock);
    if (code == CODE_OK) {
        keep_list(e, answer);
    } else if (!e->away && !cs->stopping) {
        e->away = true;
        log_warn(cx, "a connector does not say what it serves; asked again", LOG_STR("connector", e->c.name),
                 LOG_ERR(cx));
    }
    pthread_mutex_unlock(&cs->lock);
    ctx_clear_err(cx);
}

static void *ask_all(void *arg)
{
    struct exec_connectors *cs = arg;
    struct arena mem;
    struct ctx cx;
    arena_init(&mem, 0);
    pthread_setname_np(pthread_self(), "tern-connect");
    pthread_mutex_lock(&cs->lock);
    while (!cs->stopping) {
        struct timespec until;
        bool all = true;
        for (size_t i = 0; i < cs->n && !cs->stopping; i++) {
            pthread_mutex_unlock(&cs->lock);
            ctx_init(&cx, &mem);
            ask(&cx, cs, &cs->p[i]);
            arena_reset(&mem);
            pthread_mutex_lock(&cs->lock);
            all = all && cs->p[i].reached;
        }
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += all ? ASK_EVERY_S : ASK_AGAIN_S;
        if (!cs->stopping)
            pthread_cond_timedwait(&cs->wake, &cs->lock, &until);
    }
    pthread_mutex_unlock(&cs->lock);
    arena_done(&mem);
    return NULL;
}

/* ---- selection --------------------------------------------------------------------------------------------------- */

static bool serves(const struct entry *e, struct exec_task_type type)
{
    for (size_t i = 0; i < e->said.n; i++)
        if (str_eq(e->said.p[i].name, type.name))
            return true;
    for (size_t i = 0; !e->said.n && i < e->listed.n; i++)
        if (str_eq(e->listed.p[i].name, type.name) && e->listed.p[i].version == type.version)
            return true;
    return false;
}

/* How well it fits: 0 = not at all. */
static int fit(const struct entry *e, str project, str domain)
{
    if (!project.n && !domain.n)
        return e->c.project.n || e->c.domain.n ? 1 : 2;
    if ((e->c.project.n && !str_eq(e->c.project, project)) || (e->c.domain.n && !str_eq(e->c.domain, domain)))
        return 0;
    return 1 + (e->c.domain.n ? 1 : 0) + (e->c.project.n ? 2 : 0);
}

const struct exec_connector *exec_connectors_select(struct exec_connectors *cs, struct exec_task_type type, str project,
                                                    str domain)
{
    const struct exec_connector *best = NULL;
    int most = 0;
    if (!cs)
        return NULL;
    pthread_mutex_lock(&cs->lock);
    for (size_t i = 0; i < cs->n; i++) {
        int fits = fit(&cs->p[i], project, domain);
        if (fits > most && serves(&cs->p[i], type)) {
            best = &cs->p[i].c;
            most = fits;
        }
    }
    pthread_mutex_unlock(&cs->lock);
    return best;
}

bool exec_connectors_are_unsure(struct exec_connectors *cs)
{
    bool unsure = false;
    if (!cs || time_now_ns() - cs->started_ns > UNSURE_NS)
        return false;
    pthread_mutex_lock(&cs->lock);
    for (size_t i = 0; i < cs->n; i++)
        unsure = unsure || (!cs->p[i].said.n && !cs->p[i].reached);
    pthread_mutex_unlock(&cs->lock);
    return unsure;
}

size_t exec_connectors_count(const struct exec_connectors *cs)
{
    return cs ? cs->n : 0;
}

const struct exec_connector *exec_connectors_at(const struct exec_connectors *cs, size_t i)
{
    return &cs->p[i].c;
}

const struct exec_connector *exec_connectors_find(const struct exec_connectors *cs, str name)
{
    for (size_t i = 0; cs && i < cs->n; i++)
        if (str_eq(cs->p[i].c.name, name))
            return &cs->p[i].c;
    return NULL;
}

/* ---- calls ------------------------------------------------------------------------------------------------------- */

struct answers {
    struct ctx *cx;
    const struct exec_connector *c;
    const struct pb_type *type;
    exec_connectors_answer_fn *fn;
    void *arg;
    enum code code;
};

static bool on_message(void *arg, str bytes)
{
    struct answers *a = arg;
    void *msg;
    a->code = pb_decode(a->cx, a->type, arena_str(a->cx->mem, bytes), &msg);
    return a->code == CODE_OK && a->fn(a->arg, msg);
}

static bool is_alive(void *arg)
{
    return !((struct answers *)arg)->c->all->stopping;
}

enum code exec_connectors_stream(struct ctx *cx, const struct exec_connector *c, const char *path, const void *request,
                                 exec_connectors_answer_fn *fn, void *arg)
{
    const struct pb_method *m = pb_method_find(str_from(path));
    struct answers a = {.cx = cx, .c = c, .type = m->output, .fn = fn, .arg = arg};
    struct grpc_call call = {.server = c->server,
                             .path = str_from(path),
                             .message_max = MESSAGE_MAX,
                             .timeout_ns = c->timeout_ns,
                             .arg = &a,
                             .message = on_message,
                             .alive = is_alive};
    TRY(pb_encode(cx, m->input, request, &call.request));
    TRY(grpc_client_call(cx, &call));
    return a.code == CODE_OK
               ? CODE_OK
               : fail(cx, CODE_UNAVAILABLE, "connector " STR_FMT " answered what cannot be read", STR_ARG(c->name));
}

static bool keep_answer(void *arg, const void *message)
{
    const void **out = arg;
    *out = message;
    return true;
}

enum code exec_connectors_call(struct ctx *cx, const struct exec_connector *c, const char *path, const void *request,
                               const void **answer)
{
    *answer = NULL;
    TRY(exec_connectors_stream(cx, c, path, request, keep_answer, answer));
    return *answer ? CODE_OK : fail(cx, CODE_UNAVAILABLE, "connector " STR_FMT " answered nothing", STR_ARG(c->name));
}

/* ---- start and stop ---------------------------------------------------------------------------------------------- */

static void free_all(struct exec_connectors *cs)
{
    for (size_t i = 0; i < cs->n; i++)
        arena_done(&cs->p[i].mem);
    pthread_mutex_destroy(&cs->lock);
    pthread_cond_destroy(&cs->wake);
    arena_done(&cs->mem);
    mem_free(cs);
}

static enum code set_up(struct ctx *cx, struct exec_connectors *cs, const str *entries, size_t n)
{
    cs->p = arena_new_array(&cs->mem, struct entry, n);
    for (size_t i = 0; i < n; i++) {
        struct entry *e = &cs->p[cs->n++];
        arena_init(&e->mem, 0);
        TRY(read_entry(cx, &cs->mem, str_trim(entries[i]), e));
        e->c.index = i;
        e->c.all = cs;
    }
    if (!n)
        return CODE_OK;
    TRY(http_client_ready(cx));
    if (pthread_create(&cs->thread, NULL, ask_all, cs) != 0)
        return fail(cx, CODE_RESOURCE_EXHAUSTED, "cannot start the thread that asks connectors");
    cs->running = true;
    return CODE_OK;
}

enum code exec_connectors_start(struct ctx *cx, const str *entries, size_t n, struct exec_connectors **out)
{
    pthread_condattr_t attr;
    if (n > EXEC_CONNECTORS_MAX)
        return fail(cx, CODE_INVALID_ARGUMENT, "exec.connectors: more than %zu", EXEC_CONNECTORS_MAX);
    struct exec_connectors *cs = mem_new(struct exec_connectors);
    arena_init(&cs->mem, 0);
    cs->started_ns = time_now_ns();
    pthread_mutex_init(&cs->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&cs->wake, &attr);
    pthread_condattr_destroy(&attr);
    enum code code = set_up(cx, cs, entries, n);
    if (code != CODE_OK) {
        free_all(cs);
        return code;
    }
    *out = cs;
    return CODE_OK;
}

void exec_connectors_interrupt(struct exec_connectors *cs)
{
    if (!cs)
        return;
    pthread_mutex_lock(&cs->lock);
    cs->stopping = true;
    pthread_cond_signal(&cs->wake);
    pthread_mutex_unlock(&cs->lock);
}

void exec_connectors_stop(struct exec_connectors *cs)
{
    if (!cs)
        return;
    exec_connectors_interrupt(cs);
    if (cs->running)
        pthread_join(cs->thread, NULL);
    free_all(cs);
}
