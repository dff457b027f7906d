/* Projects. */
#ifndef STORE_PROJECT_H
#define STORE_PROJECT_H

#include "store/page.h"

struct store_project {
    str id, name, description;
    str labels;    /* encoded task.Labels */
    int32_t state; /* project.ProjectState */
    int64_t created_ns, updated_ns;
};

/* Errors: ALREADY_EXISTS. */
must_check_ enum code store_project_insert(struct ctx *cx, const struct store_project *p);
/* All but id and created_ns. Errors: NOT_FOUND. */
must_check_ enum code store_project_update(struct ctx *cx, const struct store_project *p);
/* *out = NULL when there is none. */
must_check_ enum code store_project_find(struct ctx *cx, str id, struct store_project **out);
/* Errors: NOT_FOUND "project "x" not found". Cheap: what the data proxy calls. */
must_check_ enum code store_project_require(struct ctx *cx, str id);
/* The same for what begins in it. Errors also: FAILED_PRECONDITION, it is archived. */
must_check_ enum code store_project_require_active(struct ctx *cx, str id);
/* Alias for page: p. */
must_check_ enum code store_project_list(struct ctx *cx, const struct store_page *page, struct store_project **out,
                                         size_t *n);

#endif
