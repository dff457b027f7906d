/* The table made from keys.def, and values of the seven types: parsing, printing. Private to config/. */
#ifndef CONFIG_KEY_INT_H
#define CONFIG_KEY_INT_H

#include "config/config.h"

enum config_type {
    CONFIG_TYPE_TEXT,
    CONFIG_TYPE_PATH,
    CONFIG_TYPE_BOOL,
    CONFIG_TYPE_INT,
    CONFIG_TYPE_BYTES,
    CONFIG_TYPE_DURATION,
    CONFIG_TYPE_LIST,
};

struct config_rule {
    bool address, program, secrets;
    const char *choices; /* "a|b", or NULL */
    int64_t low, high;   /* of numbers; both 0 = not below 0 */
};

struct config_key {
    const char *key, *fallback, *flag, *help;
    enum config_type type;
    size_t offset; /* of the member in struct config */
    struct config_rule rule;
};

extern const struct config_key config_keys[CONFIG_COUNT_];

/* The row of that key or flag (short, or "--" and the key), or NULL. */
const struct config_key *config_key_find(str key);
const struct config_key *config_key_find_flag(str flag);
/* The most similar key, or NULL when none is similar. */
const struct config_key *config_key_nearest(str key);
/* "TERN_SERVER_LISTEN" */
str config_key_env(struct arena *mem, const struct config_key *k);
/* "HOST:PORT", "SIZE", ...: what its value looks like. */
const char *config_key_arg(const struct config_key *k);

/* Sets the member from text; lists are separated by commas. Errors: INVALID_ARGUMENT, without saying where. */
must_check_ enum code config_key_parse(struct ctx *cx, const struct config_key *k, str text, struct config *c);
must_check_ enum code config_key_parse_list(struct ctx *cx, const struct config_key *k, struct config_list items,
                                            struct config *c);
/* Appends the value as a YAML flow scalar or sequence; the same text is accepted by config_key_parse(). */
void config_key_print(const struct config_key *k, const struct config *c, buf *out);

#endif
