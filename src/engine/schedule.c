/* Schedules. See schedule.h. */
#include "engine/schedule.h"

#include "base/time.h"
#include "gen/google_protobuf.h"

#define HOUR_S INT64_C(3600)
#define DAY_S (24 * HOUR_S)
#define PERIOD_MAX_S (3660 * DAY_S)

/* ---- reading ---------------------------------------------------------------------------------------------------- */

static enum code check_period(struct ctx *cx, const char *field, int64_t period_s)
{
    if (period_s < 1 || period_s > PERIOD_MAX_S)
        return fail(cx, CODE_INVALID_ARGUMENT, "%s: the period must be between a second and ten years", field);
    return CODE_OK;
}

static enum code read_rate(struct ctx *cx, const TaskFixedRate *r, struct engine_schedule *out)
{
    static const int64_t units[] = {
        [TASK_FIXED_RATE_UNIT_MINUTE] = 60, [TASK_FIXED_RATE_UNIT_HOUR] = HOUR_S, [TASK_FIXED_RATE_UNIT_DAY] = DAY_S};
    const char *field = "automation_spec.schedule.rate";
    if (r->unit < TASK_FIXED_RATE_UNIT_MINUTE || r->unit > TASK_FIXED_RATE_UNIT_DAY)
        return fail(cx, CODE_INVALID_ARGUMENT, "%s.unit: one of MINUTE, HOUR, DAY", field);
    out->period_s = r->value * units[r->unit];
    TRY(check_period(cx, field, out->period_s));
    if (!r->start_time)
        return CODE_OK;
    if (r->start_time->seconds < 0 || r->start_time->seconds > INT64_MAX / NS_PER_S / 2)
        return fail(cx, CODE_INVALID_ARGUMENT, "%s.start_time: must be between 1970 and 2116", field);
    out->anchor_s = r->start_time->seconds;
    out->from_anchor = true;
    return CODE_OK;
}

/* "CRON_TZ=Europe/Berlin 0 9 * * *", the deprecated form. */
static enum code read_prefixed(struct ctx *cx, str text, struct engine_schedule *out)
{
    const char *field = "automation_spec.schedule.cron_expression";
    str zone = STR(""), prefix, rest = str_trim(text);
    if (str_starts(rest, STR("CRON_TZ=")) || str_starts(rest, STR("TZ="))) {
        if (!str_cut(rest, ' ', &prefix, &rest))
            return fail(cx, CODE_INVALID_ARGUMENT, "%s: nothing follows the time zone", field);
        zone = str_skip(prefix, str_find_char(prefix, '=') + 1);
    }
    return engine_cron_parse(cx, field, rest, zone, &out->cron);
}

enum code engine_schedule_read(struct ctx *cx, const TaskSchedule *s, int64_t activated_ns, struct engine_schedule *out)
{
    struct engine_schedule made = {.anchor_s = activated_ns / NS_PER_S};
    switch (s->expression_case) {
    case TaskSchedule_rate_tag:
        TRY(read_rate(cx, s->rate, &made));
        break;
    case TaskSchedule_cron_expression_tag:
        TRY(read_prefixed(cx, s->cron_expression, &made));
        break;
    case TaskSchedule_cron_tag:
        TRY(engine_cron_parse(cx, "automation_spec.schedule.cron", s->cron->expression, s->cron->timezone, &made.cron));
        break;
    default:
        return fail(cx, CODE_INVALID_ARGUMENT, "automation_spec.schedule: one of rate, cron is required");
    }
    if (made.cron.every_s) {
        made.period_s = made.cron.every_s;
        TRY(check_period(cx, "automation_spec.schedule.cron", made.period_s));
    }
    *out = made;
    return CODE_OK;
}

/* ---- slots ------------------------------------------------------------------------------------------------------ */

bool engine_schedule_next(const struct engine_schedule *s, int64_t after_s, int64_t *out)
{
    if (!s->period_s)
        return engine_cron_next(&s->cron, after_s, out);
    if (after_s < s->anchor_s)
        *out = s->from_anchor ? s->anchor_s : s->anchor_s + s->period_s;
    else
        *out = s->anchor_s + ((after_s - s->anchor_s) / s->period_s + 1) * s->period_s;
    return true;
}

/* Slots in [from, until] into a ring of max; how many there are. */
static size_t collect(const struct engine_schedule *s, int64_t from_s, int64_t until_s, size_t max, int64_t *ring)
{
    size_t n = 0;
    for (int64_t at = from_s - 1; engine_schedule_next(s, at, &at) && at <= until_s; n++)
        ring[n % max] = at;
    return n;
}

/* Looks back from the end, twice as far each time, so that a year of minutes is not walked through for its last ten. */
size_t engine_schedule_last(const struct engine_schedule *s, int64_t from_s, int64_t until_s, size_t max, int64_t *out)
{
    int64_t ring[ENGINE_SCHEDULE_MISSED_MAX], span = HOUR_S;
    size_t n = 0;
    max = max < ENGINE_SCHEDULE_MISSED_MAX ? max : ENGINE_SCHEDULE_MISSED_MAX;
    if (!max || from_s > until_s)
        return 0;
    for (bool all = false; !all && n < max; span *= 2) {
        all = span > until_s - from_s;
        n = collect(s, all ? from_s : until_s - span, until_s, max, ring);
    }
    size_t kept = n < max ? n : max;
    for (size_t i = 0; i < kept; i++)
        out[i] = ring[(n - kept + i) % max];
    return kept;
}

str engine_schedule_run_name(struct arena *mem, str project, str domain, str task, str trigger, int64_t slot_s)
{
    struct time_civil t;
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    time_to_civil(slot_s, &t);
    str text = arena_printf(mem, STR_FMT ":" STR_FMT ":" STR_FMT ":" STR_FMT ":%lld:%d:%d:%d:%d:%d", STR_ARG(project),
                            STR_ARG(domain), STR_ARG(task), STR_ARG(trigger), (long long)t.year, t.month, t.day, t.hour,
                            t.minute, t.second);
    for (size_t i = 0; i < text.n; i++) /* FNV-1, not 1a */
        hash = hash * UINT64_C(0x100000001b3) ^ (unsigned char)text.p[i];
    return arena_printf(mem, "r%llx", (unsigned long long)hash);
}
