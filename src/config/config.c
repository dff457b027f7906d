/* Reading the settings: defaults, then the YAML file, the environment and the flags, each over the one before. Called
 * once, by the main thread, before any other starts. */
#include "config/config.h"

#include "base/file.h"
#include "base/log.h"
#include "base/vec.h"
#include "base/yaml.h"
#include "config/key_int.h"

#include <stdlib.h>

#define FILE_MAX_BYTES ((size_t)1024 * 1024)

static size_t index_of(const struct config_key *k)
{
    return (size_t)(k - config_keys);
}

static enum code load_defaults(struct ctx *cx, struct config *c)
{
    for (size_t i = 0; i < CONFIG_COUNT_; i++) {
        /* Not wrong before it is known that nobody sets it: "~" without HOME. */
        if (config_keys[i].type == CONFIG_TYPE_PATH)
            continue;
        TRY(config_key_parse(cx, &config_keys[i], str_from(config_keys[i].fallback), c));
    }
    return CODE_OK;
}

static enum code load_default_paths(struct ctx *cx, struct config *c)
{
    for (size_t i = 0; i < CONFIG_COUNT_; i++) {
        const struct config_key *k = &config_keys[i];
        if (k->type != CONFIG_TYPE_PATH || c->source[i] != CONFIG_FROM_DEFAULT)
            continue;
        if (config_key_parse(cx, k, str_from(k->fallback), c) != CODE_OK)
            return fail_wrap(cx, "%s (set it with %s)", k->key, config_key_env(cx->mem, k).p);
    }
    return CODE_OK;
}

/* ---- the file ---------------------------------------------------------------------------------------------------- */

static enum code at_line(struct ctx *cx, str file, const struct json *v, const char *key)
{
    return fail_wrap(cx, STR_FMT ":%u: %s", STR_ARG(file), v->line, key);
}

static str scalar(const struct json *v)
{
    if (v->kind == JSON_BOOL)
        return v->boolean ? STR("true") : STR("false");
    return v->text;
}

static enum code set_from_node(struct ctx *cx, struct config *c, const struct config_key *k, const struct json *v)
{
    VEC(str) items = {0};
    c->source[index_of(k)] = CONFIG_FROM_FILE;
    c->line[index_of(k)] = v->line;
    if (v->kind == JSON_OBJECT || (v->kind == JSON_ARRAY && k->type != CONFIG_TYPE_LIST))
        return fail(cx, CODE_INVALID_ARGUMENT, "a single value is expected");
    if (v->kind != JSON_ARRAY)
        return config_key_parse(cx, k, scalar(v), c);
    for (const struct json *m = v->first; m; m = m->next) {
        if (m->kind == JSON_OBJECT || m->kind == JSON_ARRAY || m->kind == JSON_NULL)
            return fail(cx, CODE_INVALID_ARGUMENT, "a list of single values is expected");
        *vec_push(&items, cx->mem) = scalar(m);
    }
    return config_key_parse_list(cx, k, (struct config_list){items.p, items.n}, c);
}

static enum code unknown_key(struct ctx *cx, str file, const struct json *v, str path)
{
    const struct config_key *near = config_key_nearest(path);
    return fail(cx, CODE_INVALID_ARGUMENT, STR_FMT ":%u: unknown key \"" STR_FMT "\"%s%s%s", STR_ARG(file), v->line,
                STR_ARG(str_head(path, 80)), near ? "; did you mean \"" : "", near ? near->key : "", near ? "\"?" : "");
}

static bool is_section(str path)
{
    for (size_t i = 0; i < CONFIG_COUNT_; i++) {
        str key = str_from(config_keys[i].key);
        if (str_starts(key, path) && key.n > path.n && key.p[path.n] == '.')
            return true;
    }
    return false;
}

/* At most JSON_DEPTH_MAX deep; unknown sections end it after the first step. */
static enum code load_object(struct ctx *cx, struct config *c, const struct json *object, str prefix)
{
    for (const struct json *m = object->first; m; m = m->next) {
        str path = prefix.n ? arena_printf(cx->mem, STR_FMT "." STR_FMT, STR_ARG(prefix), STR_ARG(m->key)) : m->key;
        const struct config_key *k = config_key_find(path);
        if (!k && !is_section(path))
            return unknown_key(cx, c->file, m, path);
        if (m->kind == JSON_NULL)
            continue; /* "key:" with all below it commented out */
        if (k && set_from_node(cx, c, k, m) != CODE_OK)
            return at_line(cx, c->file, m, k->key);
        if (!k && m->kind != JSON_OBJECT)
            return fail(cx, CODE_INVALID_ARGUMENT, STR_FMT ":%u: \"" STR_FMT "\" is a section, not a value",
                        STR_ARG(c->file), m->line, STR_ARG(path));
        if (!k)
            TRY(load_object(cx, c, m, path));
    }
    return CODE_OK;
}

static enum code load_file(struct ctx *cx, struct config *c, str path)
{
    struct json *root;
    str text;
    TRY(file_read(cx, path.p, FILE_MAX_BYTES, &text));
    c->file = path;
    if (yaml_parse(cx, text, &root) != CODE_OK)
        return fail_wrap(cx, STR_FMT, STR_ARG(path));
    if (root->kind == JSON_NULL)
        return CODE_OK;
    if (root->kind != JSON_OBJECT)
        return fail(cx, CODE_INVALID_ARGUMENT, STR_FMT ": keys and values are expected", STR_ARG(path));
    return load_object(cx, c, root, STR(""));
}

static enum code load_usual_file(struct ctx *cx, struct config *c)
{
    str home = str_from(getenv("XDG_CONFIG_HOME")), path;
    if (home.n == 0 && file_expand(cx, STR("~/.config"), &home) != CODE_OK) {
        ctx_clear_err(cx);
        return CODE_OK;
    }
    path = arena_printf(cx->mem, STR_FMT "/tern/config.yaml", STR_ARG(home));
    enum code code = load_file(cx, c, path);
    if (code != CODE_NOT_FOUND)
        return code;
    ctx_clear_err(cx);
    return CODE_OK;
}

/* ---- environment and flags --------------------------------------------------------------------------------------- */

static enum code load_env(struct ctx *cx, struct config *c)
{
    for (size_t i = 0; i < CONFIG_COUNT_; i++) {
        str name = config_key_env(cx->mem, &config_keys[i]);
        const char *value = getenv(name.p);
        if (!value || !value[0])
            continue;
        if (config_key_parse(cx, &config_keys[i], str_from(value), c) != CODE_OK)
            return fail_wrap(cx, "%s", name.p);
        c->source[i] = CONFIG_FROM_ENV;
    }
    return CODE_OK;
}

struct flag {
    str name, value;
    const struct config_key *key; /* NULL = --config */
};

struct flags {
    struct flag *p;
    size_t n, cap;
};

/* One argument, and the next one when it is the flag's value; *used = 0: it is none of ours. */
static enum code take_flag(struct ctx *cx, int left, char **argv, struct flags *flags, int *used)
{
    struct flag f;
    bool has_value = str_cut(str_from(argv[0]), '=', &f.name, &f.value);
    f.key = config_key_find_flag(f.name);
    *used = 0;
    if (!f.key && !str_eq(f.name, STR("--config")))
        return CODE_OK;
    *used = 1;
    if (!has_value && f.key && f.key->type == CONFIG_TYPE_BOOL) {
        f.value = STR("true");
    } else if (!has_value) {
        if (left < 2)
            return fail(cx, CODE_INVALID_ARGUMENT, STR_FMT " needs a value (%s)", STR_ARG(f.name),
                        f.key ? config_key_arg(f.key) : "FILE");
        f.value = str_from(argv[1]);
        *used = 2;
    }
    *vec_push(flags, cx->mem) = f;
    return CODE_OK;
}

static enum code take_flags(struct ctx *cx, int *argc, char **argv, struct flags *flags)
{
    int kept = *argc > 0 ? 1 : 0, i = kept, used;
    while (i < *argc && strcmp(argv[i], "--") != 0) {
        TRY(take_flag(cx, *argc - i, argv + i, flags, &used));
        if (used == 0)
            argv[kept++] = argv[i++];
        i += used;
    }
    while (i < *argc)
        argv[kept++] = argv[i++];
    argv[kept] = NULL;
    *argc = kept;
    return CODE_OK;
}

static enum code load_flags(struct ctx *cx, struct config *c, const struct flags *flags)
{
    for (size_t i = 0; i < flags->n; i++) {
        const struct flag *f = &flags->p[i];
        if (!f->key)
            continue;
        if (config_key_parse(cx, f->key, f->value, c) != CODE_OK)
            return fail_wrap(cx, STR_FMT, STR_ARG(f->name));
        c->source[index_of(f->key)] = CONFIG_FROM_FLAG;
    }
    return CODE_OK;
}

static enum code find_and_load_file(struct ctx *cx, struct config *c, const struct flags *flags)
{
    str path = STR_NONE;
    for (size_t i = 0; i < flags->n; i++)
        if (!flags->p[i].key)
            path = flags->p[i].value;
    if (!path.p)
        path = str_from(getenv("TERN_CONFIG"));
    return path.n ? load_file(cx, c, path) : load_usual_file(cx, c);
}

/* With a free port for the API, the S3 endpoint gets one too unless it was set. */
static void derive(struct ctx *cx, struct config *c)
{
    str host;
    uint16_t port;
    if (c->source[CONFIG_server_s3_listen] == CONFIG_FROM_DEFAULT &&
        config_split_address(c->server_listen, &host, &port) && port == 0)
        c->server_s3_listen =
            arena_printf(cx->mem, STR_FMT ":0", STR_ARG(str_head(c->server_listen, c->server_listen.n - 2)));
}

enum code config_load(struct ctx *cx, int *argc, char **argv, struct config **out)
{
    struct config *c = arena_new(cx->mem, struct config);
    struct flags flags = {0};
    TRY(take_flags(cx, argc, argv, &flags));
    TRY(load_defaults(cx, c));
    TRY(find_and_load_file(cx, c, &flags));
    TRY(load_env(cx, c));
    TRY(load_flags(cx, c, &flags));
    TRY(load_default_paths(cx, c));
    if (c->data.n == 0)
        return fail(cx, CODE_INVALID_ARGUMENT, "data: a folder is needed");
    derive(cx, c);
    *out = c;
    return CODE_OK;
}

void config_setup_log(const struct config *c)
{
    static const char *const levels[] = {"error", "warn", "info", "debug"};
    int level = LOG_LEVEL_DEBUG;
    while (level > 0 && !str_eq(c->log_level, str_from(levels[level])))
        level--;
    log_setup((enum log_level)level, str_eq(c->log_format, STR("json")) ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT);
}
