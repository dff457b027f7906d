/* The threads that send. One looks for what is due and puts it into a list in memory; up to SENDERS others take from there,
 * each one message at a time, and write down how it went. Nothing else is remembered: after a kill the rows are read again.
 * Of one server only a few are sent at a time, so that a slow one does not hold back the others. */
#include "notify/notify.h"

#include "app.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "base/random.h"
#include "base/time.h"
#include "lane/lane.h"
#include "lane/topic.h"
#include "notify/notify_int.h"
#include "store/event.h"
#include "store/spec.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#define SENDERS ((size_t)64)
#define PER_SERVER ((size_t)8) /* being sent at a time */
#define LOOK_SERVERS ((size_t)200)
#define LOOK_ROWS ((size_t)40) /* of each server at a look: more than can be on their way */
#define READY_MAX ((size_t)4096)
#define LOOK_AFTER 16                 /* were sent, when there were more than a look takes */
#define LOOK_AGAIN_NS (60 * NS_PER_S) /* at the latest: clocks jump */
#define FAR_NS (2 * 3600 * NS_PER_S)  /* over what a receiver may ask for */
#define FAILED_S 1                    /* the database did not answer */

struct ready {
    uint64_t id;
    int64_t server;
    bool taken;
};

struct notify {
    struct app *app;
    struct arena mem; /* of the settings */
    struct notify_settings settings;
    atomic_bool stopping;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t look, work;
    struct ready *list; /* READY_MAX; in order of time */
    size_t n;
    size_t waiting; /* senders that wait for work */
    bool poked;
    bool more;   /* than the last look took */
    size_t sent; /* since then */
    int64_t next_ns, cursor;
    pthread_t looker, senders[SENDERS];
    bool has_looker;
    size_t sender_count;
};

const struct notify_settings *notify_settings_of(const struct app *app)
{
    return app && app->notify ? &app->notify->settings : NULL;
}

/* ---- the list ---------------------------------------------------------------------------------------------------- */

static bool is_listed(const struct notify *n, uint64_t id)
{
    for (size_t i = 0; i < n->n; i++)
        if (n->list[i].id == id)
            return true;
    return false;
}

static size_t on_their_way(const struct notify *n, int64_t server)
{
    size_t count = 0;
    for (size_t i = 0; i < n->n; i++)
        count += n->list[i].taken && n->list[i].server == server;
    return count;
}

static struct ready *find_work(struct notify *n)
{
    int64_t full = -1; /* the server that was found to have enough last */
    for (size_t i = 0; i < n->n; i++) {
        struct ready *r = &n->list[i];
        if (r->taken || r->server == full)
            continue;
        if (on_their_way(n, r->server) < PER_SERVER)
            return r;
        full = r->server;
    }
    return NULL;
}

static void forget(struct notify *n, uint64_t id)
{
    size_t i = 0;
    while (i < n->n && n->list[i].id != id)
        i++;
    memmove(&n->list[i], &n->list[i + 1], (n->n - i - 1) * sizeof(*n->list));
    n->n--;
}

/* ---- one message: reading ---------------------------------------------------------------------------------------- */

static bool is_alive(void *arg)
{
    return !atomic_load(&((struct notify *)arg)->stopping);
}

static enum code read_condition(struct ctx *cx, struct notify_message *m, const WorkflowConditionAction **out)
{
    static const char *const types[] = {"", "TEXT", "MARKDOWN"};
    struct store_spec *s;
    void *msg;
    TRY(store_spec_get(cx, m->action->spec_id, &s));
    TRY(pb_decode(cx, &WorkflowConditionAction_type, s->body, &msg));
    const WorkflowConditionAction *c = msg;
    m->values.prompt = c->prompt;
    m->values.description = c->description;
    m->values.prompt_type = c->prompt_type > 0 && c->prompt_type < 3 ? str_from(types[c->prompt_type]) : STR("");
    *out = c;
    return CODE_OK;
}

static enum code find_config(struct ctx *cx, struct notify_message *m, str name,
                             const NotificationDeliveryConfigTemplate **out)
{
    const struct notify_delivery *d = notify_named_delivery(&m->settings->named, m->run, name);
    if (!d)
        return fail(cx, CODE_NOT_FOUND, "there is no delivery config \"" STR_FMT "\" in notify.file",
                    STR_ARG(str_head(name, 80)));
    *out = d->template;
    return CODE_OK;
}

static enum code find_template(struct ctx *cx, struct notify_message *m, const NotificationDeliveryConfigTemplate **out)
{
    const struct store_outbox *row = m->row;
    struct store_spec *s;
    void *msg;
    if (row->config.n)
        return find_config(cx, m, row->config, out);
    TRY(store_spec_get(cx, m->run->spec_id, &s));
    TRY(pb_decode(cx, &TaskRunSpec_type, s->body, &msg));
    const TaskRunSpec *spec = msg;
    if (spec->notification_settings_case == TaskRunSpec_notification_rule_name_tag)
        return fail(cx, CODE_NOT_FOUND, "there is no rule \"" STR_FMT "\" in notify.file",
                    STR_ARG(str_head(spec->notification_rule_name, 80)));
    if (spec->notification_settings_case != TaskRunSpec_notification_rules_tag || row->rule < 0 ||
        (size_t)row->rule >= spec->notification_rules->rules.n)
        return fail(cx, CODE_NOT_FOUND, "the run has no such rule");
    const TaskInlineRule *r = spec->notification_rules->rules.p[row->rule];
    if (r->delivery_case != TaskInlineRule_delivery_template_tag)
        return find_config(cx, m, STR(""), out); /* a name, and that empty */
    *out = r->delivery_template;
    return CODE_OK;
}

static void set_values(struct ctx *cx, struct notify_message *m)
{
    const struct store_action *a = m->action;
    m->values = (struct notify_values){
        .project = m->run->project,
        .domain = m->run->domain,
        .run = m->run->name,
        .phase = notify_phase_name(m->row->phase),
        .error = a->error.n ? a->error : a->abort_reason,
        .action = a->parent_id ? a->name : STR(""),
        .prompt = STR(""),
        .description = STR(""),
        .prompt_type = STR(""),
    };
    m->id =
        arena_printf(cx->mem, "tern-%llx-%llx", (unsigned long long)m->row->created_ns, (unsigned long long)m->row->id);
}

struct reading {
    struct notify_message *m;
    uint64_t id;
    str missing; /* what there is no template of; empty = there is one */
};

/* m->row stays NULL when there is nothing to send any more. */
static enum code read_message(struct ctx *cx, void *arg)
{
    struct reading *r = arg;
    struct notify_message *m = r->m;
    const NotificationDeliveryConfigTemplate *t = NULL;
    const WorkflowConditionAction *condition = NULL;
    struct store_outbox *row;
    struct store_action *a;
    struct store_run *run;
    TRY(store_outbox_get(cx, r->id, &row));
    if (row->ended_ns)
        return CODE_OK;
    TRY(store_action_get_by_id(cx, row->action_id, &a));
    TRY(store_run_get_by_id(cx, a->run_id, &run));
    m->run = run;
    m->action = a;
    m->row = row;
    set_values(cx, m);
    if (a->type == WORKFLOW_ACTION_TYPE_CONDITION)
        TRY(read_condition(cx, m, &condition));
    if (row->rule == STORE_OUTBOX_CONDITION) {
        m->condition = condition;
        return CODE_OK;
    }
    enum code code = find_template(cx, m, &t);
    if (code == CODE_NOT_FOUND) {
        r->missing = arena_str(cx->mem, str_from(cx->err.msg));
        ctx_clear_err(cx);
        return CODE_OK;
    }
    TRY(code);
    m->webhook = t && row->channel == STORE_OUTBOX_WEBHOOK ? t->webhook : NULL;
    m->email = t && row->channel == STORE_OUTBOX_EMAIL ? t->email : NULL;
    return CODE_OK;
}

/* ---- one message: writing ---------------------------------------------------------------------------------------- */

static enum code save(struct ctx *cx, void *arg)
{
    const struct notify_message *m = arg;
    bool saved;
    TRY(store_outbox_save(cx, m->row, &saved));
    if (!saved || !m->row->ended_ns || !m->row->error.n)
        return CODE_OK;
    struct store_event e = {.action_id = m->action->id,
                            .attempt = m->action->attempt,
                            .time_ns = m->row->ended_ns,
                            .kind = WORKFLOW_CLUSTER_EVENT_TYPE_WARNING,
                            .reason = STR("NotificationFailed"),
                            .message = m->row->error};
    topic_publish(cx, (struct topic_key){.kind = TOPIC_ACTION, .id1 = m->action->id});
    return store_event_add(cx, &e);
}

/* Between half of it and all of it: what failed together is not tried again together. */
static int64_t backoff(const struct notify_settings *s, uint32_t attempts)
{
    int64_t wait = s->retry_base_ns;
    for (uint32_t i = 1; i < attempts && wait < s->retry_max_ns; i++)
        wait = wait > s->retry_max_ns / 2 ? s->retry_max_ns : wait * 2;
    wait = wait < s->retry_max_ns ? wait : s->retry_max_ns;
    return wait / 2 + (int64_t)random_below((uint64_t)wait / 2 + 1);
}

static void note_failure(struct ctx *cx, struct notify_message *m, enum code code)
{
    struct store_outbox *row = m->row;
    int64_t wait = backoff(m->settings, row->attempts);
    row->error = arena_str(cx->mem, str_from(cx->err.msg));
    row->due_ns = time_wall_ns() + (wait > m->retry_after_ns ? wait : m->retry_after_ns);
    if (notify_is_final(code) || row->attempts >= m->settings->attempts)
        row->ended_ns = time_wall_ns();
    metric_add(row->ended_ns ? METRIC_notifications_dead_total : METRIC_notifications_retried_total, 1);
    if (row->ended_ns || row->attempts == 1)
        log_warn(cx, row->ended_ns ? "a notification was given up" : "a notification is tried again from now on",
                 LOG_INT("id", row->id), LOG_STR("run", m->run->name), LOG_STR("action", m->action->name),
                 LOG_STR("phase", m->values.phase), LOG_INT("attempts", row->attempts), LOG_ERR(cx));
    ctx_clear_err(cx);
}

static void note(struct ctx *cx, struct notify_message *m, enum code code)
{
    m->row->attempts++;
    if (code != CODE_OK) {
        note_failure(cx, m, code);
        return;
    }
    m->row->ended_ns = time_wall_ns();
    m->row->error = STR("");
    metric_add(METRIC_notifications_delivered_total, 1);
}

static enum code attempt(struct ctx *cx, struct notify_message *m, str missing)
{
    if (missing.n)
        return fail(cx, CODE_NOT_FOUND, STR_FMT, STR_ARG(missing));
    if (m->webhook || m->condition)
        return notify_webhook_send(cx, m);
    if (m->email)
        return notify_mail_send(cx, m);
    return fail(cx, CODE_NOT_FOUND, "the delivery config no longer has what this was to be sent by");
}

/* *due_ns: when it is tried again; untouched when it is done. */
static enum code send(struct ctx *cx, struct notify *n, uint64_t id, int64_t *due_ns)
{
    struct notify_message m = {.settings = &n->settings, .arg = n, .alive = is_alive};
    struct reading r = {.m = &m, .id = id};
    TRY(lane_read(cx, n->app->lanes, read_message, &r));
    if (!m.row)
        return CODE_OK;
    enum code code = attempt(cx, &m, r.missing);
    if (atomic_load(&n->stopping) && code != CODE_OK)
        return CODE_OK; /* broken off: the next process does it */
    note(cx, &m, code);
    TRY(lane_write(cx, n->app->lanes, save, &m));
    if (!m.row->ended_ns)
        *due_ns = m.row->due_ns;
    return CODE_OK;
}

/* ---- senders ----------------------------------------------------------------------------------------------------- */

static void send_one(struct notify *n, struct arena *mem, uint64_t id, int64_t *due_ns)
{
    struct ctx cx;
    ctx_init(&cx, mem);
    cx.app = n->app;
    enum code code = send(&cx, n, id, due_ns);
    if (code != CODE_OK && !atomic_load(&n->stopping)) {
        log_error(&cx, "a notification cannot be read or written down", LOG_INT("id", id), LOG_ERR(&cx));
        sleep(FAILED_S); /* it is due still */
    }
    arena_reset(mem);
}

static void *run_sender(void *arg);

/* Under the lock. Calls one sender when something may be sent now; when that has taken it, it calls the next. */
static void call_sender(struct notify *n)
{
    if (!find_work(n))
        return;
    if (n->waiting)
        pthread_cond_signal(&n->work);
    else if (n->sender_count < SENDERS && pthread_create(&n->senders[n->sender_count], NULL, run_sender, n) == 0)
        n->sender_count++;
    else if (!n->sender_count)
        log_error(NULL, "cannot start a thread that sends notifications");
}

static void *run_sender(void *arg)
{
    struct notify *n = arg;
    struct arena mem;
    arena_init(&mem, 0);
    pthread_setname_np(pthread_self(), "tern-send");
    pthread_mutex_lock(&n->lock);
    while (!atomic_load(&n->stopping)) {
        struct ready *r = find_work(n);
        int64_t due_ns = 0;
        if (!r) {
            n->waiting++;
            pthread_cond_wait(&n->work, &n->lock);
            n->waiting--;
            continue;
        }
        uint64_t id = r->id;
        r->taken = true;
        call_sender(n);
        pthread_mutex_unlock(&n->lock);
        send_one(n, &mem, id, &due_ns);
        pthread_mutex_lock(&n->lock);
        forget(n, id);
        n->sent++;
        if (due_ns && due_ns < n->next_ns)
            n->next_ns = due_ns;
        if (due_ns || n->more)
            pthread_cond_signal(&n->look);
    }
    pthread_mutex_unlock(&n->lock);
    arena_done(&mem);
    return NULL;
}

/* ---- looking ----------------------------------------------------------------------------------------------------- */

struct look {
    int64_t now_ns, far_ns, cursor, next_ns;
    struct store_outbox *rows;
    size_t n;
};

static enum code read_due(struct ctx *cx, void *arg)
{
    struct look *l = arg;
    return store_outbox_due(cx, l->now_ns, l->far_ns, LOOK_SERVERS, LOOK_ROWS, &l->cursor, &l->rows, &l->n,
                            &l->next_ns);
}

/* Under the lock. Rows of one server stand together; as many as a look takes means that there may be more. */
static void take_in(struct notify *n, const struct look *l)
{
    size_t same = 0;
    n->more = false;
    for (size_t i = 0; i < l->n; i++) {
        same = i && l->rows[i].server == l->rows[i - 1].server ? same + 1 : 1;
        n->more = n->more || same == LOOK_ROWS || n->n == READY_MAX;
        if (n->n < READY_MAX && !is_listed(n, l->rows[i].id))
            n->list[n->n++] = (struct ready){.id = l->rows[i].id, .server = l->rows[i].server};
    }
    n->cursor = l->cursor;
    if (l->next_ns < n->next_ns)
        n->next_ns = l->next_ns;
    call_sender(n);
}

static void look(struct notify *n, struct arena *mem)
{
    struct look l = {.now_ns = time_wall_ns(), .cursor = n->cursor};
    l.far_ns = l.now_ns + (n->settings.retry_max_ns < FAR_NS ? FAR_NS : n->settings.retry_max_ns);
    struct ctx cx;
    ctx_init(&cx, mem);
    cx.app = n->app;
    pthread_mutex_unlock(&n->lock);
    enum code code = lane_read(&cx, n->app->lanes, read_due, &l);
    if (code != CODE_OK && !atomic_load(&n->stopping)) {
        log_error(&cx, "cannot look for notifications", LOG_ERR(&cx));
        l = (struct look){.next_ns = time_wall_ns() + FAILED_S * NS_PER_S, .cursor = INT64_MIN};
    }
    pthread_mutex_lock(&n->lock);
    take_in(n, &l);
    arena_reset(mem);
}

/* Under the lock: sleeps until there may be something to look at. */
static void wait_for_look(struct notify *n)
{
    while (!atomic_load(&n->stopping) && !n->poked && n->cursor == INT64_MIN &&
           !(n->more && (n->sent >= LOOK_AFTER || !n->n))) {
        struct timespec at;
        int64_t wait = n->next_ns - time_wall_ns();
        if (wait <= 0)
            return;
        wait = wait < LOOK_AGAIN_NS ? wait : LOOK_AGAIN_NS;
        clock_gettime(CLOCK_MONOTONIC, &at);
        wait += at.tv_nsec;
        at.tv_sec += wait / NS_PER_S;
        at.tv_nsec = wait % NS_PER_S;
        if (pthread_cond_timedwait(&n->look, &n->lock, &at) == ETIMEDOUT)
            return;
    }
}

static void *run_looker(void *arg)
{
    struct notify *n = arg;
    struct arena mem;
    arena_init(&mem, 0);
    pthread_setname_np(pthread_self(), "tern-notify");
    pthread_mutex_lock(&n->lock);
    while (!atomic_load(&n->stopping)) {
        n->poked = false;
        n->sent = 0;
        if (n->cursor == INT64_MIN) /* else it goes on with further servers */
            n->next_ns = INT64_MAX;
        look(n, &mem);
        wait_for_look(n);
    }
    pthread_mutex_unlock(&n->lock);
    arena_done(&mem);
    return NULL;
}

/* ---- starting and stopping --------------------------------------------------------------------------------------- */

void notify_poke(struct notify *n)
{
    if (!n)
        return;
    pthread_mutex_lock(&n->lock);
    n->poked = true;
    pthread_cond_signal(&n->look);
    pthread_mutex_unlock(&n->lock);
}

static struct notify *make(struct app *app)
{
    struct notify *n = mem_new(struct notify);
    pthread_condattr_t attr;
    n->app = app;
    n->cursor = INT64_MIN;
    n->list = mem_alloc_array(READY_MAX, sizeof(*n->list));
    arena_init(&n->mem, 0);
    pthread_mutex_init(&n->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&n->look, &attr);
    pthread_cond_init(&n->work, &attr);
    pthread_condattr_destroy(&attr);
    return n;
}

enum code notify_start(struct ctx *cx, struct app *app, struct notify **out)
{
    struct notify *n = make(app);
    struct arena *outer = cx->mem;
    cx->mem = &n->mem;
    enum code code = notify_settings_read(cx, app, &n->settings);
    cx->mem = outer;
    if (code == CODE_OK && pthread_create(&n->looker, NULL, run_looker, n) != 0)
        code = fail(cx, CODE_RESOURCE_EXHAUSTED, "cannot start the thread that sends notifications");
    if (code != CODE_OK) {
        notify_stop(n);
        return code;
    }
    n->has_looker = true;
    *out = n;
    return CODE_OK;
}

void notify_stop(struct notify *n)
{
    if (!n)
        return;
    pthread_mutex_lock(&n->lock);
    atomic_store(&n->stopping, true);
    pthread_cond_signal(&n->look);
    pthread_cond_broadcast(&n->work);
    pthread_mutex_unlock(&n->lock);
    if (n->has_looker)
        pthread_join(n->looker, NULL);
    for (size_t i = 0; i < n->sender_count; i++)
        pthread_join(n->senders[i], NULL);
    pthread_cond_destroy(&n->look);
    pthread_cond_destroy(&n->work);
    pthread_mutex_destroy(&n->lock);
    arena_done(&n->mem);
    mem_free(n->list);
    mem_free(n);
}
