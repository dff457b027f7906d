/* Settings of the three levels, as each level was given them; engine/settings.h puts them together. */
#ifndef STORE_SETTINGS_H
#define STORE_SETTINGS_H

#include "base/ctx.h"

struct store_settings {
    str domain, project; /* both empty = the organization; project empty = the domain */
    uint64_t version;    /* from 1 */
    str body;            /* encoded settings.Settings */
};

/* Write entry; version becomes 1. Errors: ALREADY_EXISTS. */
must_check_ enum code store_settings_insert(struct ctx *cx, struct store_settings *s);
/* Write entry; s->version is the one that the change is based on, and becomes the next. Errors: NOT_FOUND,
 * FAILED_PRECONDITION (it has another version now). */
must_check_ enum code store_settings_update(struct ctx *cx, struct store_settings *s);
/* What there is of a level and the wider ones, widest first: at most three rows. project is empty when domain is. */
must_check_ enum code store_settings_levels(struct ctx *cx, str domain, str project, struct store_settings **out,
                                            size_t *n);

#endif
