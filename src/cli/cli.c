/* The table of commands, help, and options. */
#include "cli/cli.h"

#include "base/version.h"
#include "config/config.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#define OUTPUT_MAX ((size_t)1024 * 1024)

enum group { SERVER, INSPECT, INTERNAL };
enum settings { NONE, DATA, ALL };

static const char *const group_titles[] = {"Server", "Look and check"};

struct command {
    const char *name;
    enum group group;
    enum settings settings;
    const char *args, *summary;
    cli_fn *run;
    const struct cli_option *options;
};

static const struct command commands[] = {
#define COMMAND(name, group, settings, args, summary)                                                                  \
    {#name, group, settings, args, summary, cli_cmd_##name, cli_cmd_##name##_options},
#include "cli/commands.def"
#undef COMMAND
};
#define COMMAND_COUNT (sizeof(commands) / sizeof(*commands))

/* ---- output ------------------------------------------------------------------------------------------------------ */

enum code cli_print(struct ctx *cx, str text)
{
    while (text.n) {
        ssize_t n = write(STDOUT_FILENO, text.p, text.n);
        if (n < 0 && errno != EINTR)
            return fail_errno(cx, "standard output");
        text = str_skip(text, n > 0 ? (size_t)n : 0);
    }
    return CODE_OK;
}

str cli_client_command(struct ctx *cx, str endpoint, bool tls)
{
    if (!tls && str_eq(endpoint, STR("localhost:30080")))
        return STR("flyte create config --devbox --builder remote");
    return arena_printf(cx->mem,
                        "flyte create config --endpoint " STR_FMT "%s --project flytesnacks --domain development "
                        "--builder remote",
                        STR_ARG(endpoint), tls ? "" : " --insecure");
}

/* ---- options ----------------------------------------------------------------------------------------------------- */

static const struct cli_option *find_option(const struct cli_option *options, str name)
{
    for (const struct cli_option *o = options; o->name; o++)
        if (str_eq(name, str_from(o->name)))
            return o;
    return NULL;
}

static enum code unknown_option(struct ctx *cx, const struct cli_option *options, str name)
{
    const char *best = config_flag_nearest(cx->mem, name);
    size_t least = best ? str_distance(name, str_from(best)) : 4;
    for (const struct cli_option *o = options; o->name; o++) {
        size_t d = str_distance(name, str_from(o->name));
        if (d < least) {
            best = o->name;
            least = d;
        }
    }
    if (least == 0) /* a setting, which this command did not load */
        return fail(cx, CODE_INVALID_ARGUMENT, "%s has no use here", best);
    return fail(cx, CODE_INVALID_ARGUMENT, "unknown option " STR_FMT "%s%s%s", STR_ARG(str_head(name, 80)),
                best ? "; did you mean " : "", best ? best : "", best ? "?" : "");
}

static enum code set_option(struct ctx *cx, const struct cli_option *o, str value, void *to)
{
    void *member = (char *)to + o->offset;
    int64_t n;
    switch (o->kind) {
    case CLI_FLAG:
        *(bool *)member = true;
        return CODE_OK;
    case CLI_TEXT:
        *(str *)member = value;
        return CODE_OK;
    case CLI_INT:
        if (!str_to_i64(value, &n) || n < 0)
            return fail(cx, CODE_INVALID_ARGUMENT, "%s: \"" STR_FMT "\" is not a whole number", o->name,
                        STR_ARG(str_head(value, 40)));
        *(int64_t *)member = n;
        return CODE_OK;
    }
    return fail(cx, CODE_INTERNAL, "%s: unknown kind of option", o->name);
}

/* One option at argv[0], its value perhaps at argv[1]; *used counts the arguments taken. */
static enum code take_option(struct ctx *cx, const struct cli_option *options, void *to, int left, char **argv,
                             int *used)
{
    str name, value;
    bool has_value = str_cut(str_from(argv[0]), '=', &name, &value);
    const struct cli_option *o = find_option(options, name);
    *used = 1;
    if (!o)
        return unknown_option(cx, options, name);
    if (o->kind == CLI_FLAG && has_value)
        return fail(cx, CODE_INVALID_ARGUMENT, "%s takes no value", o->name);
    if (o->kind != CLI_FLAG && !has_value) {
        if (left < 2)
            return fail(cx, CODE_INVALID_ARGUMENT, "%s needs a value (%s)", o->name, o->arg);
        value = str_from(argv[1]);
        *used = 2;
    }
    return set_option(cx, o, value, to);
}

enum code cli_args(struct ctx *cx, const struct cli_option *options, void *to, int *argc, char **argv, int min, int max)
{
    int kept = 1, used;
    bool open = true; /* until "--" */
    for (int i = 1; i < *argc; i += used) {
        used = 1;
        if (open && strcmp(argv[i], "--") == 0)
            open = false;
        else if (open && argv[i][0] == '-' && argv[i][1])
            TRY(take_option(cx, options, to, *argc - i, argv + i, &used));
        else
            argv[kept++] = argv[i];
    }
    argv[kept] = NULL;
    *argc = kept;
    if (kept - 1 < min)
        return fail(cx, CODE_INVALID_ARGUMENT, "an argument is missing");
    if (kept - 1 > max)
        return fail(cx, CODE_INVALID_ARGUMENT, "unexpected argument \"%.80s\"", argv[max + 1]);
    return CODE_OK;
}

/* ---- help -------------------------------------------------------------------------------------------------------- */

static const struct command *find_command(str name)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (str_eq(name, str_from(commands[i].name)))
            return &commands[i];
    return NULL;
}

static void put_overview(buf *out)
{
    buf_str(out, STR("Tern: run Flyte workflows on one machine.\n\nUsage: tern COMMAND [OPTIONS]\n"));
    for (size_t g = 0; g < sizeof(group_titles) / sizeof(*group_titles); g++) {
        buf_printf(out, "\n%s\n", group_titles[g]);
        for (size_t i = 0; i < COMMAND_COUNT; i++)
            if (commands[i].group == (enum group)g)
                buf_printf(out, "  %-10s %s\n", commands[i].name, commands[i].summary);
    }
    buf_str(out, STR("\nTo begin: `tern serve`, and in your project `flyte create config --devbox --builder remote`.\n"
                     "`tern help COMMAND` shows a command's options, `tern config docs` all settings.\n"));
}

static void put_command(const struct command *c, buf *out)
{
    bool any = c->options->name != NULL;
    buf_printf(out, "tern %s: %s\n\nUsage: tern %s%s%s%s\n", c->name, c->summary, c->name, c->args[0] ? " " : "",
               c->args, any || c->settings != NONE ? " [OPTIONS]" : "");
    if (any)
        buf_str(out, STR("\nOptions\n"));
    for (const struct cli_option *o = c->options; o->name; o++) {
        char head[64];
        snprintf(head, sizeof(head), "%s%s%s", o->name, o->arg ? " " : "", o->arg ? o->arg : "");
        buf_printf(out, "  %-28s %s\n", head, o->help);
    }
    if (c->settings == NONE)
        return;
    buf_str(out, STR("\nSettings (every key of `tern config docs` is a flag; these have short ones)\n"));
    config_flags_help(out, c->settings == ALL);
}

static enum code unknown_command(struct ctx *cx, str name)
{
    const char *best = NULL;
    size_t least = 3;
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        size_t d = str_distance(name, str_from(commands[i].name));
        if (commands[i].group != INTERNAL && d < least) {
            best = commands[i].name;
            least = d;
        }
    }
    buf shown;
    buf_init_arena(&shown, cx->mem, 1000);
    buf_visible(&shown, str_head(name, 80));
    return fail(cx, CODE_INVALID_ARGUMENT, "unknown command \"" STR_FMT "\"%s%s%s", STR_ARG(buf_view(&shown)),
                best ? "; did you mean \"" : "", best ? best : "", best ? "\"?" : "");
}

static enum code help(struct ctx *cx, const char *name)
{
    const struct command *c = name ? find_command(str_from(name)) : NULL;
    buf out;
    if (name && !c)
        return unknown_command(cx, str_from(name));
    buf_init_arena(&out, cx->mem, OUTPUT_MAX);
    if (c)
        put_command(c, &out);
    else
        put_overview(&out);
    return cli_print(cx, buf_view(&out));
}

/* ---- dispatch ---------------------------------------------------------------------------------------------------- */

static bool is_help(const char *arg)
{
    return strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0;
}

static bool wants_help(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (is_help(argv[i]))
            return true;
    return false;
}

static enum code dispatch(struct ctx *cx, int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "help";
    if (strcmp(name, "help") == 0 || is_help(name))
        return help(cx, argc > 2 ? argv[2] : NULL);
    if (strcmp(name, "--version") == 0)
        name = "version";
    const struct command *c = find_command(str_from(name));
    if (!c)
        return unknown_command(cx, str_from(name));
    if (wants_help(argc - 1, argv + 1))
        return help(cx, c->name);
    enum code code = c->run(cx, argc - 1, argv + 1);
    if (code == CODE_INVALID_ARGUMENT)
        fprintf(stderr, "tern %s: %s\nUsage: tern %s%s%s; see `tern help %s`.\n", c->name, cx->err.msg, c->name,
                c->args[0] ? " " : "", c->args, c->name);
    else if (code != CODE_OK)
        fprintf(stderr, "tern %s: %s\n", c->name, cx->err.msg);
    cx->err.msg[0] = 0; /* said */
    return code;
}

int cli_main(int argc, char **argv)
{
    struct arena mem;
    struct ctx cx;
    arena_init(&mem, 0);
    ctx_init(&cx, &mem);
    enum code code = dispatch(&cx, argc, argv);
    if (code != CODE_OK && cx.err.msg[0])
        fprintf(stderr, "tern: %s\nSee `tern help`.\n", cx.err.msg);
    arena_done(&mem);
    return code == CODE_OK ? 0 : code == CODE_INVALID_ARGUMENT ? 2 : 1;
}
