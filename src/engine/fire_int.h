/* Firing, for the files fire*.c. */
#ifndef ENGINE_FIRE_INT_H
#define ENGINE_FIRE_INT_H

#include "engine/engine_int.h"
#include "engine/fire.h"
#include "engine/trigger.h"

/* Runs of one write entry: a run is about ten rows (D-04: at most 1,000 rows). */
#define ENGINE_FIRE_PIECE 96

/* What a run ends with that cannot begin. */
#define ENGINE_FIRE_ERROR "TriggerFailed"

/* One run that is to be started. */
struct engine_fire_run {
    struct engine_trigger t; /* t.row is always there, the rest when loading went well */
    struct engine_new_run n;
    SettingsSettings *settings;      /* in force for its project and domain */
    struct engine_uri_object inputs; /* to be stored */
    enum code code;                  /* of loading, preparing and storing */
    char error[ERR_MSG_MAX];
};

/* Trying again would not help. */
bool engine_fire_is_final(enum code code);
/* Read entry. Whether the project takes runs: else nobody wants them, nor could see that they failed. */
must_check_ enum code engine_fire_is_wanted(struct ctx *cx, str project, bool *out);
/* What the runs of one piece have in common: each spec and each project's settings are read and decoded once. */
struct engine_fire_shared {
    struct map specs, settings;
};
void engine_fire_shared_init(struct engine_fire_shared *s);
void engine_fire_shared_done(struct engine_fire_shared *s);

/* Read entry. Loads what the trigger starts; the outcome is in r. */
void engine_fire_load(struct ctx *cx, struct engine_fire_shared *s, struct engine_fire_run *r,
                      const struct store_trigger *row);
/* Completes r->n, whose name, source and start_ns are there; bound as for engine_trigger_inputs(). The outcome is in r. */
void engine_fire_prepare(struct ctx *cx, struct engine_fire_run *r, const TaskInputs *bound);
/* Stores what prepared runs begin with, all at once; the outcome is in each. */
void engine_fire_store(struct ctx *cx, struct engine_fire_run **runs, size_t n);
/* What can never begin becomes a run that has failed. False: not now, see r->code. */
bool engine_fire_settle(struct ctx *cx, struct engine_fire_run *r);
/* Makes r->n a run that has failed with the error of cx. */
void engine_fire_make_failed(struct ctx *cx, struct engine_fire_run *r);
/* Write entry. A run of that name is the same one, made before: nothing happens. */
must_check_ enum code engine_fire_create(struct ctx *cx, const struct engine_fire_run *r);
/* A task of that name without anything as the task of n, whose own is not there. */
void engine_fire_stand_in(struct ctx *cx, str project, str domain, str name, str version, struct engine_new_run *n);
/* Whether the disk is too full to start anything; *next_ns: when to look again. */
bool engine_fire_waits_for_disk(struct ctx *cx, int64_t now_ns, int64_t *next_ns);
/* How long to wait after that many failures in a row. */
int64_t engine_fire_backoff_ns(uint32_t failures);

/* One piece: starts what is due now, up to a few hundred runs. *next_ns: when to look again (wall clock): 0 = at once,
 * INT64_MAX = when woken. started_ns: the start of this server by the wall clock; earlier slots were missed. */
must_check_ enum code engine_fire_schedules(struct ctx *cx, struct engine *e, int64_t started_ns, int64_t *next_ns);

/* The same for the triggers of one new version of an artifact. */
must_check_ enum code engine_fire_artifacts(struct ctx *cx, struct engine *e, int64_t *next_ns);

/* The same for the handler of one failed run. */
must_check_ enum code engine_fire_failures(struct ctx *cx, struct engine *e, int64_t *next_ns);

/* The thread. It may be woken from engine_fire_new() to engine_fire_free(), whether it runs or not. */
struct engine_fire *engine_fire_new(struct engine *e);
/* Without a thread (it could not be started) nothing fires, which is logged. */
void engine_fire_start(struct engine_fire *f);
void engine_fire_stop(struct engine_fire *f);
/* Accepts NULL. */
void engine_fire_free(struct engine_fire *f);

#endif
