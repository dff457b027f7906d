/* Settings: one row of keys.def each, read from flags, the environment, a YAML file and the defaults, in this order of
 * precedence. Read once at the start, never changed after: any thread may read them. */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include "base/buf.h"
#include "base/ctx.h"

struct config_list {
    str *p;
    size_t n;
};

/* The C types of the types in keys.def. */
#define CONFIG_C_TEXT str
#define CONFIG_C_PATH str /* absolute, NUL-terminated, or empty */
#define CONFIG_C_BOOL bool
#define CONFIG_C_INT int64_t
#define CONFIG_C_BYTES int64_t
#define CONFIG_C_DURATION int64_t /* nanoseconds */
#define CONFIG_C_LIST struct config_list

enum config_id {
#define KEY(field, ...) CONFIG_##field,
#include "config/keys.def"
#undef KEY
    CONFIG_COUNT_
};

enum config_source { CONFIG_FROM_DEFAULT, CONFIG_FROM_FILE, CONFIG_FROM_ENV, CONFIG_FROM_FLAG };

struct config {
#define KEY(field, type, ...) CONFIG_C_##type field;
#include "config/keys.def"
#undef KEY
    str file; /* the YAML file that was read; empty = none */
    enum config_source source[CONFIG_COUNT_];
    uint32_t line[CONFIG_COUNT_]; /* of the file, for CONFIG_FROM_FILE */
};

/* Takes the flags that are settings, and --config FILE, out of argv (argv[0] and all after "--" stay). The file is
 * --config, else $TERN_CONFIG, else tern/config.yaml below $XDG_CONFIG_HOME or ~/.config if it is there.
 * Empty variables count as not set. *out lives in
 * cx->mem. Errors: INVALID_ARGUMENT naming the flag, variable, or file and line; NOT_FOUND for a missing file. */
must_check_ enum code config_load(struct ctx *cx, int *argc, char **argv, struct config **out);

/* What would stop the server, as an error; what is merely odd, as lines appended to `notes`. */
must_check_ enum code config_check(struct ctx *cx, const struct config *c, buf *notes);
/* Appends all settings as a YAML file that would give them again, each with where it came from. */
void config_print(const struct config *c, buf *out);
/* Appends the reference of all settings in Markdown. */
void config_docs(struct arena *mem, buf *out);

/* The settings with a short flag, one line each, for --help; all, or only --config and --data. */
void config_flags_help(buf *out, bool all);
/* The flag nearest to one that nobody knows, or NULL. */
const char *config_flag_nearest(struct arena *mem, str flag);
/* log_setup() with log.level and log.format. */
void config_setup_log(const struct config *c);
/* Splits "host:port" and "[::1]:port"; false when it is none. */
bool config_split_address(str address, str *host, uint16_t *port);
/* True when only this machine can reach the host. */
bool config_host_is_loopback(str host);
/* True when it means all addresses of the machine. */
bool config_host_is_any(str host);

#endif
