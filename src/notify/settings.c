/* The settings notify.*, read once at the start. */
#include "app.h"
#include "base/file.h"
#include "config/config.h"
#include "notify/notify_int.h"

#include <stdlib.h>

#define SECRET_MAX ((size_t)4096)
#define NETWORKS_MAX ((size_t)100)

/* env:NAME or file:PATH (its first line). */
static enum code read_secret(struct ctx *cx, const char *key, str said, str *out)
{
    str text = STR("");
    *out = text;
    if (!said.n)
        return CODE_OK;
    if (str_starts(said, STR("env:"))) {
        text = str_from(getenv(arena_cstr(cx->mem, str_skip(said, 4))));
    } else if (str_starts(said, STR("file:"))) {
        if (file_read(cx, arena_cstr(cx->mem, str_skip(said, 5)), SECRET_MAX, &text) != CODE_OK)
            return fail_wrap(cx, "%s", key);
        text = str_trim(str_head(text, str_find_char(text, '\n')));
    } else {
        return fail(cx, CODE_INVALID_ARGUMENT, "%s: say where it is: env:NAME or file:PATH", key);
    }
    if (!text.n)
        return fail(cx, CODE_INVALID_ARGUMENT, "%s: the variable or file that it names is empty", key);
    *out = arena_str(cx->mem, text);
    return CODE_OK;
}

static enum code read_networks(struct ctx *cx, const struct config_list *list, struct notify_settings *out)
{
    if (list->n > NETWORKS_MAX)
        return fail(cx, CODE_INVALID_ARGUMENT, "notify.allow_networks: more than %zu", NETWORKS_MAX);
    out->allowed = arena_new_array(cx->mem, struct cidr, list->n);
    for (size_t i = 0; i < list->n; i++)
        if (!cidr_parse(list->p[i], &out->allowed[out->allowed_count++]))
            return fail(cx, CODE_INVALID_ARGUMENT,
                        "notify.allow_networks: \"" STR_FMT "\" is no network, such as 10.0.0.0/8",
                        STR_ARG(str_head(list->p[i], 60)));
    return CODE_OK;
}

static enum code read_smtp(struct ctx *cx, const struct config *c, struct notify_settings *out)
{
    bool tls = str_starts(c->notify_smtp_url, STR("smtps://"));
    if (!c->notify_smtp_url.n)
        return CODE_OK;
    if (!tls && !str_starts(c->notify_smtp_url, STR("smtp://")))
        return fail(cx, CODE_INVALID_ARGUMENT, "notify.smtp.url: must begin with smtp:// or smtps://");
    if (str_find_char(c->notify_smtp_url, '@') != SIZE_MAX)
        return fail(cx, CODE_INVALID_ARGUMENT,
                    "notify.smtp.url: the account goes to notify.smtp.user and notify.smtp.password");
    if (!notify_mail_is_address(c->notify_smtp_from))
        return fail(cx, CODE_INVALID_ARGUMENT, "notify.smtp.from: an address is required with notify.smtp.url");
    out->smtp_url = c->notify_smtp_url;
    out->smtp_from = c->notify_smtp_from;
    out->smtp_user = c->notify_smtp_user;
    out->smtp_ca_file = c->notify_smtp_ca;
    out->smtp_starttls = !tls && c->notify_smtp_starttls;
    return read_secret(cx, "notify.smtp.password", c->notify_smtp_password, &out->smtp_password);
}

enum code notify_settings_read(struct ctx *cx, const struct app *app, struct notify_settings *out)
{
    const struct config *c = app->config;
    *out = (struct notify_settings){
        .attempts = c->notify_attempts,
        .retry_base_ns = c->notify_retry_base_ns,
        .retry_max_ns = c->notify_retry_max_ns,
        .timeout_ns = c->notify_timeout_ns,
        .public_url = c->notify_public_url.n ? c->notify_public_url : app->api_url,
    };
    while (out->public_url.n && out->public_url.p[out->public_url.n - 1] == '/')
        out->public_url.n--;
    TRY(read_networks(cx, &c->notify_allow_networks, out));
    TRY(read_smtp(cx, c, out));
    return c->notify_file.n ? notify_named_read(cx, c->notify_file, &out->named) : CODE_OK;
}
