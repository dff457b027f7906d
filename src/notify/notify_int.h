/* For the files of this folder: settings, named rules, and one message on its way. */
#ifndef NOTIFY_NOTIFY_INT_H
#define NOTIFY_NOTIFY_INT_H

#include "net/cidr.h"
#include "notify/notify.h"
#include "notify/template.h"
#include "store/outbox.h"

/* ---- the file notify.file ---------------------------------------------------------------------------------------- */

struct notify_rule {
    str name;
    uint32_t phases; /* each 1 << phase */
    str *deliveries;
    size_t delivery_count;
};
struct notify_delivery {
    str name;
    const NotificationDeliveryConfigTemplate *template;
};
struct notify_named {
    struct notify_rule *rules;
    size_t rule_count;
    struct notify_delivery *deliveries;
    size_t delivery_count;
};
/* Everything lives in cx->mem. Errors: INVALID_ARGUMENT naming file, line and name. */
must_check_ enum code notify_named_read(struct ctx *cx, str path, struct notify_named *out);
/* What a run of that project and domain means by a name: "PROJECT/DOMAIN/NAME" goes before "NAME". NULL = nothing. */
const struct notify_rule *notify_named_rule(const struct notify_named *n, const struct store_run *run, str name);
const struct notify_delivery *notify_named_delivery(const struct notify_named *n, const struct store_run *run,
                                                    str name);

/* ---- settings ---------------------------------------------------------------------------------------------------- */

struct notify_settings {
    struct notify_named named;
    struct cidr *allowed;
    size_t allowed_count;
    int64_t attempts, retry_base_ns, retry_max_ns, timeout_ns;
    str public_url; /* without / at its end */
    str smtp_url, smtp_from, smtp_user, smtp_password, smtp_ca_file;
    bool smtp_starttls;
};
/* In cx->mem. Errors: INVALID_ARGUMENT naming the setting, never a secret. */
must_check_ enum code notify_settings_read(struct ctx *cx, const struct app *app, struct notify_settings *out);
/* app->notify's; NULL when there is none (unit tests). */
const struct notify_settings *notify_settings_of(const struct app *app);

/* ---- a message --------------------------------------------------------------------------------------------------- */

struct notify_message {
    const struct notify_settings *settings;
    struct store_outbox *row;
    const struct store_run *run;
    const struct store_action *action;
    struct notify_values values;
    str id; /* the same at each attempt, and of no other message */
    /* one of these */
    const NotificationWebhookDeliveryTemplate *webhook;
    const NotificationEmailDeliveryTemplate *email;
    const WorkflowConditionAction *condition; /* its own webhook */
    void *arg;
    bool (*alive)(void *arg); /* about once a second: false = break off */
    int64_t retry_after_ns;   /* out: what the receiver asked for; 0 = nothing */
};

/* CODE_OK: it was taken. notify_is_final() tells whether another attempt makes sense. Texts never have secrets. */
must_check_ enum code notify_webhook_send(struct ctx *cx, struct notify_message *m);
must_check_ enum code notify_mail_send(struct ctx *cx, struct notify_message *m);
bool notify_mail_is_address(str s);
static inline bool notify_is_final(enum code code)
{
    return code == CODE_INVALID_ARGUMENT || code == CODE_PERMISSION_DENIED || code == CODE_NOT_FOUND ||
           code == CODE_UNIMPLEMENTED || code == CODE_RESOURCE_EXHAUSTED;
}

/* Groups what goes to the same place. */
int64_t notify_server(const NotificationWebhookDeliveryTemplate *webhook);
/* "SUCCEEDED" */
str notify_phase_name(int32_t phase);

#endif
