/* Cron expressions. See cron.h. */
#include "engine/cron.h"

#include "base/time.h"

#define DAY_S INT64_C(86400)
#define EXPRESSION_MAX 256
#define YEARS 9 /* 29 February comes again after eight years at the latest */

/* ---- parsing ---------------------------------------------------------------------------------------------------- */

static const char *const month_names[] = {"jan", "feb", "mar", "apr", "may", "jun",
                                          "jul", "aug", "sep", "oct", "nov", "dec"};
static const char *const weekday_names[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

static const struct field {
    const char *what;
    unsigned low, high;
    const char *const *names; /* of low and what follows */
} fields[] = {
    {"minute", 0, 59, NULL},
    {"hour", 0, 23, NULL},
    {"day of month", 1, 31, NULL},
    {"month", 1, 12, month_names},
    {"day of week", 0, 6, weekday_names},
};
enum { MINUTE, HOUR, DAY, MONTH, WEEKDAY, FIELDS };

static const struct {
    const char *name, *expression;
} macros[] = {
    {"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"}, {"@monthly", "0 0 1 * *"}, {"@weekly", "0 0 * * 0"},
    {"@daily", "0 0 * * *"},  {"@midnight", "0 0 * * *"}, {"@hourly", "0 * * * *"},
};

struct parsed {
    uint64_t bits;
    bool any; /* does not restrict */
};

static bool parse_value(const struct field *f, str s, unsigned *out)
{
    uint64_t v;
    if (s.n >= 1 && s.n <= 3 && s.p[0] >= '0' && s.p[0] <= '9' && str_to_u64(s, &v)) {
        *out = (unsigned)v;
        return v >= f->low && v <= f->high;
    }
    for (unsigned i = 0; f->names && i <= f->high - f->low; i++)
        if (str_eq_nocase(s, str_from(f->names[i]))) {
            *out = f->low + i;
            return true;
        }
    return false;
}

static bool parse_step(str s, unsigned *out)
{
    uint64_t v;
    if (s.n == 0 || s.n > 4 || s.p[0] < '0' || s.p[0] > '9' || !str_to_u64(s, &v) || v == 0)
        return false;
    *out = (unsigned)v;
    return true;
}

/* "*", "?", "5", "1-5", "MON-FRI", each with "/step"; "5/10" goes on to the end of the field. */
static bool parse_item(const struct field *f, str s, struct parsed *out)
{
    str range, step_text, first, last;
    unsigned low = f->low, high = f->high, step = 1;
    bool stepped = str_cut(s, '/', &range, &step_text);
    if (stepped && !parse_step(step_text, &step))
        return false;
    if (str_eq(range, STR("*")) || str_eq(range, STR("?"))) {
        out->any |= step == 1;
    } else if (str_cut(range, '-', &first, &last)) {
        if (!parse_value(f, first, &low) || !parse_value(f, last, &high) || low > high)
            return false;
    } else {
        if (!parse_value(f, range, &low))
            return false;
        high = stepped ? f->high : low;
    }
    for (unsigned v = low; v <= high; v += step)
        out->bits |= UINT64_C(1) << v;
    return true;
}

static enum code parse_field(struct ctx *cx, const char *name, const struct field *f, str text, struct parsed *out)
{
    str rest = text, item;
    *out = (struct parsed){0};
    while (str_next(&rest, ',', &item))
        if (!parse_item(f, item, out))
            return fail(
                cx, CODE_INVALID_ARGUMENT,
                "%s: \"" STR_FMT "\" is no %s: take numbers from %u to %u%s, lists, ranges and steps such as */5", name,
                STR_ARG(str_head(item, 32)), f->what, f->low, f->high, f->names ? " or names of three letters" : "");
    if (!out->bits)
        return fail(cx, CODE_INVALID_ARGUMENT, "%s: the %s is empty", name, f->what);
    return CODE_OK;
}

static bool next_word(str *rest, str *word)
{
    str s = str_trim(*rest);
    size_t n = 0;
    while (n < s.n && s.p[n] != ' ' && s.p[n] != '\t')
        n++;
    *word = str_head(s, n);
    *rest = str_skip(s, n);
    return n > 0;
}

static enum code parse_fields(struct ctx *cx, const char *name, str text, struct engine_cron *out)
{
    struct parsed p[FIELDS];
    str rest = text, word;
    size_t n = 0;
    for (; next_word(&rest, &word); n++)
        if (n < FIELDS)
            TRY(parse_field(cx, name, &fields[n], word, &p[n]));
    if (n != FIELDS)
        return fail(cx, CODE_INVALID_ARGUMENT,
                    "%s: \"" STR_FMT "\" has %zu fields, not five (minute, hour, day of month, month, day of week)",
                    name, STR_ARG(str_head(text, 64)), n);
    out->minutes = p[MINUTE].bits;
    out->hours = (uint32_t)p[HOUR].bits;
    out->days = (uint32_t)p[DAY].bits;
    out->months = (uint16_t)p[MONTH].bits;
    out->weekdays = (uint8_t)p[WEEKDAY].bits;
    out->any_day = p[DAY].any;
    out->any_weekday = p[WEEKDAY].any;
    return CODE_OK;
}

static enum code parse_macro(struct ctx *cx, const char *name, str text, struct engine_cron *out)
{
    int64_t period_ns;
    for (size_t i = 0; i < sizeof(macros) / sizeof(*macros); i++)
        if (str_eq(text, str_from(macros[i].name)))
            return parse_fields(cx, name, str_from(macros[i].expression), out);
    if (!str_starts(text, STR("@every ")))
        return fail(cx, CODE_INVALID_ARGUMENT,
                    "%s: \"" STR_FMT "\" is unknown: take @hourly, @daily, @weekly, @monthly, @yearly or @every 1h30m",
                    name, STR_ARG(str_head(text, 32)));
    if (!time_parse_duration(str_trim(str_skip(text, strlen("@every "))), &period_ns))
        return fail(cx, CODE_INVALID_ARGUMENT, "%s: \"" STR_FMT "\" is no duration such as 1h30m", name,
                    STR_ARG(str_head(text, 32)));
    out->every_s = period_ns < NS_PER_S ? 1 : period_ns / NS_PER_S;
    return CODE_OK;
}

enum code engine_cron_parse(struct ctx *cx, const char *field, str expression, str zone, struct engine_cron *out)
{
    struct engine_cron c = {.zone = time_zone_find(zone)};
    str text = str_trim(expression);
    int64_t at;
    if (!c.zone)
        return fail(cx, CODE_INVALID_ARGUMENT, "%s: the time zone \"" STR_FMT "\" is unknown: take a name such as %s",
                    field, STR_ARG(str_head(zone, 64)), "Europe/Berlin");
    if (expression.n > EXPRESSION_MAX)
        return fail(cx, CODE_INVALID_ARGUMENT, "%s: more than %d characters", field, EXPRESSION_MAX);
    TRY(text.n && text.p[0] == '@' ? parse_macro(cx, field, text, &c) : parse_fields(cx, field, text, &c));
    if (!c.every_s && !engine_cron_next(&c, 0, &at))
        return fail(cx, CODE_INVALID_ARGUMENT, "%s: \"" STR_FMT "\" never comes: no month has such a day", field,
                    STR_ARG(text));
    *out = c;
    return CODE_OK;
}

/* ---- the next time ---------------------------------------------------------------------------------------------- */

static bool day_matches(const struct engine_cron *c, const struct time_civil *t)
{
    bool day = c->days >> t->day & 1, weekday = c->weekdays >> t->weekday & 1;
    return c->any_day || c->any_weekday ? day && weekday : day || weekday;
}

/* The first value from `from` on that has its bit; -1 = none. */
static int next_bit(uint64_t bits, int from)
{
    uint64_t rest = from > 63 ? 0 : bits >> from << from;
    return rest ? __builtin_ctzll(rest) : -1;
}

/* The first matching time of the day at or after this one. */
static bool next_in_day(const struct engine_cron *c, int hour, int minute, int64_t *second_of_day)
{
    int h = next_bit(c->hours, hour);
    int m = h == hour ? next_bit(c->minutes, minute) : -1;
    if (h == hour && m < 0)
        h = next_bit(c->hours, hour + 1);
    if (h < 0)
        return false;
    *second_of_day = h * INT64_C(3600) + (m < 0 ? next_bit(c->minutes, 0) : m) * INT64_C(60);
    return true;
}

/* By a calendar without changes of clocks: the first match at or after local, and before limit. */
static bool next_local(const struct engine_cron *c, int64_t local, int64_t limit, int64_t *out)
{
    struct time_civil t;
    int64_t in_day;
    time_to_civil(local, &t);
    if (t.second) { /* up to the minute */
        local += 60 - t.second;
        time_to_civil(local, &t);
    }
    while (local < limit) {
        int64_t midnight = time_from_civil(t.year, t.month, t.day, 0, 0, 0);
        if (!(c->months >> t.month & 1)) {
            local = t.month == 12 ? time_from_civil(t.year + 1, 1, 1, 0, 0, 0)
                                  : time_from_civil(t.year, t.month + 1, 1, 0, 0, 0);
        } else if (day_matches(c, &t) && next_in_day(c, t.hour, t.minute, &in_day)) {
            *out = midnight + in_day;
            return *out < limit;
        } else {
            local = midnight + DAY_S;
        }
        time_to_civil(local, &t);
    }
    return false;
}

bool engine_cron_next(const struct engine_cron *c, int64_t after_s, int64_t *out)
{
    int64_t at = after_s + 1, end = at + YEARS * 366 * DAY_S;
    while (at < end) { /* one stretch of a constant offset after the other */
        int64_t offset = time_zone_offset(c->zone, at), local;
        int64_t change = time_zone_next_change(c->zone, at);
        int64_t limit = change < end ? change : end;
        if (next_local(c, at + offset, limit + offset, &local)) {
            *out = local - offset;
            return true;
        }
        at = limit;
    }
    return false;
}
