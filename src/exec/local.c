/* The executor "local": what waits for a slot is kept here, what runs belongs to the supervisor. One lock; the thread
 * of client.c brings the news; notify() is called without the lock. */
#include "exec/local.h"

#include "base/file.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/time.h"
#include "exec/client.h"
#include "exec/exec_int.h"
#include "exec/kept.h"
#include "exec/logfile.h"
#include "exec/slots.h"
#include "exec/task.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#define GRACE_MS 5000
#define NAME_SHOWN ((size_t)100) /* of a queue or a project */

/* Where an attempt is. */
enum where {
    QUEUED,     /* here, waiting for a slot */
    SENT,       /* told to the supervisor, which has not answered yet */
    THERE,      /* the supervisor knows it */
    ENDED_HERE, /* refused, or aborted while it waited: the supervisor never knew it */
    HELD,       /* only a place: no process belongs to it */
};

struct attempt {
    char id[12];
    struct exec_key key;
    enum where where;
    struct arena mem; /* of launch, later of the observation's strings */
    str launch;       /* the frame to send, until the supervisor knows the attempt */
    struct exec_slot slot;
    struct exec_observation seen;
    bool aborted, forget;
    uint32_t epoch;     /* the synchronisation that mentioned it last */
    struct list notify; /* in local.notify while its news is not delivered */
};

struct local {
    struct exec base;
    struct exec_local_config cfg;
    struct exec_machine machine;
    struct exec_python_cache *pythons;
    exec_notify_fn *notify_fn;
    void *arg;
    struct exec_client *client;
    pthread_mutex_t lock;
    struct map attempts; /* by attempt.id */
    struct exec_slots slots;
    struct list notify;
    uint32_t epoch;
    bool synced;      /* the supervisor has told everything at least once since the connection */
    struct arena mem; /* of cfg's strings */
};

static struct local *local_of(struct exec *e)
{
    return container_of(e, struct local, base);
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

static struct attempt *find(struct local *l, struct exec_key key)
{
    char id[12];
    memcpy(id, &key.action_id, 8);
    memcpy(id + 8, &key.attempt, 4);
    return map_find(&l->attempts, str_make(id, sizeof(id)));
}

static struct attempt *attempt_new(struct exec_key key)
{
    struct attempt *a = mem_new(struct attempt);
    a->key = key;
    memcpy(a->id, &key.action_id, 8);
    memcpy(a->id + 8, &key.attempt, 4);
    arena_init(&a->mem, 0);
    list_init(&a->notify);
    return a;
}

static void attempt_add(struct local *l, struct attempt *a)
{
    map_put(&l->attempts, str_make(a->id, sizeof(a->id)), a);
}

static void attempt_free(struct local *l, struct attempt *a)
{
    exec_slots_release(&l->slots, &a->slot);
    list_del(&a->notify);
    map_delete(&l->attempts, str_make(a->id, sizeof(a->id)));
    arena_done(&a->mem);
    mem_free(a);
}

static void notify_later(struct local *l, struct attempt *a)
{
    if (list_empty(&a->notify))
        list_add(&l->notify, &a->notify);
}

/* Gives the lock back and tells what has changed. */
static void unlock(struct local *l)
{
    while (!list_empty(&l->notify)) {
        struct attempt *a = container_of(l->notify.next, struct attempt, notify);
        struct exec_key key = a->key;
        list_del(&a->notify);
        pthread_mutex_unlock(&l->lock);
        l->notify_fn(l->arg, key);
        pthread_mutex_lock(&l->lock);
    }
    pthread_mutex_unlock(&l->lock);
}

/* ---- slots ------------------------------------------------------------------------------------------------------- */

static void send_launch(struct local *l, struct attempt *a)
{
    a->where = SENT;
    exec_client_send_frame(l->client, a->launch);
}

static void send_key(struct local *l, enum exec_msg_type type, const struct attempt *a)
{
    struct exec_msg m = {
        .type = type, .key = a->key, .grace_ms = (uint64_t)(l->cfg.grace_ms ? l->cfg.grace_ms : GRACE_MS)};
    exec_client_send(l->client, &m);
}

static void schedule(struct local *l)
{
    struct exec_slot *slot;
    while (l->synced && (slot = exec_slots_next(&l->slots, time_now_ns()))) {
        struct attempt *a = container_of(slot, struct attempt, slot);
        send_launch(l, a);
        notify_later(l, a);
    }
}

/* A name that a client chose, as far as it is good to read. */
static str short_name(const struct exec_group *g)
{
    return str_head_utf8(g->rule.name, NAME_SHOWN);
}

static str says_full(struct ctx *cx, const char *what, const struct exec_group *g)
{
    return arena_printf(cx->mem, "%s " STR_FMT ": %lld of %u actions run", what, STR_ARG(short_name(g)),
                        (long long)(g->running - g->lent), g->rule.limit);
}

static str says_paused(struct ctx *cx, const char *what, const struct exec_group *g)
{
    return arena_printf(cx->mem, "%s " STR_FMT " is paused", what, STR_ARG(short_name(g)));
}

static str slot_waits_for(struct ctx *cx, const struct exec_slots *s, const struct exec_slot *slot)
{
    switch (exec_slots_lacks(s, slot)) {
    case EXEC_SLOT_QUEUE_PAUSED:
        return says_paused(cx, "queue", exec_shares_queue_of(slot));
    case EXEC_SLOT_PROJECT_PAUSED:
        return says_paused(cx, "project", exec_shares_project_of(slot));
    case EXEC_SLOT_QUEUE:
        return says_full(cx, "queue", exec_shares_queue_of(slot));
    case EXEC_SLOT_PROJECT:
        return says_full(cx, "project", exec_shares_project_of(slot));
    case EXEC_SLOT_CPU:
        return arena_printf(cx->mem, "waiting for CPU: needs %g, %g of %g in use", (double)slot->cpu_millis / 1000,
                            (double)s->used_cpu / 1000, (double)s->cpu_millis / 1000);
    case EXEC_SLOT_MEMORY:
        return arena_printf(cx->mem, "waiting for memory: needs %lld MiB, %lld of %lld MiB in use",
                            (long long)(slot->memory_bytes >> 20), (long long)(s->used_memory >> 20),
                            (long long)(s->memory_bytes >> 20));
    case EXEC_SLOT_GPU:
        return arena_printf(cx->mem, "waiting for GPU: needs %lld, %lld of %lld in use", (long long)slot->gpus,
                            (long long)s->used_gpus, (long long)s->gpus);
    case EXEC_SLOT_FITS:
    case EXEC_SLOT_TURN:
        break;
    }
    return arena_printf(cx->mem, "waiting for its turn: %zu in the queue", s->queued);
}

static str waits_for(struct ctx *cx, struct local *l, const struct attempt *a)
{
    str trouble = exec_client_trouble(cx, l->client);
    return trouble.n ? trouble : slot_waits_for(cx, &l->slots, &a->slot);
}

/* ---- news from the supervisor --------------------------------------------------------------------------------------
 */

static bool is_over(const struct attempt *a)
{
    return a->seen.state == EXEC_EXITED || a->seen.state == EXEC_LOST || a->seen.state == EXEC_REFUSED;
}

static void set_seen(struct attempt *a, const struct exec_msg *m)
{
    struct exec_observation *o = &a->seen;
    arena_reset(&a->mem); /* the launch message is not needed any more */
    a->launch = STR_NONE;
    *o = (struct exec_observation){.state = m->state <= EXEC_REFUSED ? (enum exec_state)m->state : EXEC_LOST,
                                   .exit_code = (int)m->exit_code,
                                   .signal = (int)m->signal,
                                   .oom = m->oom,
                                   .aborted = m->aborted,
                                   .system = m->system,
                                   .error_code = arena_str(&a->mem, m->error_code),
                                   .error = arena_str(&a->mem, m->error),
                                   .started_ns = (int64_t)m->started_ns,
                                   .ended_ns = (int64_t)m->ended_ns,
                                   .cpu_ns = (int64_t)m->cpu_ns,
                                   .max_rss = (int64_t)m->max_rss};
}

static struct exec_share share_of(const struct exec_msg *m)
{
    return (struct exec_share){.queue = m->queue, .project = m->project, .run_id = m->run_id};
}

static void on_state(struct local *l, const struct exec_msg *m)
{
    struct attempt *a = find(l, m->key);
    if (!a) {
        a = attempt_new(m->key);
        attempt_add(l, a);
        a->slot.cpu_millis = (int64_t)m->cpu_millis;
        a->slot.memory_bytes = (int64_t)m->memory_bytes;
        a->slot.gpus = (int64_t)m->gpus;
        a->slot.depth = (uint32_t)m->depth;
    }
    a->where = THERE;
    a->epoch = l->epoch;
    set_seen(a, m);
    if (is_over(a))
        exec_slots_release(&l->slots, &a->slot);
    else if (!a->slot.running) {
        struct exec_share share = share_of(m);
        exec_slots_release(&l->slots, &a->slot); /* it cannot be in the queue, but then it would count twice */
        exec_slots_take(&l->slots, &a->slot, &share);
    }
    notify_later(l, a);
}

static void lose(struct local *l, struct attempt *a)
{
    log_error(NULL, "an attempt is unknown to the supervisor", LOG_INT("action", a->key.action_id),
              LOG_INT("attempt", a->key.attempt));
    a->seen.state = EXEC_LOST;
    a->seen.ended_ns = time_wall_ns();
    exec_slots_release(&l->slots, &a->slot);
    notify_later(l, a);
}

/* The supervisor has told all it knows: says again what it does not know. */
static void on_synced(struct local *l)
{
    size_t at = 0;
    str key;
    void *value;
    l->synced = true;
    while (map_next(&l->attempts, &at, &key, &value)) {
        struct attempt *a = value;
        if (a->where == SENT)
            send_launch(l, a);
        else if (a->where == THERE && a->epoch != l->epoch && !is_over(a))
            lose(l, a);
        if (a->aborted && a->where != QUEUED && !is_over(a))
            send_key(l, EXEC_MSG_ABORT, a);
        if (a->forget)
            send_key(l, EXEC_MSG_FORGET, a);
    }
    schedule(l);
}

static void on_welcome(struct local *l, const struct exec_msg *m)
{
    l->epoch++;
    l->synced = false;
    log_info(NULL, "supervisor reached", LOG_INT("pid", m->pid), LOG_INT("running", m->running),
             LOG_STR("memory_limits", m->text));
}

static void on_message(void *arg, const struct exec_msg *m)
{
    struct local *l = arg;
    struct attempt *a;
    if (m->type == EXEC_MSG_GREW) {
        if (l->cfg.log_notify)
            l->cfg.log_notify(l->arg, m->key);
        return;
    }
    pthread_mutex_lock(&l->lock);
    if (m->type == EXEC_MSG_WELCOME) {
        on_welcome(l, m);
    } else if (m->type == EXEC_MSG_SYNCED) {
        on_synced(l);
    } else if (m->type == EXEC_MSG_STATE) {
        on_state(l, m);
        schedule(l);
    } else if (m->type == EXEC_MSG_FORGOTTEN && (a = find(l, m->key)) && a->forget) {
        attempt_free(l, a);
    }
    unlock(l);
}

/* ---- lines of ours ----------------------------------------------------------------------------------------------- */

static void local_log_system(struct exec *e, struct exec_key key, str line)
{
    struct local *l = local_of(e);
    struct arena mem;
    struct ctx cx;
    struct exec_logfile f;
    arena_init(&mem, 0);
    ctx_init(&cx, &mem);
    if (exec_logfile_open(&cx, l->cfg.data_dir, key, &f) == CODE_OK) {
        exec_logfile_system(&f, line);
        exec_logfile_close(&f);
        if (l->cfg.log_notify)
            l->cfg.log_notify(l->arg, key);
    } else {
        log_warn(&cx, "a line for a task's log is lost", LOG_ERR(&cx));
    }
    arena_done(&mem);
}

/* ---- operations -------------------------------------------------------------------------------------------------- */

/* Who follows the log sees there why nothing ran. */
static void refuse(struct local *l, struct attempt *a, struct ctx *cx, const char *error_code)
{
    a->where = ENDED_HERE;
    a->seen = (struct exec_observation){.state = EXEC_REFUSED,
                                        .error_code = arena_str(&a->mem, str_from(error_code)),
                                        .error = arena_str(&a->mem, str_from(cx->err.msg)),
                                        .system = cx->err.code != CODE_FAILED_PRECONDITION &&
                                                  cx->err.code != CODE_INVALID_ARGUMENT};
    local_log_system(&l->base, a->key, arena_concat(cx->mem, STR("Not started: "), a->seen.error));
}

static enum code keep_launch(struct ctx *cx, struct attempt *a, const struct exec_msg *m)
{
    buf b;
    buf_init_arena(&b, cx->mem, EXEC_FRAME_MAX);
    exec_wire_put(&b, m);
    if (b.failed)
        return fail(cx, CODE_INVALID_ARGUMENT, "the task's arguments and environment take more than %zu MiB",
                    EXEC_FRAME_MAX >> 20);
    a->launch = arena_str(&a->mem, buf_view(&b));
    a->slot.cpu_millis = (int64_t)m->cpu_millis;
    a->slot.memory_bytes = (int64_t)m->memory_bytes;
    a->slot.gpus = (int64_t)m->gpus;
    a->slot.depth = (uint32_t)m->depth;
    a->seen.state = EXEC_WAITING;
    return CODE_OK;
}

static enum code local_launch(struct ctx *cx, struct exec *e, const struct exec_task *task)
{
    struct local *l = local_of(e);
    struct exec_msg m;
    struct exec_share share = {.queue = task->queue, .project = task->project, .run_id = task->run_id};
    const char *error_code = "LaunchFailed";
    pthread_mutex_lock(&l->lock);
    bool known = find(l, task->key);
    pthread_mutex_unlock(&l->lock);
    if (known)
        return CODE_OK;
    struct attempt *a = attempt_new(task->key);
    if (exec_task_plan(cx, &l->cfg, &l->machine, l->pythons, task, &m, &error_code) != CODE_OK ||
        keep_launch(cx, a, &m) != CODE_OK)
        refuse(l, a, cx, error_code);
    ctx_clear_err(cx);
    pthread_mutex_lock(&l->lock);
    if (find(l, task->key)) {
        arena_done(&a->mem);
        mem_free(a);
    } else {
        attempt_add(l, a);
        if (a->where == QUEUED)
            exec_slots_queue(&l->slots, &a->slot, &share, time_now_ns());
        notify_later(l, a);
        schedule(l);
    }
    unlock(l);
    return CODE_OK;
}

static enum code local_observe(struct ctx *cx, struct exec *e, struct exec_key key, struct exec_observation *out)
{
    struct local *l = local_of(e);
    pthread_mutex_lock(&l->lock);
    struct attempt *a = find(l, key);
    struct exec_observation o = {.state = EXEC_UNKNOWN};
    if (a && !a->forget) {
        o = a->seen;
        o.error_code = arena_str(cx->mem, o.error_code);
        o.error = arena_str(cx->mem, o.error);
        o.aborted = o.aborted || a->aborted;
        /* Not started before the supervisor has it in its journal: whoever is told so never launches it again. */
        if (a->where == SENT || a->where == QUEUED)
            o.state = EXEC_WAITING;
        if (a->where == QUEUED)
            o.reason = waits_for(cx, l, a);
    }
    pthread_mutex_unlock(&l->lock);
    *out = o;
    return CODE_OK;
}

static enum code local_abort(struct ctx *cx, struct exec *e, struct exec_key key)
{
    struct local *l = local_of(e);
    (void)cx;
    pthread_mutex_lock(&l->lock);
    struct attempt *a = find(l, key);
    if (a && a->where == QUEUED) {
        exec_slots_release(&l->slots, &a->slot);
        a->where = ENDED_HERE;
        a->seen = (struct exec_observation){
            .state = EXEC_EXITED, .signal = SIGTERM, .aborted = true, .ended_ns = time_wall_ns()};
        notify_later(l, a);
        schedule(l);
    } else if (a && a->where != HELD && !is_over(a)) {
        a->aborted = true;
        send_key(l, EXEC_MSG_ABORT, a);
    }
    unlock(l);
    return CODE_OK;
}

static enum code local_cleanup(struct ctx *cx, struct exec *e, struct exec_key key)
{
    struct local *l = local_of(e);
    enum code code = CODE_OK;
    pthread_mutex_lock(&l->lock);
    struct attempt *a = find(l, key);
    if (a && (a->where == QUEUED || a->where == ENDED_HERE || a->where == HELD)) {
        attempt_free(l, a);
        schedule(l);
    } else if (a && !is_over(a)) {
        code = fail(cx, CODE_FAILED_PRECONDITION, "attempt %u still runs", key.attempt);
    } else if (a) {
        a->forget = true;
        send_key(l, EXEC_MSG_FORGET, a);
    }
    unlock(l);
    return code;
}

static void local_set_waiting(struct exec *e, struct exec_key key, bool waiting)
{
    struct local *l = local_of(e);
    pthread_mutex_lock(&l->lock);
    struct attempt *a = find(l, key);
    if (a) {
        exec_slots_set_waiting(&l->slots, &a->slot, waiting);
        schedule(l);
    }
    unlock(l);
}

/* ---- queues and projects ------------------------------------------------------------------------------------------- */

static void local_set_rules(struct exec *e, const struct exec_rule *rules, size_t n)
{
    struct local *l = local_of(e);
    size_t at = 0;
    str key;
    void *value;
    pthread_mutex_lock(&l->lock);
    exec_shares_set_rules(&l->slots.shares, rules, n);
    schedule(l);
    while (map_next(&l->attempts, &at, &key, &value)) {
        struct attempt *a = value;
        if (a->where == QUEUED)
            notify_later(l, a); /* what it waits for may be something else now */
    }
    unlock(l);
}

static void put_loads(struct arena *mem, const struct map *groups, struct exec_load *out, size_t *n)
{
    size_t at = 0;
    str name;
    void *value;
    while (map_next(groups, &at, &name, &value)) {
        const struct exec_group *g = value;
        struct exec_load *load = &out[(*n)++];
        *load = (struct exec_load){.rule = g->rule,
                                   .working = (uint64_t)(g->running - g->lent),
                                   .waiting = (uint64_t)g->lent,
                                   .queued = (uint64_t)g->queued};
        load->rule.name = arena_str(mem, name);
    }
}

static enum code local_loads(struct ctx *cx, struct exec *e, struct exec_load **out, size_t *n)
{
    struct local *l = local_of(e);
    const struct exec_shares *s = &l->slots.shares;
    *n = 0;
    pthread_mutex_lock(&l->lock);
    *out = arena_new_array(cx->mem, struct exec_load, s->queues.n + s->projects.n + 1);
    put_loads(cx->mem, &s->queues, *out, n);
    put_loads(cx->mem, &s->projects, *out, n);
    pthread_mutex_unlock(&l->lock);
    return CODE_OK;
}

/* It takes no CPU: what it can lack is room in its queue and project. */
static bool hold(struct ctx *cx, struct local *l, const struct exec_task *task, bool started, str *reason)
{
    struct exec_share share = {.queue = task->queue, .project = task->project, .run_id = task->run_id};
    if (find(l, task->key) || exec_shares_is_free(&l->slots.shares, share.queue, share.project))
        return true;
    struct attempt *a = attempt_new(task->key);
    exec_slots_queue(&l->slots, &a->slot, &share, time_now_ns());
    enum exec_slot_need need = exec_slots_lacks(&l->slots, &a->slot);
    bool room = need == EXEC_SLOT_TURN || started;
    if (!room)
        *reason = slot_waits_for(cx, &l->slots, &a->slot);
    exec_slots_release(&l->slots, &a->slot);
    if (!room) {
        arena_done(&a->mem);
        mem_free(a);
        return false;
    }
    a->where = HELD;
    exec_slots_take(&l->slots, &a->slot, &share);
    attempt_add(l, a);
    return true;
}

static bool local_hold(struct ctx *cx, struct exec *e, const struct exec_task *task, bool started, str *reason)
{
    struct local *l = local_of(e);
    pthread_mutex_lock(&l->lock);
    bool held = hold(cx, l, task, started, reason);
    pthread_mutex_unlock(&l->lock);
    return held;
}

static enum code local_list(struct ctx *cx, struct exec *e, struct exec_key **out, size_t *n)
{
    struct local *l = local_of(e);
    size_t at = 0, count = 0;
    str key;
    void *value;
    pthread_mutex_lock(&l->lock);
    struct exec_key *keys = arena_new_array(cx->mem, struct exec_key, l->attempts.n + 1);
    while (map_next(&l->attempts, &at, &key, &value)) {
        const struct attempt *a = value;
        if (!a->forget)
            keys[count++] = a->key;
    }
    pthread_mutex_unlock(&l->lock);
    *out = keys;
    *n = count;
    return CODE_OK;
}

/* ---- logs and folders ----------------------------------------------------------------------------------------------
 */

static enum code local_log_read(struct ctx *cx, struct exec *e, struct exec_key key, int64_t cursor, size_t max_lines,
                                struct exec_log_page *out)
{
    struct local *l = local_of(e);
    pthread_mutex_lock(&l->lock);
    struct attempt *a = find(l, key);
    bool over = !a || is_over(a);
    pthread_mutex_unlock(&l->lock);
    return exec_logfile_read(cx, l->cfg.data_dir, key, cursor, max_lines, over, out);
}

/* ---- what is kept -------------------------------------------------------------------------------------------------- */

static bool is_known(void *arg, struct exec_key key)
{
    struct local *l = arg;
    pthread_mutex_lock(&l->lock);
    struct attempt *a = find(l, key);
    bool known = a && !a->forget;
    pthread_mutex_unlock(&l->lock);
    return known;
}

static enum code local_discard(struct ctx *cx, struct exec *e, const struct exec_place *place, bool log, bool dry,
                               struct exec_swept *swept)
{
    struct local *l = local_of(e);
    if (is_known(l, place->key))
        return fail(cx, CODE_FAILED_PRECONDITION, "attempt %u is still known", place->key.attempt);
    exec_kept_discard(cx, l->cfg.data_dir, place, log, dry, swept);
    return CODE_OK;
}

static enum code local_list_kept(struct ctx *cx, struct exec *e, struct exec_kept_run **out, size_t *n)
{
    return exec_kept_list(cx, local_of(e)->cfg.data_dir, out, n);
}

static void local_discard_run(struct ctx *cx, struct exec *e, const struct exec_kept_run *run, bool dry,
                              struct exec_swept *swept)
{
    exec_kept_discard_run(cx, local_of(e)->cfg.data_dir, run, dry, swept);
}

static void local_sweep_logs(struct ctx *cx, struct exec *e, int64_t before_ns, bool dry, struct exec_swept *swept)
{
    struct local *l = local_of(e);
    exec_kept_sweep_logs(cx, l->cfg.data_dir, before_ns, dry, is_known, l, swept);
}

/* ---- start and stop ------------------------------------------------------------------------------------------------
 */

static void local_stop(struct exec *e)
{
    struct local *l = local_of(e);
    exec_client_stop(l->client);
    size_t at = 0;
    str key;
    void *value;
    while (map_next(&l->attempts, &at, &key, &value)) {
        struct attempt *a = value;
        arena_done(&a->mem);
        mem_free(a);
    }
    map_done(&l->attempts);
    exec_slots_done(&l->slots);
    exec_python_cache_free(l->pythons);
    pthread_mutex_destroy(&l->lock);
    arena_done(&l->mem);
    mem_free(l);
}

const struct exec_ops exec_local_ops = {
    .name = "local",
    .launch = local_launch,
    .observe = local_observe,
    .abort = local_abort,
    .cleanup = local_cleanup,
    .set_waiting = local_set_waiting,
    .set_rules = local_set_rules,
    .loads = local_loads,
    .hold = local_hold,
    .list = local_list,
    .discard = local_discard,
    .list_kept = local_list_kept,
    .discard_run = local_discard_run,
    .sweep_logs = local_sweep_logs,
    .log_read = local_log_read,
    .log_system = local_log_system,
    .stop = local_stop,
};

static void copy_config(struct local *l, const struct exec_local_config *cfg)
{
    l->cfg = *cfg;
    str *texts[] = {&l->cfg.data_dir,  &l->cfg.python,       &l->cfg.uv,     &l->cfg.container_runtime,
                    &l->cfg.s3_listen, &l->cfg.s3_upstreams, &l->cfg.program};
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        *texts[i] = arena_str(&l->mem, *texts[i]);
    str *options = arena_new_array(&l->mem, str, cfg->container_option_count + 1);
    for (size_t i = 0; i < cfg->container_option_count; i++)
        options[i] = arena_str(&l->mem, cfg->container_options[i]);
    l->cfg.container_options = options;
}

static enum code start_client(struct ctx *cx, struct local *l)
{
    struct exec_client_config cfg = {.data_dir = l->cfg.data_dir,
                                     .program = l->cfg.program,
                                     .s3_keep = l->cfg.s3_keep,
                                     .s3_listen = l->cfg.s3_listen,
                                     .s3_upstreams = l->cfg.s3_upstreams,
                                     .cgroup = l->cfg.cgroup,
                                     .idle_exit_s = l->cfg.idle_exit_s,
                                     .on_message = on_message,
                                     .arg = l};
    static const char *const folders[] = {"home", "work", "logs", "venvs", "run"};
    for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++)
        TRY(file_mkdirs(cx, arena_printf(cx->mem, STR_FMT "/%s", STR_ARG(l->cfg.data_dir), folders[i]).p, 0700));
    return exec_client_start(cx, &cfg, &l->client);
}

enum code exec_local_start(struct ctx *cx, const struct exec_local_config *cfg, exec_notify_fn *notify, void *arg,
                           struct exec **out)
{
    if (cfg->data_dir.n == 0 || cfg->data_dir.p[0] != '/')
        return fail(cx, CODE_INVALID_ARGUMENT, "the data folder must be an absolute path");
    struct local *l = mem_new(struct local);
    l->base.ops = &exec_local_ops;
    l->notify_fn = notify;
    l->arg = arg;
    arena_init(&l->mem, 0);
    copy_config(l, cfg);
    pthread_mutex_init(&l->lock, NULL);
    map_init(&l->attempts);
    list_init(&l->notify);
    exec_task_machine(&l->cfg, &l->machine);
    exec_slots_init(&l->slots, l->machine.cpu_millis, l->machine.memory_bytes, l->machine.gpus);
    l->pythons = exec_python_cache_new();
    enum code code = start_client(cx, l);
    if (code != CODE_OK) {
        local_stop(&l->base);
        return code;
    }
    *out = &l->base;
    return CODE_OK;
}
