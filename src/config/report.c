/* What the program says about its settings: the check before serving, `tern config show`, the reference, help. */
#include "config/config.h"

#include "config/key_int.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <unistd.h>

/* ---- check ------------------------------------------------------------------------------------------------------- */

/* Variables that are not settings. */
static const char *const other_variables[] = {"TERN_CONFIG", "TERN_SECRET_KEY_FILE", NULL};

static bool is_known_variable(struct arena *mem, str name)
{
    for (size_t i = 0; other_variables[i]; i++)
        if (str_eq(name, str_from(other_variables[i])))
            return true;
    for (size_t i = 0; i < CONFIG_COUNT_; i++)
        if (str_eq(name, config_key_env(mem, &config_keys[i])))
            return true;
    return false;
}

static void note_unknown_variables(struct ctx *cx, buf *notes)
{
    for (char **e = environ; e && *e; e++) {
        str name, value;
        str_cut(str_from(*e), '=', &name, &value);
        if (str_starts(name, STR("TERN_")) && !is_known_variable(cx->mem, name))
            buf_printf(notes, "the environment variable " STR_FMT " is no setting of Tern\n",
                       STR_ARG(str_head(name, 80)));
    }
}

bool config_host_is_loopback(str host)
{
    char text[INET6_ADDRSTRLEN];
    unsigned char v4[4];
    if (str_eq_nocase(host, STR("localhost")) || str_eq(host, STR("::1")))
        return true;
    if (host.n >= sizeof(text))
        return false;
    memcpy(text, host.p, host.n);
    text[host.n] = 0;
    return inet_pton(AF_INET, text, v4) == 1 && v4[0] == 127;
}

static enum code check_listen(struct ctx *cx, const struct config *c, const char *key, str address)
{
    str host = STR_NONE;
    uint16_t port;
    if (!config_split_address(address, &host, &port) || config_host_is_loopback(host) || c->security_allow_remote)
        return CODE_OK;
    return fail(cx, CODE_FAILED_PRECONDITION,
                "%s: " STR_FMT " is open to other machines, and callers are not authenticated: anybody could run code "
                "here. Use localhost, or security.allow_remote (--allow-remote) if you mean it",
                key, STR_ARG(address));
}

static void note_remote(const struct config *c, buf *notes)
{
    str host;
    uint16_t port;
    if (!c->security_allow_remote)
        return;
    buf_str(notes,
            STR("security.allow_remote is on and callers are not authenticated: whoever reaches the port can run "
                "code as this account\n"));
    if (!c->server_tls_cert.n && config_split_address(c->server_listen, &host, &port) && !config_host_is_loopback(host))
        buf_str(notes, STR("without server.tls.cert and server.tls.key everything is sent in the clear\n"));
}

bool config_host_is_any(str host)
{
    return host.n == 0 || str_eq(host, STR("0.0.0.0")) || str_eq(host, STR("::"));
}

/* By which names the API is called is known when it listens on one address; a page of another site could call it by any
 * other name that means this machine (D-30). */
static enum code check_hosts(struct ctx *cx, const struct config *c, buf *notes)
{
    str host;
    uint16_t port;
    if (!config_split_address(c->server_listen, &host, &port))
        return CODE_OK;
    if (config_host_is_any(host) && c->security_hosts.n == 0)
        return fail(cx, CODE_FAILED_PRECONDITION,
                    "server.listen: " STR_FMT " are all addresses: say by which names clients call, for example "
                    "--security.hosts tern.example.org,192.0.2.7 (* for any)",
                    STR_ARG(c->server_listen));
    for (size_t i = 0; i < c->security_hosts.n; i++)
        if (str_eq(c->security_hosts.p[i], STR("*")))
            buf_str(notes, STR("security.hosts has *: web pages can call the API by DNS rebinding\n"));
    return CODE_OK;
}

static enum code check_readable(struct ctx *cx, const char *key, str path)
{
    if (path.n && access(path.p, R_OK) != 0) {
        fail_errno(cx, "%s", path.p);
        return fail_wrap(cx, "%s", key);
    }
    return CODE_OK;
}

enum code config_check(struct ctx *cx, const struct config *c, buf *notes)
{
    TRY(check_listen(cx, c, "server.listen", c->server_listen));
    TRY(check_listen(cx, c, "server.s3_listen", c->server_s3_listen));
    TRY(check_hosts(cx, c, notes));
    if (!c->server_tls_cert.n != !c->server_tls_key.n)
        return fail(cx, CODE_FAILED_PRECONDITION, "server.tls: both cert and key are needed, only %s is set",
                    c->server_tls_cert.n ? "cert" : "key");
    TRY(check_readable(cx, "server.tls.cert", c->server_tls_cert));
    TRY(check_readable(cx, "server.tls.key", c->server_tls_key));
    note_remote(c, notes);
    note_unknown_variables(cx, notes);
    return CODE_OK;
}

/* ---- show -------------------------------------------------------------------------------------------------------- */

/* The sections of `key` that `last` did not open already, each on its line; returns the last word's indent. */
static int print_sections(str last, str key, buf *out)
{
    int depth = 0;
    bool same = true;
    for (str word, old; key.p && str_find_char(key, '.') != SIZE_MAX; depth++) {
        str_next(&key, '.', &word);
        same = str_next(&last, '.', &old) && same && last.p && str_eq(old, word);
        if (!same)
            buf_printf(out, "%*s" STR_FMT ":\n", depth * 2, "", STR_ARG(word));
    }
    return depth * 2;
}

static void print_source(const struct config *c, size_t i, buf *out)
{
    static const char *const sources[] = {"default", "", "environment", "flag"};
    if (c->source[i] == CONFIG_FROM_FILE)
        buf_printf(out, "  # line %u of the file\n", c->line[i]);
    else
        buf_printf(out, "  # %s\n", sources[c->source[i]]);
}

void config_print(const struct config *c, buf *out)
{
    str last = STR("");
    if (c->file.n)
        buf_printf(out, "# from " STR_FMT ", the environment and flags\n", STR_ARG(c->file));
    for (size_t i = 0; i < CONFIG_COUNT_; i++) {
        str key = str_from(config_keys[i].key);
        int indent = print_sections(last, key, out);
        size_t dot = str_rfind_char(key, '.');
        buf_printf(out, "%*s%s: ", indent, "", key.p + (dot == SIZE_MAX ? 0 : dot + 1));
        config_key_print(&config_keys[i], c, out);
        print_source(c, i, out);
        last = key;
    }
}

/* ---- reference --------------------------------------------------------------------------------------------------- */

/* A vertical bar would end the cell. */
static void put_cell(str s, buf *out)
{
    for (str piece; str_next(&s, '|', &piece);) {
        buf_str(out, piece);
        if (s.p)
            buf_str(out, STR("\\|"));
    }
}

void config_docs(struct arena *mem, buf *out)
{
    buf_str(out, STR("# Settings\n\n"
                     "Precedence: flags, environment, file, default. The file is `--config FILE`, else `$TERN_CONFIG`, "
                     "else\n`~/.config/tern/config.yaml` if it is there. Every key is also a flag, `--server.listen "
                     "ADDRESS`; short flags are\nlisted. Sizes: `512kB`, `64MiB`; times: `90s`, `2h30m`, `7d`.\n\n"
                     "| Key | Value | Default | Environment | Short flag | Meaning |\n|---|---|---|---|---|---|\n"));
    for (size_t i = 0; i < CONFIG_COUNT_; i++) {
        const struct config_key *k = &config_keys[i];
        const char *tick = k->fallback[0] ? "`" : "", *flag_tick = k->flag[0] ? "`" : "";
        buf_printf(out, "| `%s` | ", k->key);
        put_cell(str_from(config_key_arg(k)), out);
        buf_printf(out, " | %s%s%s | `%s` | %s%s%s | ", tick, k->fallback, tick, config_key_env(mem, k).p, flag_tick,
                   k->flag, flag_tick);
        put_cell(str_from(k->help), out);
        buf_str(out, STR(" |\n"));
    }
}

void config_flags_help(buf *out, bool all)
{
    buf_printf(out, "  %-28s %s\n", "--config FILE", "YAML file with settings");
    for (size_t i = 0; i < CONFIG_COUNT_; i++) {
        const struct config_key *k = &config_keys[i];
        char head[64];
        if (!k->flag[0] || (!all && i != CONFIG_data))
            continue;
        snprintf(head, sizeof(head), k->type == CONFIG_TYPE_BOOL ? "%s" : "%s %s", k->flag, config_key_arg(k));
        buf_printf(out, "  %-28s %s\n", head, k->help);
    }
}

const char *config_flag_nearest(struct arena *mem, str flag)
{
    const char *best = NULL;
    size_t least = 3;
    str name = str_starts(flag, STR("--")) ? str_skip(flag, 2) : flag;
    for (size_t i = 0; i < CONFIG_COUNT_; i++) {
        size_t d = config_keys[i].flag[0] ? str_distance(flag, str_from(config_keys[i].flag)) : SIZE_MAX;
        if (d < least) {
            best = config_keys[i].flag;
            least = d;
        }
    }
    const struct config_key *k = best ? NULL : config_key_nearest(name);
    return k ? arena_printf(mem, "--%s", k->key).p : best;
}
