/* Conversions between rows and messages. */
#include "service/convert.h"

#include "base/time.h"

GoogleProtobufTimestamp *service_timestamp(struct ctx *cx, int64_t ns)
{
    if (ns == 0)
        return NULL;
    GoogleProtobufTimestamp *t = pb_new(cx->mem, GoogleProtobufTimestamp);
    int64_t nanos = ns % NS_PER_S;
    t->seconds = ns / NS_PER_S - (nanos < 0);
    t->nanos = (int32_t)(nanos < 0 ? nanos + NS_PER_S : nanos);
    return t;
}

GoogleProtobufDuration *service_duration(struct ctx *cx, int64_t ns)
{
    GoogleProtobufDuration *d = pb_new(cx->mem, GoogleProtobufDuration);
    d->seconds = ns / NS_PER_S;
    d->nanos = (int32_t)(ns % NS_PER_S);
    return d;
}

static int64_t total_ns(int64_t seconds, int32_t nanos)
{
    int64_t ns;
    if (__builtin_mul_overflow(seconds, NS_PER_S, &ns) || __builtin_add_overflow(ns, (int64_t)nanos, &ns))
        return seconds < 0 ? INT64_MIN : INT64_MAX;
    return ns;
}

int64_t service_timestamp_ns(const GoogleProtobufTimestamp *t)
{
    return t ? total_ns(t->seconds, t->nanos) : 0;
}

int64_t service_duration_ns(const GoogleProtobufDuration *d)
{
    return d ? total_ns(d->seconds, d->nanos) : 0;
}

CommonEnrichedIdentity *service_identity(struct ctx *cx, str subject, str name)
{
    if (subject.n == 0)
        return NULL;
    CommonEnrichedIdentity *m = pb_new(cx->mem, CommonEnrichedIdentity);
    m->principal_case = CommonEnrichedIdentity_user_tag;
    m->user = pb_new(cx->mem, CommonUser);
    m->user->id = pb_new(cx->mem, CommonUserIdentifier);
    m->user->id->subject = subject;
    m->user->spec = pb_new(cx->mem, CommonUserSpec);
    m->user->spec->user_handle = name;
    m->user->spec->first_name = name;
    return m;
}

WorkflowClusterEvent *service_cluster_event(struct ctx *cx, const struct store_event *e)
{
    WorkflowClusterEvent *m = pb_new(cx->mem, WorkflowClusterEvent);
    m->occurred_at = service_timestamp(cx, e->time_ns);
    m->message = e->message;
    m->reason = e->reason;
    m->type = e->kind;
    m->source_component = STR("tern");
    m->count = 1;
    return m;
}
