/* tern queue: limits, priorities, weights and pauses of queues and projects (docs/queues.md). The running server keeps them
 * and obeys at once. */
#include "cli/ask.h"
#include "cli/cli.h"

#include <string.h>

#define WORDS_MAX 16
#define BYTES_MAX ((size_t)1024)

struct options {
    bool project;
};

const struct cli_option cli_cmd_queue_options[] = {
    {"--project", CLI_FLAG, offsetof(struct options, project), NULL, "NAME is that of a project"},
    {0},
};

#define NO_SERVER "Start it (tern serve): it keeps the queues"

/* The words of engine/rules.h; a space inside of one would make two. */
static enum code put_words(struct ctx *cx, const struct options *o, int argc, char **argv, buf *out)
{
    for (int i = 1; i < argc; i++) {
        if (strchr(argv[i], ' '))
            return fail(cx, CODE_INVALID_ARGUMENT, "\"%.64s\": no spaces", argv[i]);
        if (i > 1)
            buf_char(out, ' ');
        if (i == 2 && o->project)
            buf_str(out, STR("project "));
        buf_str(out, str_from(argv[i]));
    }
    return out->failed ? fail(cx, CODE_INVALID_ARGUMENT, "more than %zu bytes", BYTES_MAX) : CODE_OK;
}

enum code cli_cmd_queue(struct ctx *cx, int argc, char **argv)
{
    struct options o = {0};
    struct config *c;
    buf words;
    TRY(config_load(cx, &argc, argv, &c));
    TRY(cli_args(cx, cli_cmd_queue_options, &o, &argc, argv, 1, WORDS_MAX));
    if (strcmp(argv[1], "list") == 0 && argc == 2)
        return cli_ask(cx, c, "GET", "/admin/queues", STR(""), NO_SERVER);
    if (strcmp(argv[1], "list") == 0 || argc < 3)
        return fail(cx, CODE_INVALID_ARGUMENT, "tern queue list, or pause, resume, remove, set with a NAME");
    buf_init_arena(&words, cx->mem, BYTES_MAX);
    TRY(put_words(cx, &o, argc, argv, &words));
    return cli_ask(cx, c, "POST", "/admin/queues", buf_view(&words), NO_SERVER);
}
