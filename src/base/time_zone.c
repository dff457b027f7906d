/* Time zones: a TZif file is parsed once into a table of transitions and the rule for what comes after them. Zones are
 * kept for ever, at most one for each file of the zone database; the list of them is under a mutex. */
#include "base/time_zone.h"

#include "base/mem.h"
#include "base/time.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDER "/usr/share/zoneinfo/"
#define NAME_MAX_BYTES 64
#define FILE_MAX_BYTES ((size_t)256 * 1024)

/* A day of the POSIX TZ rule: "M3.2.0/2", "J60", "59". */
struct rule_day {
    char kind; /* 'M', 'J' (1..365, no 29 February) or 'N' (0..365) */
    int month, week, day;
    int32_t time_s;
};

struct rule {
    bool known, has_dst;
    int32_t std_s, dst_s; /* east of UTC */
    struct rule_day start, end;
};

struct time_zone {
    struct time_zone *next;
    char name[NAME_MAX_BYTES + 1];
    size_t count;
    int64_t *at;      /* count transitions, ascending */
    int32_t *after_s; /* offset from at[i] on */
    int32_t before_s; /* before at[0] */
    struct rule rule; /* from the last transition on, when known */
};

/* ---- the POSIX TZ string in a TZif footer ------------------------------------------------------------------------ */

static bool rule_name(str *s)
{
    size_t n = 0;
    if (s->n && s->p[0] == '<') {
        n = str_find_char(*s, '>');
        if (n == SIZE_MAX)
            return false;
        *s = str_skip(*s, n + 1);
        return true;
    }
    while (n < s->n && ((s->p[n] >= 'A' && s->p[n] <= 'Z') || (s->p[n] >= 'a' && s->p[n] <= 'z')))
        n++;
    *s = str_skip(*s, n);
    return n >= 3;
}

static bool rule_number(str *s, int max, int *out)
{
    int v = 0;
    size_t n = 0;
    for (; n < s->n && n < 3 && s->p[n] >= '0' && s->p[n] <= '9'; n++)
        v = v * 10 + (s->p[n] - '0');
    *s = str_skip(*s, n);
    *out = v;
    return n > 0 && v <= max;
}

static bool rule_char(str *s, char c)
{
    if (s->n == 0 || s->p[0] != c)
        return false;
    *s = str_skip(*s, 1);
    return true;
}

/* [+-]hh[:mm[:ss]] */
static bool rule_time(str *s, int32_t *out)
{
    int h, m = 0, sec = 0;
    bool neg = rule_char(s, '-');
    if (!neg)
        rule_char(s, '+');
    if (!rule_number(s, 167, &h))
        return false;
    if (rule_char(s, ':') && !rule_number(s, 59, &m))
        return false;
    if (m >= 0 && rule_char(s, ':') && !rule_number(s, 59, &sec))
        return false;
    int32_t v = h * 3600 + m * 60 + sec;
    *out = neg ? -v : v;
    return true;
}

static bool rule_day(str *s, struct rule_day *d)
{
    *d = (struct rule_day){.kind = 'N', .time_s = 7200};
    if (rule_char(s, 'M')) {
        d->kind = 'M';
        if (!rule_number(s, 12, &d->month) || !rule_char(s, '.') || !rule_number(s, 5, &d->week) ||
            !rule_char(s, '.') || !rule_number(s, 6, &d->day) || d->month < 1 || d->week < 1)
            return false;
    } else {
        if (rule_char(s, 'J'))
            d->kind = 'J';
        if (!rule_number(s, 365, &d->day))
            return false;
    }
    return !rule_char(s, '/') || rule_time(s, &d->time_s);
}

static bool parse_rule(str s, struct rule *out)
{
    struct rule r = {.known = true};
    if (!rule_name(&s) || !rule_time(&s, &r.std_s))
        return false;
    r.std_s = -r.std_s; /* POSIX counts west */
    if (s.n) {
        r.has_dst = true;
        r.dst_s = r.std_s + 3600;
        if (!rule_name(&s))
            return false;
        if (s.n && s.p[0] != ',') {
            if (!rule_time(&s, &r.dst_s))
                return false;
            r.dst_s = -r.dst_s;
        }
        if (!rule_char(&s, ',') || !rule_day(&s, &r.start) || !rule_char(&s, ',') || !rule_day(&s, &r.end) || s.n)
            return false;
    }
    *out = r;
    return true;
}

/* The instant of the rule's day in that year, as local seconds since 1970. */
static int64_t rule_local(const struct rule_day *d, int64_t year)
{
    if (d->kind == 'J') {
        bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
        int day = d->day - 1 + (leap && d->day >= 60);
        return time_from_civil(year, 1, 1, 0, 0, 0) + day * INT64_C(86400) + d->time_s;
    }
    if (d->kind == 'N')
        return time_from_civil(year, 1, 1, 0, 0, 0) + d->day * INT64_C(86400) + d->time_s;
    struct time_civil first;
    int64_t start = time_from_civil(year, d->month, 1, 0, 0, 0);
    int64_t next = time_from_civil(year, d->month + 1, 1, 0, 0, 0);
    time_to_civil(start, &first);
    int64_t at = start + ((d->day - first.weekday + 7) % 7 + (d->week - 1) * 7) * INT64_C(86400);
    if (at >= next) /* week 5 means the last one */
        at -= 7 * 86400;
    return at + d->time_s;
}

static int32_t rule_offset(const struct rule *r, int64_t t)
{
    struct time_civil c;
    if (!r->has_dst)
        return r->std_s;
    time_to_civil(t + r->std_s, &c);
    int64_t start = rule_local(&r->start, c.year) - r->std_s;
    int64_t end = rule_local(&r->end, c.year) - r->dst_s;
    bool dst = start < end ? t >= start && t < end : t >= start || t < end;
    return dst ? r->dst_s : r->std_s;
}

/* ---- TZif -------------------------------------------------------------------------------------------------------- */

struct header {
    uint32_t isutcnt, isstdcnt, leapcnt, timecnt, typecnt, charcnt;
};

static uint64_t big_endian(const char *p, size_t n)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++)
        v = v << 8 | (unsigned char)p[i];
    return v;
}

static bool take_header(str *s, struct header *h, char *version)
{
    if (s->n < 44 || memcmp(s->p, "TZif", 4) != 0)
        return false;
    *version = s->p[4];
    uint32_t *to[] = {&h->isutcnt, &h->isstdcnt, &h->leapcnt, &h->timecnt, &h->typecnt, &h->charcnt};
    for (size_t i = 0; i < 6; i++) {
        *to[i] = (uint32_t)big_endian(s->p + 20 + 4 * i, 4);
        if (*to[i] > FILE_MAX_BYTES)
            return false;
    }
    *s = str_skip(*s, 44);
    return true;
}

static size_t body_size(const struct header *h, size_t time_bytes)
{
    return h->timecnt * (time_bytes + 1) + h->typecnt * (size_t)6 + h->charcnt + h->leapcnt * (time_bytes + 4) +
           h->isstdcnt + h->isutcnt;
}

static bool read_body(struct time_zone *z, str s, const struct header *h)
{
    const char *types = s.p + h->timecnt * (size_t)8, *infos = types + h->timecnt;
    if (h->typecnt == 0)
        return false;
    z->before_s = (int32_t)big_endian(infos, 4);
    z->count = h->timecnt;
    z->at = mem_alloc_array(z->count + 1, sizeof(*z->at));
    z->after_s = mem_alloc_array(z->count + 1, sizeof(*z->after_s));
    for (size_t i = 0; i < z->count; i++) {
        size_t type = (unsigned char)types[i];
        if (type >= h->typecnt)
            return false;
        z->at[i] = (int64_t)big_endian(s.p + 8 * i, 8);
        z->after_s[i] = (int32_t)big_endian(infos + 6 * type, 4);
        if (i && z->at[i] <= z->at[i - 1])
            return false;
    }
    return true;
}

/* Version 2 and later only: the 32-bit block is skipped. Files with leap seconds ("right/...") are not for us. */
static bool parse_tzif(struct time_zone *z, str s)
{
    struct header h;
    char version;
    if (!take_header(&s, &h, &version) || version < '2' || body_size(&h, 4) > s.n)
        return false;
    s = str_skip(s, body_size(&h, 4));
    if (!take_header(&s, &h, &version) || h.leapcnt || body_size(&h, 8) > s.n)
        return false;
    if (!read_body(z, s, &h))
        return false;
    str footer = str_skip(s, body_size(&h, 8)), rest;
    if (!rule_char(&footer, '\n') || !str_cut(footer, '\n', &footer, &rest))
        return false;
    return footer.n == 0 || parse_rule(footer, &z->rule);
}

/* ---- the list of zones ------------------------------------------------------------------------------------------- */

static bool name_is_safe(str name)
{
    if (name.n > NAME_MAX_BYTES || name.p[0] == '/' || name.p[0] == '.')
        return false;
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!letter && !strchr("_+-/", c ? c : '.'))
            return false;
    }
    return true;
}

static size_t read_file(str name, char *to)
{
    char path[sizeof(FOLDER) + NAME_MAX_BYTES] = FOLDER;
    struct stat st;
    memcpy(path + sizeof(FOLDER) - 1, name.p, name.n);
    path[sizeof(FOLDER) - 1 + name.n] = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return 0;
    size_t n = 0;
    ssize_t got = 1;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        for (; got > 0 && n<FILE_MAX_BYTES; n += got> 0 ? (size_t)got : 0)
            got = read(fd, to + n, FILE_MAX_BYTES - n);
    close(fd);
    return n;
}

static struct time_zone *load(str name)
{
    struct time_zone *z = mem_new(struct time_zone);
    bool ok = true;
    memcpy(z->name, name.p, name.n);
    if (str_eq(name, STR("UTC"))) {
        z->rule = (struct rule){.known = true};
        return z;
    }
    char *bytes = mem_alloc(FILE_MAX_BYTES);
    size_t n = read_file(name, bytes);
    ok = parse_tzif(z, str_make(bytes, n));
    mem_free(bytes);
    if (ok)
        return z;
    mem_free(z->at);
    mem_free(z->after_s);
    mem_free(z);
    return NULL;
}

struct time_zone *time_zone_find(str name)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static struct time_zone *zones;
    if (name.n == 0)
        name = STR("UTC");
    if (!name_is_safe(name))
        return NULL;
    pthread_mutex_lock(&lock);
    struct time_zone *z = zones;
    while (z && !str_eq(str_from(z->name), name))
        z = z->next;
    if (!z && (z = load(name))) {
        z->next = zones;
        zones = z;
    }
    pthread_mutex_unlock(&lock);
    return z;
}

/* How many transitions are not after `seconds`. */
static size_t passed(const struct time_zone *z, int64_t seconds)
{
    size_t lo = 0, hi = z->count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (z->at[mid] <= seconds)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

int32_t time_zone_offset(const struct time_zone *z, int64_t seconds)
{
    if (z->rule.known && (z->count == 0 || seconds >= z->at[z->count - 1]))
        return rule_offset(&z->rule, seconds);
    size_t n = passed(z, seconds);
    return n ? z->after_s[n - 1] : z->before_s;
}

static int64_t rule_next_change(const struct rule *r, int64_t seconds)
{
    struct time_civil c;
    int64_t next = INT64_MAX;
    time_to_civil(seconds + r->std_s, &c);
    for (int64_t year = c.year - 1; year <= c.year + 1; year++) {
        int64_t at[] = {rule_local(&r->start, year) - r->std_s, rule_local(&r->end, year) - r->dst_s};
        for (size_t i = 0; i < 2; i++)
            if (at[i] > seconds && at[i] < next)
                next = at[i];
    }
    return next;
}

int64_t time_zone_next_change(const struct time_zone *z, int64_t seconds)
{
    size_t n = passed(z, seconds);
    if (n < z->count)
        return z->at[n];
    return z->rule.known && z->rule.has_dst ? rule_next_change(&z->rule, seconds) : INT64_MAX;
}
