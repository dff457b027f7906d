/* Facts of tasks, kept by spec id. See task.h. */
#include "engine/task.h"

#include "base/mem.h"
#include "base/time.h"
#include "store/spec.h"

#include <pthread.h>
#include <stdatomic.h>

/* A spec takes the slot of its id; what was there goes when nobody uses it any more. */
#define SLOTS 256

struct engine_task_kept {
    struct engine_task task;
    uint64_t spec_id;
    atomic_int refs;
    struct arena mem;
};

struct engine_tasks {
    pthread_mutex_t lock;
    struct engine_task_kept *slot[SLOTS];
};

int64_t engine_task_duration_ns(const GoogleProtobufDuration *d)
{
    if (!d || d->seconds < 0 || (d->seconds == 0 && d->nanos <= 0))
        return 0;
    if (d->seconds > INT64_MAX / NS_PER_S / 4)
        return INT64_MAX / 4;
    return d->seconds * NS_PER_S + d->nanos;
}

static void retry_facts(const CoreTaskMetadata *m, struct engine_task *out)
{
    const CoreRetryStrategy *r = m->retries;
    if (!r)
        return;
    out->retries = r->retries;
    if (!r->backoff)
        return;
    out->backoff_base_ns = engine_task_duration_ns(r->backoff->base);
    out->backoff_cap_ns = engine_task_duration_ns(r->backoff->cap);
    out->backoff_factor = r->backoff->has_factor && r->backoff->factor >= 1 ? r->backoff->factor : 1;
}

static void metadata_facts(const CoreTaskMetadata *m, struct engine_task *out)
{
    retry_facts(m, out);
    out->max_runtime_ns = engine_task_duration_ns(m->timeout);
    if (m->timeouts) {
        out->queued_timeout_ns = engine_task_duration_ns(m->timeouts->queued_timeout);
        out->deadline_ns = engine_task_duration_ns(m->timeouts->deadline);
    }
    out->cached = m->discoverable;
    out->serializable = m->cache_serializable;
    out->cache_max_age_ns = engine_task_duration_ns(m->cache_max_age);
    out->produces_artifacts = m->produces_artifacts;
    out->has_report = m->generates_deck && m->generates_deck->value;
}

static bool has_variables(const CoreVariableMap *m)
{
    return m && m->variables.n > 0;
}

void engine_task_facts(struct arena *mem, const TaskTaskSpec *spec, struct engine_task *out)
{
    const CoreTaskTemplate *t = spec->task_template;
    *out = (struct engine_task){.spec = spec, .template = t ? t : pb_new(mem, CoreTaskTemplate), .backoff_factor = 1};
    t = out->template;
    if (str_eq(t->type, STR("core-echo")))
        out->kind = ENGINE_TASK_ECHO;
    else if (str_eq(t->type, STR("core-sleep")))
        out->kind = ENGINE_TASK_SLEEP;
    if (t->metadata)
        metadata_facts(t->metadata, out);
    out->has_inputs = t->interface && has_variables(t->interface->inputs);
    out->has_outputs = t->interface && has_variables(t->interface->outputs);
}

/* ---- keeping ---------------------------------------------------------------------------------------------------- */

struct engine_tasks *engine_tasks_new(void)
{
    struct engine_tasks *t = mem_new(struct engine_tasks);
    pthread_mutex_init(&t->lock, NULL);
    return t;
}

void engine_tasks_free(struct engine_tasks *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < SLOTS; i++)
        engine_task_release(t->slot[i] ? &t->slot[i]->task : NULL);
    pthread_mutex_destroy(&t->lock);
    mem_free(t);
}

void engine_task_release(const struct engine_task *task)
{
    if (!task)
        return;
    struct engine_task_kept *k = task->kept;
    if (atomic_fetch_sub(&k->refs, 1) > 1)
        return;
    arena_done(&k->mem);
    mem_free(k);
}

static enum code load(struct ctx *cx, uint64_t spec_id, struct engine_task_kept **out)
{
    struct store_spec *s;
    void *msg;
    TRY(store_spec_get(cx, spec_id, &s));
    if (s->kind != STORE_SPEC_TASK)
        return fail(cx, CODE_INTERNAL, "spec %llu is not of a task", (unsigned long long)spec_id);
    struct engine_task_kept *k = mem_new(struct engine_task_kept);
    arena_init(&k->mem, 0);
    k->spec_id = spec_id;
    struct arena *mine = cx->mem;
    cx->mem = &k->mem;
    enum code c = pb_decode(cx, &TaskTaskSpec_type, arena_str(&k->mem, s->body), &msg);
    cx->mem = mine;
    if (c != CODE_OK) {
        arena_done(&k->mem);
        mem_free(k);
        return fail(cx, CODE_INTERNAL, "spec %llu cannot be decoded", (unsigned long long)spec_id);
    }
    engine_task_facts(&k->mem, msg, &k->task);
    k->task.kept = k;
    *out = k;
    return CODE_OK;
}

static struct engine_task_kept *find(struct engine_tasks *t, uint64_t spec_id)
{
    pthread_mutex_lock(&t->lock);
    struct engine_task_kept *k = t->slot[spec_id % SLOTS];
    if (k && k->spec_id == spec_id)
        atomic_fetch_add(&k->refs, 1);
    else
        k = NULL;
    pthread_mutex_unlock(&t->lock);
    return k;
}

enum code engine_task_get(struct ctx *cx, struct engine_tasks *t, uint64_t spec_id, const struct engine_task **out)
{
    struct engine_task_kept *k = find(t, spec_id), *old;
    if (!k) {
        TRY(load(cx, spec_id, &k));
        atomic_store(&k->refs, 2); /* the slot's and the caller's */
        pthread_mutex_lock(&t->lock);
        old = t->slot[spec_id % SLOTS];
        t->slot[spec_id % SLOTS] = k;
        pthread_mutex_unlock(&t->lock);
        engine_task_release(old ? &old->task : NULL);
    }
    *out = &k->task;
    return CODE_OK;
}
