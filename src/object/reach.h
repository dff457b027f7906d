/* Whose objects a run may reach (D-11, D-14).
 *
 * A run's attempts read their own project's objects, and what the run was granted: the places in other projects that its
 * inputs, its code and reused results name. A place is what a run or an upload has for itself: "project/domain/run/", and
 * "uploads/project/domain/name/". Grants are durable and lie beside the objects, where no client sees them. */
#ifndef OBJECT_REACH_H
#define OBJECT_REACH_H

#include "object/object.h"

struct object_reach_run {
    str project, domain, run;
};

/* Grants the run every place of other projects that a URI in the bytes names, whatever their form; at most 256. from: only
 * what that run may read itself; NULL: a person said it. Calls block. */
must_check_ enum code object_reach_grant(struct ctx *cx, struct object_store *s, const struct object_reach_run *to,
                                         const struct object_reach_run *from, str bytes);
/* The same with the bytes of an object, which may be large. One that is missing names nothing. */
must_check_ enum code object_reach_grant_object(struct ctx *cx, struct object_store *s,
                                                const struct object_reach_run *to, str bucket, str key);
/* Gives a run what another one was granted. */
must_check_ enum code object_reach_copy(struct ctx *cx, struct object_store *s, const struct object_reach_run *to,
                                        const struct object_reach_run *from);
/* Forgets the grants of a run that is removed. */
must_check_ enum code object_reach_drop(struct ctx *cx, struct object_store *s, const struct object_reach_run *run);

/* *out: the key lies in a place that was granted to the run. */
must_check_ enum code object_reach_granted(struct ctx *cx, struct object_store *s, const struct object_reach_run *run,
                                           str key, bool *out);

/* The place of a key: its beginning, empty when it has none. */
str object_reach_place(str key);
/* Calls fn with the place of every URI of our bucket in the bytes, whatever their form; decoded, in cx->mem. */
void object_reach_each(struct ctx *cx, str bytes, void (*fn)(void *arg, str place), void *arg);

#endif
