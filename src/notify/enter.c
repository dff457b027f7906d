/* What changes of runs and conditions put into the outbox. Write entries. */
#include "app.h"
#include "base/random.h"
#include "base/time.h"
#include "lane/lane.h"
#include "notify/notify_int.h"
#include "store/spec.h"

#define TOKEN_CHARS 40
#define SERVER_MAIL INT64_C(1)

#define BIT(phase) (UINT32_C(1) << (phase))
#define ENDS                                                                                                           \
    (BIT(COMMON_ACTION_PHASE_SUCCEEDED) | BIT(COMMON_ACTION_PHASE_FAILED) | BIT(COMMON_ACTION_PHASE_ABORTED) |         \
     BIT(COMMON_ACTION_PHASE_TIMED_OUT))

str notify_phase_name(int32_t phase)
{
    static const char *const names[] = {[COMMON_ACTION_PHASE_SUCCEEDED] = "SUCCEEDED",
                                        [COMMON_ACTION_PHASE_FAILED] = "FAILED",
                                        [COMMON_ACTION_PHASE_ABORTED] = "ABORTED",
                                        [COMMON_ACTION_PHASE_TIMED_OUT] = "TIMED_OUT",
                                        [COMMON_ACTION_PHASE_PAUSED] = "PAUSED"};
    return phase >= 0 && (size_t)phase < sizeof(names) / sizeof(*names) ? str_from(names[phase]) : STR("");
}

static uint32_t phases_of(const TaskInlineRule *r)
{
    uint32_t bits = 0;
    for (size_t i = 0; i < r->on_phases.n; i++)
        if (r->on_phases.p[i] > 0 && r->on_phases.p[i] <= COMMON_ACTION_PHASE_PAUSED)
            bits |= BIT(r->on_phases.p[i]);
    return bits;
}

/* What a name means is looked up when it happens. */
uint32_t notify_phases(const TaskRunSpec *spec)
{
    uint32_t bits = 0;
    if (spec->notification_settings_case == TaskRunSpec_notification_rule_name_tag)
        return spec->notification_rule_name.n ? ENDS | BIT(COMMON_ACTION_PHASE_PAUSED) : 0;
    if (spec->notification_settings_case != TaskRunSpec_notification_rules_tag)
        return 0;
    for (size_t i = 0; i < spec->notification_rules->rules.n; i++)
        bits |= phases_of(spec->notification_rules->rules.p[i]);
    return bits;
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

static int64_t hash(str s)
{
    return (int64_t)(str_hash(s) >> 1);
}

/* Scheme, host and port as written; a place in them stays as it is. */
int64_t notify_server(const NotificationWebhookDeliveryTemplate *webhook)
{
    size_t scheme = str_find(webhook->url, STR("://"));
    str rest = str_skip(webhook->url, scheme == SIZE_MAX ? 0 : scheme + 3);
    size_t slash = str_find_char(rest, '/');
    return hash(str_head(webhook->url, slash == SIZE_MAX ? SIZE_MAX : (size_t)(rest.p - webhook->url.p) + slash));
}

static void poke(void *arg, uint64_t id)
{
    (void)id;
    notify_poke(arg);
}

static enum code add(struct ctx *cx, struct store_outbox row)
{
    bool added;
    row.created_ns = row.due_ns = time_wall_ns();
    TRY(store_outbox_add(cx, &row, &added));
    if (added && cx->app && cx->app->notify)
        lane_after_commit(cx, poke, cx->app->notify, 0);
    return CODE_OK;
}

/* A row for each way the template names; template NULL: the name means nothing, which the row tells when it is due. */
static enum code add_delivery(struct ctx *cx, struct store_outbox row,
                              const NotificationDeliveryConfigTemplate *template)
{
    if (!template)
        return add(cx, row);
    if (template->webhook) {
        row.channel = STORE_OUTBOX_WEBHOOK;
        row.server = notify_server(template->webhook);
        TRY(add(cx, row));
    }
    if (template->email) {
        row.channel = STORE_OUTBOX_EMAIL;
        row.server = SERVER_MAIL;
        TRY(add(cx, row));
    }
    return CODE_OK;
}

static enum code add_config(struct ctx *cx, struct store_outbox row, const struct store_run *run, str name)
{
    const struct notify_settings *s = notify_settings_of(cx->app);
    const struct notify_delivery *d = s ? notify_named_delivery(&s->named, run, name) : NULL;
    row.config = name;
    return add_delivery(cx, row, d ? d->template : NULL);
}

/* ---- rules ------------------------------------------------------------------------------------------------------- */

static enum code by_name(struct ctx *cx, struct store_outbox row, const struct store_run *run, str name)
{
    const struct notify_settings *s = notify_settings_of(cx->app);
    const struct notify_rule *r = s ? notify_named_rule(&s->named, run, name) : NULL;
    if (!r && row.phase == COMMON_ACTION_PHASE_PAUSED)
        return CODE_OK; /* it is said when the run ends, once */
    if (!r)
        return add_delivery(cx, row, NULL);
    for (size_t i = 0; r->phases & BIT(row.phase) && i < r->delivery_count; i++) {
        row.rule = (int32_t)i;
        TRY(add_config(cx, row, run, r->deliveries[i]));
    }
    return CODE_OK;
}

static enum code by_rules(struct ctx *cx, struct store_outbox row, const struct store_run *run,
                          const TaskInlineRuleList *list)
{
    for (size_t i = 0; i < list->rules.n && i < NOTIFY_RULES_MAX; i++) {
        const TaskInlineRule *r = list->rules.p[i];
        row.rule = (int32_t)i;
        if (!(phases_of(r) & BIT(row.phase)))
            continue;
        if (r->delivery_case == TaskInlineRule_delivery_config_name_tag)
            TRY(add_config(cx, row, run, r->delivery_config_name));
        else if (r->delivery_case == TaskInlineRule_delivery_template_tag)
            TRY(add_delivery(cx, row, r->delivery_template));
    }
    return CODE_OK;
}

enum code notify_phase(struct ctx *cx, const struct store_run *run, const struct store_action *a)
{
    bool paused = a->type == WORKFLOW_ACTION_TYPE_CONDITION && a->phase == COMMON_ACTION_PHASE_PAUSED;
    struct store_outbox row = {.action_id = a->id, .phase = a->phase};
    struct store_spec *s;
    void *msg;
    if (!paused && (a->parent_id || !(ENDS & BIT(a->phase))))
        return CODE_OK;
    TRY(store_spec_get(cx, run->spec_id, &s));
    TRY(pb_decode(cx, &TaskRunSpec_type, s->body, &msg));
    const TaskRunSpec *spec = msg;
    if (spec->notification_settings_case == TaskRunSpec_notification_rule_name_tag)
        return by_name(cx, row, run, spec->notification_rule_name);
    if (spec->notification_settings_case == TaskRunSpec_notification_rules_tag)
        return by_rules(cx, row, run, spec->notification_rules);
    return CODE_OK;
}

/* ---- conditions -------------------------------------------------------------------------------------------------- */

enum code notify_condition(struct ctx *cx, const struct store_action *a, const WorkflowConditionAction *c)
{
    char token[TOKEN_CHARS + 1];
    if (!c->webhook || a->phase != COMMON_ACTION_PHASE_PAUSED)
        return CODE_OK;
    const NotificationWebhookDeliveryTemplate w = {.url = c->webhook->url};
    random_text(token, TOKEN_CHARS, STR("bcdfghjklmnpqrstvwxz2456789"));
    return add(cx, (struct store_outbox){.action_id = a->id,
                                         .phase = a->phase,
                                         .rule = STORE_OUTBOX_CONDITION,
                                         .channel = STORE_OUTBOX_WEBHOOK,
                                         .server = notify_server(&w),
                                         .token = str_make(token, TOKEN_CHARS)});
}

enum code notify_find_answer(struct ctx *cx, str path, uint64_t *action_id)
{
    str id, token;
    bool ok = str_cut(path, '-', &id, &token) && str_to_u64(id, action_id) && *action_id <= INT64_MAX;
    if (ok)
        TRY(store_outbox_has_token(cx, *action_id, token, &ok));
    return ok ? CODE_OK : fail(cx, CODE_NOT_FOUND, "no condition waits for an answer here");
}
