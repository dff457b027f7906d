/* The buf.validate rules of the IDL, from the tables that tools/pb_rules.py writes. The first violation, in the order
 * of the fields, is the error. Types without rules inside are not walked. Any thread. */
#include "pb/pb.h"

#include "gen/flyteidl2_common.h"
#include "gen/flyteidl2_core.h"
#include "gen/flyteidl2_notification.h"
#include "gen/flyteidl2_task.h"
#include "gen/google_protobuf.h"
#include "pb/enum_int.h"
#include "pb/pb_int.h"
#include "pb/uri_int.h"

#include <stdio.h>

#define PATH_MAX_BYTES 160

/* One step of the path to the value in hand: a name, and an index or key behind it. */
struct step {
    const struct step *up;
    str name;
    enum { STEP_PLAIN, STEP_INDEX, STEP_KEY } form;
    size_t index;
    const struct pb_field *key_field;
    const void *key;
};

static enum code check_message(struct ctx *cx, const struct pb_type *t, const void *msg, const struct step *up);

/* ---- the path of a violation ------------------------------------------------------------------------------------ */

static void put_step(buf *b, const struct step *s)
{
    if (s->up) {
        put_step(b, s->up);
        if (s->name.n && b->n)
            buf_char(b, '.');
    }
    buf_str(b, s->name);
    if (s->form == STEP_INDEX)
        buf_printf(b, "[%zu]", s->index);
    else if (s->form == STEP_KEY && s->key_field->kind == PB_STRING)
        buf_printf(b, "[\"" STR_FMT "\"]", STR_ARG(str_head(*(const str *)s->key, 40)));
    else if (s->form == STEP_KEY)
        buf_str(b, STR("[...]"));
}

static enum code violated(struct ctx *cx, const struct step *s, str text)
{
    buf path;
    buf_init(&path, SIZE_MAX / 2);
    if (s)
        put_step(&path, s);
    str shown = buf_view(&path);
    enum code code = fail(cx, CODE_INVALID_ARGUMENT, STR_FMT "%s" STR_FMT, STR_ARG(str_head(shown, PATH_MAX_BYTES)),
                          shown.n ? ": " : "", STR_ARG(text));
    buf_done(&path);
    return code;
}

static enum code violated_n(struct ctx *cx, const struct step *s, const char *before, uint64_t n, const char *after)
{
    char text[96];
    int len = snprintf(text, sizeof(text), "%s %llu %s%s", before, (unsigned long long)n, after, n == 1 ? "" : "s");
    return violated(cx, s, (str){text, (size_t)len});
}

/* ---- expressions of the IDL ------------------------------------------------------------------------------------- */

static bool paused_rule_exclusive(const void *value)
{
    const TaskInlineRule *m = value;
    for (size_t i = 0; i < m->on_phases.n; i++) {
        if (m->on_phases.p[i] == COMMON_ACTION_PHASE_PAUSED)
            return m->on_phases.n == 1;
    }
    return true;
}

static bool at_least_one_required(const void *value)
{
    const NotificationDeliveryConfigTemplate *m = value;
    return m->webhook || m->email;
}

static bool relation_type_greater_than_zero(const void *value)
{
    return *(const int32_t *)value > 0;
}

static bool queue_domain_project(const void *value)
{
    const CommonQueueIdentifier *m = value;
    return m->domain.n != 0 || m->project.n == 0;
}

static bool reuse_policy_replica_bounds(const void *value)
{
    const CoreReusePolicy *m = value;
    return m->max_replicas >= m->min_replicas;
}

static bool backoff_cap_required(const void *value)
{
    const CoreBackoff *m = value;
    return !m->has_factor || m->factor <= 1.0 || m->cap;
}

static const struct {
    const char *id, *text;
    bool (*holds)(const void *value);
} expressions[] = {
    {"at_least_one_required", "one of webhook and email must be set", at_least_one_required},
    {"backoff.cap_required_when_factor_gt_1", "cap is required when factor is over 1", backoff_cap_required},
    {"paused_rule_exclusive", "a rule for PAUSED must not be for other phases too", paused_rule_exclusive},
    {"queue_identifier.domain_project_combination", "a project needs a domain", queue_domain_project},
    {"relation_type.greater_than_zero", "must not be UNSPECIFIED", relation_type_greater_than_zero},
    {"reuse_policy.replica_bounds", "max_replicas must not be less than min_replicas", reuse_policy_replica_bounds},
};

static enum code check_expression(struct ctx *cx, const char *id, const void *value, const struct step *s)
{
    for (size_t i = 0; i < sizeof(expressions) / sizeof(expressions[0]); i++) {
        if (strcmp(id, expressions[i].id) == 0)
            return expressions[i].holds(value) ? CODE_OK : violated(cx, s, str_from(expressions[i].text));
    }
    return fail(cx, CODE_INTERNAL, "no code for the rule %s", id);
}

/* ---- patterns of the IDL ---------------------------------------------------------------------------------------- */

/* Characters of a set, the first and the last of a smaller one, so many of them. */
static const struct pattern {
    const char *text, *set, *ends;
    size_t min, max;
} patterns[] = {
    {"^[-a-zA-Z0-9_]+$", "-_aA0", "-_aA0", 1, SIZE_MAX},
    {"^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$", "-aA0", "aA0", 1, 63},
    {"^[A-Za-z0-9._-]*$", "-._aA0", "-._aA0", 0, SIZE_MAX},
    {"^[A-Za-z0-9._-]+$", "-._aA0", "-._aA0", 1, SIZE_MAX},
    {"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", "-a0", "a0", 1, SIZE_MAX},
};

/* In a set, 'a', 'A' and '0' stand for all letters and digits. */
static bool in_set(const char *set, char c)
{
    char stands = c;
    if (c >= 'a' && c <= 'z')
        stands = 'a';
    else if (c >= 'A' && c <= 'Z')
        stands = 'A';
    else if (c >= '0' && c <= '9')
        stands = '0';
    return stands && strchr(set, stands);
}

static bool pattern_matches(const struct pattern *p, str s)
{
    if (s.n < p->min || s.n > p->max)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (!in_set(i == 0 || i == s.n - 1 ? p->ends : p->set, s.p[i]))
            return false;
    }
    return true;
}

static enum code check_pattern(struct ctx *cx, const char *text, str value, const struct step *s)
{
    for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
        if (strcmp(text, patterns[i].text) != 0)
            continue;
        char words[96];
        int n = snprintf(words, sizeof(words), "must match %s", text);
        return pattern_matches(&patterns[i], value) ? CODE_OK : violated(cx, s, (str){words, (size_t)n});
    }
    return fail(cx, CODE_INTERNAL, "no code for the pattern %s", text);
}

/* ---- values ----------------------------------------------------------------------------------------------------- */

static uint64_t characters(str s)
{
    uint64_t n = 0;
    for (size_t i = 0; i < s.n; i++)
        n += ((uint8_t)s.p[i] & 0xc0) != 0x80;
    return n;
}

static enum code check_length(struct ctx *cx, const struct pb_rule *r, str value, const struct step *s)
{
    bool bytes = r->op == PB_RULE_BYTES || r->op == PB_RULE_MIN_BYTES || r->op == PB_RULE_MAX_BYTES;
    uint64_t n = bytes ? value.n : characters(value);
    const char *unit = bytes ? "byte" : "character";
    if (r->op == PB_RULE_LEN || r->op == PB_RULE_BYTES)
        return n == r->u ? CODE_OK : violated_n(cx, s, "must have exactly", r->u, unit);
    if (r->op == PB_RULE_MAX_LEN || r->op == PB_RULE_MAX_BYTES)
        return n <= r->u ? CODE_OK : violated_n(cx, s, "must have at most", r->u, unit);
    if (n >= r->u)
        return CODE_OK;
    return r->u == 1 ? violated(cx, s, STR("must not be empty")) : violated_n(cx, s, "must have at least", r->u, unit);
}

/* -1, 0, 1; 2 when the two have no order (NaN). */
static int compare_bound(const struct pb_field *f, const void *slot, const struct pb_rule *r)
{
    int64_t i;
    double d;
    const GoogleProtobufDuration *m;
    switch (f->kind) {
    case PB_MESSAGE: /* a Duration; what is too long for nanoseconds is too long for every bound */
        m = *(const void *const *)slot;
        if (__builtin_mul_overflow(m->seconds, INT64_C(1000000000), &i) || __builtin_add_overflow(i, m->nanos, &i))
            i = m->seconds < 0 ? INT64_MIN : INT64_MAX;
        return (i > r->i) - (i < r->i);
    case PB_FLOAT:
    case PB_DOUBLE:
        d = f->kind == PB_FLOAT ? (double)*(const float *)slot : *(const double *)slot;
        return d != d ? 2 : (d > r->f) - (d < r->f);
    case PB_UINT32:
    case PB_FIXED32:
        return (*(const uint32_t *)slot > r->u) - (*(const uint32_t *)slot < r->u);
    case PB_UINT64:
    case PB_FIXED64:
        return (*(const uint64_t *)slot > r->u) - (*(const uint64_t *)slot < r->u);
    default:
        i = pb_kind_size[f->kind] == 4 ? *(const int32_t *)slot : *(const int64_t *)slot;
        return (i > r->i) - (i < r->i);
    }
}

static enum code check_bound(struct ctx *cx, const struct pb_rule *r, const struct pb_field *f, const void *slot,
                             const struct step *s)
{
    static const char *const words[] = {"less than", "at most", "greater than", "at least"};
    int order = compare_bound(f, slot, r);
    bool holds = order == 2             ? false
                 : r->op == PB_RULE_LT  ? order < 0
                 : r->op == PB_RULE_LTE ? order <= 0
                 : r->op == PB_RULE_GT  ? order > 0
                                        : order >= 0;
    if (holds)
        return CODE_OK;
    char text[96];
    const char *word = words[r->op - PB_RULE_LT];
    int n;
    if (f->kind == PB_MESSAGE)
        n = snprintf(text, sizeof(text), "must be %s %.9g seconds", word, (double)r->i / 1e9);
    else if (f->kind == PB_FLOAT || f->kind == PB_DOUBLE)
        n = snprintf(text, sizeof(text), "must be %s %.9g", word, r->f);
    else
        n = snprintf(text, sizeof(text), "must be %s %lld", word, (long long)r->i);
    return violated(cx, s, (str){text, (size_t)n});
}

static enum code check_enum(struct ctx *cx, const struct pb_rule *r, const struct pb_field *f, int32_t value,
                            const struct step *s)
{
    const struct pb_enum_value *v = pb_enum_by_number(f->enums, value);
    bool listed = false;
    for (int32_t i = 1; r->op != PB_RULE_DEFINED && i <= r->list[0]; i++)
        listed |= r->list[i] == value;
    if (r->op == PB_RULE_DEFINED ? v != NULL : listed == (r->op == PB_RULE_IN))
        return CODE_OK;
    char text[96];
    str name = v ? pb_enum_value_name(f->enums, v) : STR("");
    int n = v ? snprintf(text, sizeof(text), "must not be " STR_FMT, STR_ARG(name))
              : snprintf(text, sizeof(text), "unknown enum value %d", (int)value);
    return violated(cx, s, (str){text, (size_t)n});
}

/* One rule on one value, which is there. */
static enum code check_value(struct ctx *cx, const struct pb_rule *r, const struct pb_field *f, const void *slot,
                             const struct step *s)
{
    switch ((enum pb_rule_op)r->op) {
    case PB_RULE_LEN:
    case PB_RULE_MIN_LEN:
    case PB_RULE_MAX_LEN:
    case PB_RULE_BYTES:
    case PB_RULE_MIN_BYTES:
    case PB_RULE_MAX_BYTES:
        return check_length(cx, r, *(const str *)slot, s);
    case PB_RULE_PATTERN:
        return check_pattern(cx, r->s, *(const str *)slot, s);
    case PB_RULE_URI:
        return pb_uri_is_valid(*(const str *)slot) ? CODE_OK : violated(cx, s, STR("must be a URI"));
    case PB_RULE_LT:
    case PB_RULE_LTE:
    case PB_RULE_GT:
    case PB_RULE_GTE:
        return check_bound(cx, r, f, slot, s);
    case PB_RULE_DEFINED:
    case PB_RULE_IN:
    case PB_RULE_NOT_IN:
        return check_enum(cx, r, f, *(const int32_t *)slot, s);
    case PB_RULE_CEL:
        return check_expression(cx, r->s, f->kind == PB_MESSAGE ? *(const void *const *)slot : slot, s);
    case PB_RULE_NOT_INSIDE:
    case PB_RULE_ZERO_OK:
    case PB_RULE_REQUIRED:
    case PB_RULE_ONEOF:
    case PB_RULE_MIN_ITEMS:
    case PB_RULE_MAX_ITEMS:
    case PB_RULE_MIN_PAIRS:
    case PB_RULE_MAX_PAIRS:
    case PB_RULE_UNIQUE:
        break;
    }
    return CODE_OK;
}

/* ---- fields ----------------------------------------------------------------------------------------------------- */

/* Rules of a field: rules[0..n). */
struct group {
    const struct pb_rule *rules;
    size_t n;
};

static bool has_rule(struct group g, enum pb_rule_op op)
{
    for (size_t i = 0; i < g.n; i++) {
        if (g.rules[i].op == op)
            return true;
    }
    return false;
}

static enum code check_rules_on(struct ctx *cx, struct group g, enum pb_rule_on on, const struct pb_field *f,
                                const void *slot, const struct step *s)
{
    for (size_t i = 0; i < g.n; i++) {
        if (g.rules[i].on == on)
            TRY(check_value(cx, &g.rules[i], f, slot, s));
    }
    return CODE_OK;
}

static enum code check_inside(struct ctx *cx, const struct pb_field *f, const void *slot, struct group g,
                              const struct step *s)
{
    const void *msg = f->kind == PB_MESSAGE ? *(const void *const *)slot : NULL;
    if (!msg || !pb_type_is_checked(f->type) || has_rule(g, PB_RULE_NOT_INSIDE))
        return CODE_OK;
    return check_message(cx, f->type, msg, s);
}

/* Elements in pairs: the rules of the items, checked before, keep the number of different ones small. */
static bool is_unique(const struct pb_field *f, const struct pb_array *a)
{
    size_t step = pb_kind_size[f->kind];
    for (size_t i = 1; i < a->n; i++) {
        for (size_t j = 0; j < i; j++) {
            if (memcmp((const char *)a->p + i * step, (const char *)a->p + j * step, step) == 0)
                return false;
        }
    }
    return true;
}

static enum code check_count(struct ctx *cx, const struct pb_rule *r, const struct pb_field *f,
                             const struct pb_array *a, const struct step *s)
{
    const char *unit = f->shape == PB_MAP ? "pair" : "item";
    if ((r->op == PB_RULE_MIN_ITEMS || r->op == PB_RULE_MIN_PAIRS) && a->n < r->u)
        return violated_n(cx, s, "must have at least", r->u, unit);
    if ((r->op == PB_RULE_MAX_ITEMS || r->op == PB_RULE_MAX_PAIRS) && a->n > r->u)
        return violated_n(cx, s, "must have at most", r->u, unit);
    if (r->op == PB_RULE_UNIQUE && !is_unique(f, a))
        return violated(cx, s, STR("must not repeat a value"));
    return CODE_OK;
}

static enum code check_array(struct ctx *cx, const struct pb_field *f, const struct pb_array *a, struct group g,
                             struct step *s)
{
    for (size_t i = 0; i < g.n; i++) {
        if (g.rules[i].op != PB_RULE_UNIQUE)
            TRY(check_count(cx, &g.rules[i], f, a, s));
    }
    s->form = STEP_INDEX;
    for (s->index = 0; s->index < a->n; s->index++) {
        const void *slot = (const char *)a->p + s->index * pb_kind_size[f->kind];
        TRY(check_rules_on(cx, g, PB_RULE_ON_ITEM, f, slot, s));
        TRY(check_inside(cx, f, slot, g, s));
    }
    s->form = STEP_PLAIN;
    for (size_t i = 0; i < g.n; i++)
        TRY(check_count(cx, &g.rules[i], f, a, s));
    return CODE_OK;
}

static enum code check_map(struct ctx *cx, const struct pb_field *f, const struct pb_array *a, struct group g,
                           struct step *s)
{
    const struct pb_field *key = &f->type->fields[0], *value = &f->type->fields[1];
    for (size_t i = 0; i < g.n; i++)
        TRY(check_count(cx, &g.rules[i], f, a, s));
    s->form = STEP_KEY;
    s->key_field = key;
    for (size_t i = 0; i < a->n; i++) {
        const char *entry = (const char *)a->p + i * f->type->size;
        s->key = pb_slot_const(key, entry);
        TRY(check_rules_on(cx, g, PB_RULE_ON_KEY, key, s->key, s));
        TRY(check_rules_on(cx, g, PB_RULE_ON_MAP_VALUE, value, pb_slot_const(value, entry), s));
        TRY(check_inside(cx, value, pb_slot_const(value, entry), g, s));
    }
    return CODE_OK;
}

static enum code check_field(struct ctx *cx, const struct pb_type *t, const struct pb_field *f, const void *msg,
                             struct group g, const struct step *up)
{
    struct step s = {.up = up, .name = pb_field_name(t, f)};
    const void *slot = pb_slot_const(f, msg);
    for (size_t i = 0; i < g.n; i++) {
        const struct pb_rule *r = &g.rules[i];
        if (r->op == PB_RULE_ONEOF && *(const int32_t *)(const void *)((const char *)msg + f->has) == 0)
            return violated(cx, &(struct step){.up = up, .name = str_from(r->s)},
                            STR("one of its members must be set"));
    }
    if (!pb_present(f, msg)) {
        bool absent = f->shape == PB_ONEOF || f->shape == PB_OPTIONAL || f->kind == PB_MESSAGE;
        if (has_rule(g, PB_RULE_REQUIRED))
            return violated(cx, &s, STR("is required"));
        if (has_rule(g, PB_RULE_ZERO_OK) || (absent && f->shape != PB_REPEATED && f->shape != PB_MAP))
            return CODE_OK;
    }
    if (f->shape == PB_MAP)
        return check_map(cx, f, slot, g, &s);
    if (f->shape == PB_REPEATED)
        return check_array(cx, f, slot, g, &s);
    TRY(check_rules_on(cx, g, PB_RULE_ON_VALUE, f, slot, &s));
    return check_inside(cx, f, slot, g, &s);
}

static enum code check_message(struct ctx *cx, const struct pb_type *t, const void *msg, const struct step *up)
{
    size_t rules = 0;
    for (const struct pb_check *c = t->checks, *end = c + t->check_n; c < end; c++) {
        const struct pb_field *f = &t->fields[c->field];
        rules += c->n;
        if (c->n || pb_present(f, msg))
            TRY(check_field(cx, t, f, msg, (struct group){t->rules + c->first, c->n}, up));
    }
    for (; rules < t->rule_n; rules++)
        TRY(check_expression(cx, t->rules[rules].s, msg, up));
    return CODE_OK;
}

enum code pb_validate(struct ctx *cx, const struct pb_type *type, const void *msg)
{
    return pb_type_is_checked(type) ? check_message(cx, type, msg, NULL) : CODE_OK;
}
