/* Texts with places, such as "Run {{.Run.Name}} {{.Phase}}": what is filled in is escaped for where it stands. Pure. */
#ifndef NOTIFY_TEMPLATE_H
#define NOTIFY_TEMPLATE_H

#include "base/ctx.h"

/* What the places stand for. */
struct notify_values {
    str project, domain, run, phase, error;
    str action, prompt, description, prompt_type; /* of a condition; else empty */
};

enum notify_context {
    NOTIFY_PLAIN,
    NOTIFY_JSON, /* inside a string its escapes; elsewhere a string of its own */
    NOTIFY_HTML, /* and XML */
    NOTIFY_LINE, /* a header: one line */
    NOTIFY_URL,  /* percent-encoded */
};

/* Errors: INVALID_ARGUMENT naming a place that is unknown or not closed; RESOURCE_EXHAUSTED over NOTIFY_TEMPLATE_MAX. */
must_check_ enum code notify_template_render(struct ctx *cx, const struct notify_values *v, enum notify_context context,
                                             str text, str *out);
#define NOTIFY_TEMPLATE_MAX ((size_t)1 << 20)

#endif
