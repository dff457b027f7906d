/* The command line: `tern COMMAND ...`. One row of commands.def and one file cmd_<name>.c for each command. Main
 * thread. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include "base/buf.h"
#include "base/ctx.h"

/* Returns the exit status: 0, 1 for a failure, 2 for a wrong call. */
int cli_main(int argc, char **argv);

/* argv[0] is the command's name. A failure is printed by the caller; INVALID_ARGUMENT counts as a wrong call. */
typedef enum code cli_fn(struct ctx *cx, int argc, char **argv);

enum cli_option_kind {
    CLI_FLAG, /* bool */
    CLI_TEXT, /* str */
    CLI_INT,  /* int64_t, not negative */
};

/* A table ends with a NULL name. */
struct cli_option {
    const char *name; /* "--tasks" */
    enum cli_option_kind kind;
    size_t offset;   /* of the member in the command's struct of options */
    const char *arg; /* "SECONDS"; NULL for flags */
    const char *help;
};

/* Takes the options out of argv into the struct at `to` (may be NULL for a table without rows); what remains, from
 * argv[1] on, is checked to be between min and max arguments. Errors: INVALID_ARGUMENT, with the nearest known option.
 */
must_check_ enum code cli_args(struct ctx *cx, const struct cli_option *options, void *to, int *argc, char **argv,
                               int min, int max);
/* Writes to standard output. */
must_check_ enum code cli_print(struct ctx *cx, str text);

#define COMMAND(name, ...)                                                                                             \
    cli_fn cli_cmd_##name;                                                                                             \
    extern const struct cli_option cli_cmd_##name##_options[];
#include "cli/commands.def"
#undef COMMAND

/* What makes the flyte command's configuration for a server at this address. In cx->mem or static. */
str cli_client_command(struct ctx *cx, str endpoint, bool tls);

#endif
