/* See smtp_client.h. */
#include "net/smtp_client.h"

#include "net/curl_int.h"

#define USE_SSL_NEVER 0L
#define USE_SSL_ALL 3L

struct sending {
    const struct smtp_client_mail *mail;
    size_t sent;
    bool stopped;
};

static size_t on_read(char *p, size_t size, size_t n, void *arg)
{
    struct sending *s = arg;
    str rest = str_head(str_skip(s->mail->message, s->sent), size * n);
    memcpy(p, rest.p, rest.n);
    s->sent += rest.n;
    return rest.n;
}

static int on_socket(void *arg, int purpose, struct curl_address *a)
{
    (void)arg;
    (void)purpose;
    return socket(a->family, a->type | SOCK_CLOEXEC, a->protocol);
}

static int on_time(void *arg, int64_t a, int64_t b, int64_t c, int64_t d)
{
    struct sending *s = arg;
    (void)a, (void)b, (void)c, (void)d;
    s->stopped = s->mail->alive && !s->mail->alive(s->mail->arg);
    return s->stopped;
}

static enum code recipients(struct ctx *cx, const struct smtp_client_mail *m, struct curl_slist **list)
{
    for (size_t i = 0; i < m->to_count; i++) {
        struct curl_slist *longer = curl.append(*list, arena_printf(cx->mem, "<" STR_FMT ">", STR_ARG(m->to[i])).p);
        if (!longer)
            return fail(cx, CODE_RESOURCE_EXHAUSTED, "out of memory");
        *list = longer;
    }
    return CODE_OK;
}

static void set_up(struct ctx *cx, struct sending *s, curl_t *c, struct curl_slist *to, char *error)
{
    const struct smtp_client_mail *m = s->mail;
    curl.setopt(c, OPT_NOSIGNAL, 1L);
    curl.setopt(c, OPT_PROXY, "");
    curl.setopt(c, OPT_PROTOCOLS, (long)(PROTOCOL_SMTP | PROTOCOL_SMTPS));
    curl.setopt(c, OPT_URL, arena_cstr(cx->mem, m->url));
    curl.setopt(c, OPT_USE_SSL, m->starttls ? USE_SSL_ALL : USE_SSL_NEVER);
    if (m->ca_file.n)
        curl.setopt(c, OPT_CAINFO, arena_cstr(cx->mem, m->ca_file));
    if (m->user.n) {
        curl.setopt(c, OPT_USERNAME, arena_cstr(cx->mem, m->user));
        curl.setopt(c, OPT_PASSWORD, arena_cstr(cx->mem, m->password));
    }
    curl.setopt(c, OPT_MAIL_FROM, arena_printf(cx->mem, "<" STR_FMT ">", STR_ARG(m->from)).p);
    curl.setopt(c, OPT_MAIL_RCPT, to);
    curl.setopt(c, OPT_UPLOAD, 1L);
    curl.setopt(c, OPT_OPENSOCKETFUNCTION, on_socket);
    curl.setopt(c, OPT_READDATA, s);
    curl.setopt(c, OPT_READFUNCTION, on_read);
    curl.setopt(c, OPT_NOPROGRESS, 0L);
    curl.setopt(c, OPT_XFERINFODATA, s);
    curl.setopt(c, OPT_XFERINFOFUNCTION, on_time);
    curl.setopt(c, OPT_CONNECTTIMEOUT_MS, curl_ms(CURL_CONNECT_NS));
    curl.setopt(c, OPT_TIMEOUT_MS, curl_ms(m->total_ns));
    curl.setopt(c, OPT_ERRORBUFFER, error);
}

static enum code outcome(struct ctx *cx, const struct sending *s, curl_t *c, int e, const char *error)
{
    const char *text = *error ? error : curl.text(e);
    long reply = 0;
    if (e == E_OK)
        return CODE_OK;
    if (s->stopped)
        return fail(cx, CODE_ABORTED, "the mail was broken off");
    if (e == E_TIMEOUT)
        return fail(cx, CODE_DEADLINE_EXCEEDED, "the mail server does not answer in time");
    if (e == E_LOGIN)
        return fail(cx, CODE_UNAUTHENTICATED, "the mail server refuses the login");
    if (e == E_USE_SSL)
        return fail(cx, CODE_UNAVAILABLE, "the mail server offers no TLS (STARTTLS): %s", text);
    curl.getinfo(c, INFO_RESPONSE_CODE, &reply);
    if (reply >= 500 && reply < 600)
        return fail(cx, CODE_INVALID_ARGUMENT, "the mail server refuses the mail: %ld (%s)", reply, text);
    return fail(cx, CODE_UNAVAILABLE, "the mail server: %s", text);
}

enum code smtp_client_send(struct ctx *cx, const struct smtp_client_mail *mail)
{
    struct sending s = {.mail = mail};
    struct curl_slist *to = NULL;
    char error[CURL_ERROR_SIZE] = "";
    TRY(curl_ready(cx));
    curl_t *c = curl_handle(CURL_MAIL);
    if (!c)
        return fail(cx, CODE_RESOURCE_EXHAUSTED, "out of memory");
    enum code code = recipients(cx, mail, &to);
    if (code == CODE_OK) {
        set_up(cx, &s, c, to, error);
        code = outcome(cx, &s, c, curl.perform(c), error);
    }
    curl.free_all(to);
    curl.reset(c); /* it points to what ends here */
    return code;
}
