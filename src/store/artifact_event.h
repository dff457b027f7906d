/* New versions of artifacts for which triggers have to start runs. */
#ifndef STORE_ARTIFACT_EVENT_H
#define STORE_ARTIFACT_EVENT_H

#include "store/db.h"

struct store_artifact_event {
    uint64_t id, space_id;
    str artifact;     /* encoded core.ArtifactID */
    str value;        /* encoded core.Literal */
    uint64_t run_id;  /* that made it; 0 = none */
    uint64_t done_id; /* triggers up to this id have had their turn */
    int64_t due_ns;
    uint32_t failures;
};

/* Write entries. */
must_check_ enum code store_artifact_event_insert(struct ctx *cx, const struct store_artifact_event *e);
/* done_id, due_ns, failures. */
must_check_ enum code store_artifact_event_step(struct ctx *cx, const struct store_artifact_event *e);
must_check_ enum code store_artifact_event_delete(struct ctx *cx, uint64_t id);

/* The one that is due first, if only later. *out = NULL when there is none. */
must_check_ enum code store_artifact_event_next(struct ctx *cx, struct store_artifact_event **out);

#endif
