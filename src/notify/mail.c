/* Mails: from a template to a MIME message. */
#include "base/buf.h"
#include "base/codec.h"
#include "base/time.h"
#include "net/smtp_client.h"
#include "notify/notify_int.h"

#define RECIPIENTS_MAX ((size_t)100)
#define MAIL_MAX ((size_t)8 << 20)
#define LINE 76
/* What the SDK writes where its user gave no HTML. */
#define NO_HTML "No HTML body"

struct mail {
    struct notify_message *m;
    str to[RECIPIENTS_MAX];
    size_t to_count;
    buf text;
};

/* An address is a word with one @; anything else could end a line or a command. */
bool notify_mail_is_address(str s)
{
    size_t at = str_find_char(s, '@');
    for (size_t i = 0; i < s.n; i++)
        if ((uint8_t)s.p[i] <= 0x20 || s.p[i] == 0x7f || strchr("<>()[],;:\\\"", s.p[i]))
            return false;
    return at != SIZE_MAX && at > 0 && at + 1 < s.n && s.n <= 320;
}

static bool is_plain(str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((uint8_t)s.p[i] < 0x20 || (uint8_t)s.p[i] >= 0x7f)
            return false;
    return !str_starts(s, STR("=?"));
}

/* RFC 2047, in words of at most 75 characters that do not cut a UTF-8 sequence; a plain text stays unless always. */
static void put_words(struct arena *mem, buf *b, str s, bool always)
{
    if (!always && is_plain(s) && s.n < 900) {
        buf_str(b, s);
        return;
    }
    for (bool first = true; s.n; first = false) {
        size_t n = 0, step;
        while (n < s.n && (step = str_utf8_len(str_skip(s, n)), n + (step ? step : 1) <= 45))
            n += step ? step : 1;
        buf_printf(b, "%s=?UTF-8?B?" STR_FMT "?=", first ? "" : "\r\n ",
                   STR_ARG(codec_base64_encode(mem, str_head(s, n))));
        s = str_skip(s, n);
    }
}

static void put_base64(struct arena *mem, buf *b, str s)
{
    str text = codec_base64_encode(mem, s);
    for (; text.n; text = str_skip(text, LINE))
        buf_printf(b, STR_FMT "\r\n", STR_ARG(str_head(text, LINE)));
}

static enum code add_recipients(struct ctx *cx, struct mail *mail, const char *header,
                                NotificationEmailRecipient *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!notify_mail_is_address(list[i]->address))
            return fail(cx, CODE_INVALID_ARGUMENT, "email: \"" STR_FMT "\" is no address",
                        STR_ARG(str_head(list[i]->address, 80)));
        if (mail->to_count == RECIPIENTS_MAX)
            return fail(cx, CODE_INVALID_ARGUMENT, "email: more than %zu recipients", RECIPIENTS_MAX);
        mail->to[mail->to_count++] = list[i]->address;
        if (!header)
            continue;
        buf_printf(&mail->text, "%s", i ? ",\r\n " : header);
        if (list[i]->name.n) {
            put_words(cx->mem, &mail->text, list[i]->name, true); /* a plain one would need quoting */
            buf_char(&mail->text, ' ');
        }
        buf_printf(&mail->text, "<" STR_FMT ">", STR_ARG(list[i]->address));
    }
    if (header && n)
        buf_str(&mail->text, STR("\r\n"));
    return CODE_OK;
}

static void put_date(buf *b)
{
    static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct time_civil t;
    time_to_civil(time_wall_ns() / NS_PER_S, &t);
    buf_printf(b, "Date: %s, %02d %s %lld %02d:%02d:%02d +0000\r\n", days[t.weekday], t.day, months[t.month - 1],
               (long long)t.year, t.hour, t.minute, t.second);
}

static void put_part(struct ctx *cx, struct mail *mail, const char *type, str body)
{
    buf_printf(&mail->text,
               "--%.*s\r\nContent-Type: text/%s; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n",
               STR_ARG(mail->m->id), type);
    put_base64(cx->mem, &mail->text, body);
}

static enum code put_body(struct ctx *cx, struct mail *mail, const NotificationInlineEmailTemplate *t)
{
    bool html = !str_eq(t->html_template, STR(NO_HTML)) || !t->text_template.n;
    str body;
    buf_printf(&mail->text, "MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=\"%.*s\"\r\n\r\n",
               STR_ARG(mail->m->id));
    if (t->text_template.n) {
        TRY(notify_template_render(cx, &mail->m->values, NOTIFY_PLAIN, t->text_template, &body));
        put_part(cx, mail, "plain", body);
    }
    if (html) {
        TRY(notify_template_render(cx, &mail->m->values, NOTIFY_HTML, t->html_template, &body));
        put_part(cx, mail, "html", body);
    }
    buf_printf(&mail->text, "--%.*s--\r\n", STR_ARG(mail->m->id));
    return CODE_OK;
}

static enum code compose(struct ctx *cx, struct mail *mail)
{
    const NotificationEmailDeliveryTemplate *e = mail->m->email;
    str from = mail->m->settings->smtp_from, subject;
    if (e->content_case != NotificationEmailDeliveryTemplate_inline_tag)
        return fail(cx, CODE_UNIMPLEMENTED, "email.provider_template: mails go out by SMTP, which has no templates");
    TRY(notify_template_render(cx, &mail->m->values, NOTIFY_LINE, e->inline_->subject, &subject));
    buf_printf(&mail->text, "From: <" STR_FMT ">\r\n", STR_ARG(from));
    TRY(add_recipients(cx, mail, "To: ", e->to.p, e->to.n));
    TRY(add_recipients(cx, mail, "Cc: ", e->cc.p, e->cc.n));
    TRY(add_recipients(cx, mail, NULL, e->bcc.p, e->bcc.n));
    if (!mail->to_count)
        return fail(cx, CODE_INVALID_ARGUMENT, "email.to: required");
    buf_str(&mail->text, STR("Subject: "));
    put_words(cx->mem, &mail->text, subject, false);
    buf_str(&mail->text, STR("\r\n"));
    put_date(&mail->text);
    buf_printf(&mail->text, "Message-ID: <" STR_FMT STR_FMT ">\r\nAuto-Submitted: auto-generated\r\n",
               STR_ARG(mail->m->id), STR_ARG(str_skip(from, str_find_char(from, '@'))));
    TRY(put_body(cx, mail, e->inline_));
    return mail->text.failed ? fail(cx, CODE_INVALID_ARGUMENT, "the mail is larger than %zu bytes", MAIL_MAX) : CODE_OK;
}

enum code notify_mail_send(struct ctx *cx, struct notify_message *m)
{
    const struct notify_settings *s = m->settings;
    struct mail *mail = arena_new(cx->mem, struct mail);
    mail->m = m;
    if (!s->smtp_url.n)
        return fail(cx, CODE_INVALID_ARGUMENT, "mails cannot be sent: the setting notify.smtp.url is empty");
    buf_init_arena(&mail->text, cx->mem, MAIL_MAX);
    TRY(compose(cx, mail));
    const struct smtp_client_mail out = {
        .url = s->smtp_url,
        .user = s->smtp_user,
        .password = s->smtp_password,
        .ca_file = s->smtp_ca_file,
        .starttls = s->smtp_starttls,
        .from = s->smtp_from,
        .to = mail->to,
        .to_count = mail->to_count,
        .message = buf_view(&mail->text),
        .total_ns = s->timeout_ns,
        .arg = m->arg,
        .alive = m->alive,
    };
    return smtp_client_send(cx, &out);
}
