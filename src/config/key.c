/* Rows of keys.def: look-up, and the types of values. Pure functions, any thread. */
#include "config/key_int.h"

#include "base/file.h"
#include "base/json.h"
#include "base/time.h"
#include "base/vec.h"

#define ANY .address = false
#define ADDRESS .address = true
#define PROGRAM .program = true
#define SECRETS .secrets = true
#define CHOICE(words) .choices = (words)
#define RANGE(from, to) .low = (from), .high = (to)

const struct config_key config_keys[CONFIG_COUNT_] = {
#define KEY(field, type_, key_, fallback_, flag_, rule_, help_)                                                        \
    [CONFIG_##field] = {.key = key_,                                                                                   \
                        .fallback = fallback_,                                                                         \
                        .flag = flag_,                                                                                 \
                        .help = help_,                                                                                 \
                        .type = CONFIG_TYPE_##type_,                                                                   \
                        .offset = offsetof(struct config, field),                                                      \
                        .rule = {rule_}},
#include "config/keys.def"
#undef KEY
};

/* ---- look-up ----------------------------------------------------------------------------------------------------- */

const struct config_key *config_key_find(str key)
{
    for (size_t i = 0; i < CONFIG_COUNT_; i++)
        if (str_eq(key, str_from(config_keys[i].key)))
            return &config_keys[i];
    return NULL;
}

const struct config_key *config_key_find_flag(str flag)
{
    for (size_t i = 0; i < CONFIG_COUNT_; i++)
        if (config_keys[i].flag[0] && str_eq(flag, str_from(config_keys[i].flag)))
            return &config_keys[i];
    return str_starts(flag, STR("--")) ? config_key_find(str_skip(flag, 2)) : NULL;
}

/* At most a third of it wrong; or only its last word given, as in "listen" for "server.listen". */
const struct config_key *config_key_nearest(str key)
{
    const struct config_key *best = NULL;
    size_t least = key.n / 3 > 2 ? key.n / 3 + 1 : 3;
    for (size_t i = 0; i < CONFIG_COUNT_; i++) {
        str candidate = str_from(config_keys[i].key);
        size_t d = str_distance(key, candidate);
        bool tail =
            candidate.n > key.n && key.n && str_ends(candidate, key) && candidate.p[candidate.n - key.n - 1] == '.';
        if (tail)
            d = 1;
        if (d < least) {
            best = &config_keys[i];
            least = d;
        }
    }
    return best;
}

str config_key_env(struct arena *mem, const struct config_key *k)
{
    str name = arena_printf(mem, "TERN_%s", k->key);
    char *p = arena_cstr(mem, name);
    for (size_t i = 0; i < name.n; i++) {
        if (p[i] == '.')
            p[i] = '_';
        if (p[i] >= 'a' && p[i] <= 'z')
            p[i] = (char)(p[i] - 32);
    }
    return str_make(p, name.n);
}

const char *config_key_arg(const struct config_key *k)
{
    static const char *const args[] = {"TEXT", "PATH", "true|false", "N", "SIZE", "TIME", "A,B,..."};
    if (k->rule.address)
        return "HOST:PORT";
    if (k->rule.program)
        return "PROGRAM";
    return k->rule.choices ? k->rule.choices : args[k->type];
}

/* ---- parsing ----------------------------------------------------------------------------------------------------- */

static enum code bad(struct ctx *cx, str text, const char *expected)
{
    return fail(cx, CODE_INVALID_ARGUMENT, "\"" STR_FMT "\" is not %s", STR_ARG(str_head(text, 100)), expected);
}

bool config_split_address(str address, str *host, uint16_t *port)
{
    size_t colon = str_rfind_char(address, ':');
    uint64_t number;
    if (colon == SIZE_MAX || !str_to_u64(str_skip(address, colon + 1), &number) || number > UINT16_MAX)
        return false;
    str h = str_head(address, colon);
    bool brackets = h.n > 2 && h.p[0] == '[' && h.p[h.n - 1] == ']';
    if (brackets)
        h = str_skip(str_head(h, h.n - 1), 1);
    if (h.n == 0 || h.n > 253 || (!brackets && str_find_char(h, ':') != SIZE_MAX))
        return false;
    for (size_t i = 0; i < h.n; i++)
        if ((unsigned char)h.p[i] <= ' ' || (unsigned char)h.p[i] >= 0x7f || strchr("/[]@?#\\", h.p[i]))
            return false;
    *host = h;
    *port = (uint16_t)number;
    return true;
}

static enum code parse_text(struct ctx *cx, const struct config_key *k, str text, str *to)
{
    str host, words = str_from(k->rule.choices), word;
    uint16_t port;
    bool chosen = words.n == 0;
    if (k->rule.address && !config_split_address(text, &host, &port))
        return bad(cx, text, "an address (HOST:PORT)");
    while (!chosen && str_next(&words, '|', &word))
        chosen = str_eq(text, word);
    if (!chosen)
        return bad(cx, text, arena_printf(cx->mem, "one of %s", k->rule.choices).p);
    if (!str_is_utf8(text) || str_find_char(text, 0) != SIZE_MAX)
        return bad(cx, STR("it"), "text");
    *to = arena_str(cx->mem, text);
    return CODE_OK;
}

static enum code parse_path(struct ctx *cx, const struct config_key *k, str text, str *to)
{
    str path = text;
    bool name = k->rule.program && str_find_char(text, '/') == SIZE_MAX; /* found on PATH by who runs it */
    if (text.n && !name)
        TRY(file_expand(cx, text, &path));
    *to = arena_str(cx->mem, path);
    return CODE_OK;
}

static enum code parse_bool(struct ctx *cx, str text, bool *to)
{
    if (!str_eq(text, STR("true")) && !str_eq(text, STR("false")))
        return bad(cx, text, "true or false");
    *to = str_eq(text, STR("true"));
    return CODE_OK;
}

static const struct {
    const char *name;
    int64_t bytes;
} sizes[] = {
    {"", 1},
    {"B", 1},
    {"kB", 1000},
    {"MB", 1000000},
    {"GB", 1000000000},
    {"TB", INT64_C(1000000000000)},
    {"KiB", 1024},
    {"MiB", 1048576},
    {"GiB", 1073741824},
    {"TiB", INT64_C(1099511627776)},
};
#define SIZE_COUNT (sizeof(sizes) / sizeof(*sizes))

static bool parse_bytes(str text, int64_t *out)
{
    size_t digits = 0;
    int64_t n;
    while (digits < text.n && text.p[digits] >= '0' && text.p[digits] <= '9')
        digits++;
    str unit = str_trim(str_skip(text, digits));
    if (!str_to_i64(str_head(text, digits), &n))
        return false;
    for (size_t i = 0; i < SIZE_COUNT; i++)
        if (str_eq(unit, str_from(sizes[i].name)))
            return !__builtin_mul_overflow(n, sizes[i].bytes, out);
    return false;
}

static enum code parse_number(struct ctx *cx, const struct config_key *k, str text, int64_t *to)
{
    int64_t v;
    bool bounded = k->rule.low || k->rule.high;
    if (k->type == CONFIG_TYPE_INT && !str_to_i64(text, &v))
        return bad(cx, text, "a whole number");
    if (k->type == CONFIG_TYPE_BYTES && !parse_bytes(text, &v))
        return bad(cx, text, "a size (for example 64MiB)");
    if (k->type == CONFIG_TYPE_DURATION && !time_parse_duration(text, &v))
        return bad(cx, text, "a time (for example 90s, 2h30m, 7d)");
    if (v < k->rule.low || (bounded && v > k->rule.high))
        return fail(cx, CODE_INVALID_ARGUMENT, "\"" STR_FMT "\" is not between %lld and %lld", STR_ARG(text),
                    (long long)k->rule.low, (long long)(bounded ? k->rule.high : INT64_MAX));
    *to = v;
    return CODE_OK;
}

static enum code parse_commas(struct ctx *cx, const struct config_key *k, str text, struct config *c)
{
    VEC(str) items = {0};
    for (str piece; text.n && str_next(&text, ',', &piece);)
        *vec_push(&items, cx->mem) = str_trim(piece);
    return config_key_parse_list(cx, k, (struct config_list){items.p, items.n}, c);
}

enum code config_key_parse_list(struct ctx *cx, const struct config_key *k, struct config_list items, struct config *c)
{
    struct config_list copy = {.p = arena_new_array(cx->mem, str, items.n), .n = items.n};
    for (size_t i = 0; i < items.n; i++) {
        if (items.p[i].n == 0)
            return bad(cx, items.p[i], "an entry of a list");
        TRY(parse_text(cx, k, items.p[i], &copy.p[i]));
    }
    *(struct config_list *)(void *)((char *)c + k->offset) = copy;
    return CODE_OK;
}

enum code config_key_parse(struct ctx *cx, const struct config_key *k, str text, struct config *c)
{
    void *to = (char *)c + k->offset;
    switch (k->type) {
    case CONFIG_TYPE_TEXT:
        return parse_text(cx, k, text, to);
    case CONFIG_TYPE_PATH:
        return parse_path(cx, k, text, to);
    case CONFIG_TYPE_BOOL:
        return parse_bool(cx, text, to);
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_BYTES:
    case CONFIG_TYPE_DURATION:
        return parse_number(cx, k, text, to);
    case CONFIG_TYPE_LIST:
        return parse_commas(cx, k, text, c);
    }
    return bad(cx, text, "of a known type");
}

/* ---- printing ---------------------------------------------------------------------------------------------------- */

static void print_bytes(int64_t v, buf *out)
{
    size_t i = SIZE_COUNT - 1;
    while (i > 5 && (v == 0 || v % sizes[i].bytes))
        i--;
    if (i == 5)
        i = 0;
    buf_i64(out, v / sizes[i].bytes);
    buf_str(out, str_from(sizes[i].name));
}

static void print_duration(int64_t v, buf *out)
{
    static const struct {
        const char *name;
        int64_t ns;
    } units[] = {{"d", 86400 * NS_PER_S},
                 {"h", 3600 * NS_PER_S},
                 {"m", 60 * NS_PER_S},
                 {"s", NS_PER_S},
                 {"ms", NS_PER_MS},
                 {"us", NS_PER_US},
                 {"ns", 1}};
    if (v == 0)
        buf_str(out, STR("0s"));
    for (size_t i = 0; v && i < sizeof(units) / sizeof(*units); i++) {
        if (v < units[i].ns)
            continue;
        buf_i64(out, v / units[i].ns);
        buf_str(out, str_from(units[i].name));
        v %= units[i].ns;
    }
}

/* "name=value" whose value is a secret itself, not where to find it. */
static bool is_secret(str word)
{
    str name, value;
    return str_cut(word, '=', &name, &value) && !str_starts(value, STR("env:")) && !str_starts(value, STR("file:")) &&
           (str_eq(name, STR("secret")) || str_eq(name, STR("token")));
}

static str without_secrets(struct arena *mem, str entry)
{
    str word;
    buf b;
    buf_init_arena(&b, mem, entry.n + 1024);
    while (entry.n && str_next(&entry, ' ', &word)) {
        if (b.n)
            buf_char(&b, ' ');
        buf_str(&b, is_secret(word) ? str_head(word, str_find_char(word, '=') + 1) : word);
        if (is_secret(word))
            buf_str(&b, STR("***"));
    }
    return buf_view(&b);
}

static void print_list(const struct config_key *k, const struct config_list *l, buf *out)
{
    struct arena mem;
    arena_init(&mem, 0);
    buf_char(out, '[');
    for (size_t i = 0; i < l->n; i++) {
        if (i)
            buf_str(out, STR(", "));
        json_put_str(out, k->rule.secrets ? without_secrets(&mem, l->p[i]) : l->p[i]);
    }
    buf_char(out, ']');
    arena_done(&mem);
}

void config_key_print(const struct config_key *k, const struct config *c, buf *out)
{
    const void *v = (const char *)c + k->offset;
    switch (k->type) {
    case CONFIG_TYPE_TEXT:
    case CONFIG_TYPE_PATH:
        json_put_str(out, *(const str *)v);
        return;
    case CONFIG_TYPE_BOOL:
        buf_str(out, *(const bool *)v ? STR("true") : STR("false"));
        return;
    case CONFIG_TYPE_INT:
        buf_i64(out, *(const int64_t *)v);
        return;
    case CONFIG_TYPE_BYTES:
        print_bytes(*(const int64_t *)v, out);
        return;
    case CONFIG_TYPE_DURATION:
        print_duration(*(const int64_t *)v, out);
        return;
    case CONFIG_TYPE_LIST:
        print_list(k, v, out);
        return;
    }
}
