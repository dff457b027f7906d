/* Filters of WatchActions. See action_filter.h. */
#include "service/action_filter.h"

/* ---- what the client asks for ------------------------------------------------------------------------------------ */

static enum code check_phases(struct ctx *cx, const CommonFilter *f)
{
    int64_t phase;
    for (size_t i = 0; i < f->values.n; i++)
        if (!str_to_i64(f->values.p[i], &phase))
            return fail(cx, CODE_INVALID_ARGUMENT, "filter: PHASE: \"" STR_FMT "\" is not a number",
                        STR_ARG(f->values.p[i]));
    return CODE_OK;
}

enum code service_action_filter_parse(struct ctx *cx, const WorkflowWatchActionsRequest *req,
                                      struct service_action_filter *out)
{
    *out = (struct service_action_filter){0};
    for (size_t i = 0; i < req->filter.n; i++) {
        const CommonFilter *f = req->filter.p[i];
        if (str_eq_nocase(f->field, STR("PHASE")) && f->function == COMMON_FILTER_FUNCTION_VALUE_IN) {
            TRY(check_phases(cx, f));
            out->phases = f->values.p;
            out->phase_count = f->values.n;
        } else if (str_eq_nocase(f->field, STR("NAME")) &&
                   f->function == COMMON_FILTER_FUNCTION_CONTAINS_CASE_INSENSITIVE && f->values.n) {
            out->name = f->values.p[0];
        } else {
            return fail(cx, CODE_INVALID_ARGUMENT,
                        "filter: only PHASE with VALUE_IN and NAME with CONTAINS_CASE_INSENSITIVE are known");
        }
    }
    return CODE_OK;
}

bool service_action_filter_is_all(const struct service_action_filter *f)
{
    return f->phase_count == 0 && f->name.n == 0;
}

static bool contains_nocase(str s, str part)
{
    for (size_t i = 0; i + part.n <= s.n; i++)
        if (str_eq_nocase(str_make(s.p + i, part.n), part))
            return true;
    return false;
}

static str short_name(const struct store_action *a)
{
    str name = a->short_name.n ? a->short_name : a->function_name.n ? a->function_name : a->name;
    size_t dot = str_rfind_char(name, '.');
    return dot == SIZE_MAX ? name : str_skip(name, dot + 1);
}

bool service_action_filter_matches(const struct service_action_filter *f, const struct store_action *a)
{
    int64_t phase;
    bool found = f->phase_count == 0;
    for (size_t i = 0; i < f->phase_count && !found; i++)
        found = str_to_i64(f->phases[i], &phase) && phase == a->phase;
    return found && contains_nocase(short_name(a), f->name);
}

/* ---- what is shown ----------------------------------------------------------------------------------------------- */

/* Of a count: the action itself matches. */
#define MATCHES (UINT32_C(1) << 31)

static size_t ordinal(uint64_t id)
{
    return (size_t)(id & ((UINT64_C(1) << STORE_ACTION_BITS) - 1));
}

static uint32_t *count_of(struct arena *mem, struct service_action_shown *s, uint64_t id)
{
    size_t at = ordinal(id), cap = s->cap ? s->cap : 64;
    while (cap <= at)
        cap *= 2;
    if (cap > s->cap) {
        s->counts = arena_grow(mem, s->counts, s->cap * sizeof(*s->counts), cap * sizeof(*s->counts));
        s->cap = cap;
    }
    return &s->counts[at];
}

bool service_action_shown_is(const struct service_action_shown *s, uint64_t id)
{
    size_t at = ordinal(id);
    return at < s->cap && s->counts[at] != 0;
}

bool service_action_shown_set(struct arena *mem, struct service_action_shown *s, uint64_t id, bool matches)
{
    uint32_t *count = count_of(mem, s, id);
    if (((*count & MATCHES) != 0) == matches)
        return false;
    *count ^= MATCHES;
    return true;
}

void service_action_shown_add(struct arena *mem, struct service_action_shown *s, uint64_t id, bool matches)
{
    uint32_t *count = count_of(mem, s, id);
    *count = matches ? *count + 1 : *count - 1;
}
