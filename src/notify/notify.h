/* Notifications: what runs and conditions tell the outside. Rules come with a run or by name from a file; each delivery is a
 * row of the outbox (store/outbox.h), written with the change that it tells of and sent by threads of this folder. */
#ifndef NOTIFY_NOTIFY_H
#define NOTIFY_NOTIFY_H

#include "gen/flyteidl2_workflow.h"
#include "store/action.h"

struct notify;
struct config;

/* Reads the settings notify.*; then sends what is due, also of earlier processes, until stopped. app->lanes is there. Errors:
 * INVALID_ARGUMENT naming the setting. */
must_check_ enum code notify_start(struct ctx *cx, struct app *app, struct notify **out);
/* Before the lanes stop. What is being sent is broken off, and sent by the next process. Accepts NULL. */
void notify_stop(struct notify *n);
/* Something may be due. Any thread; accepts NULL. */
void notify_poke(struct notify *n);

/* The most rules of one run. */
#define NOTIFY_RULES_MAX 50
/* For run->notify: the phases that a rule of the run waits for, each 1 << phase. */
uint32_t notify_phases(const TaskRunSpec *spec);

/* Write entries. */
/* The action has come to a->phase, and run->notify has it. Only a root's end and a condition's PAUSED are told. */
must_check_ enum code notify_phase(struct ctx *cx, const struct store_run *run, const struct store_action *a);
/* A condition that waits was made: calls its webhook if it has one. */
must_check_ enum code notify_condition(struct ctx *cx, const struct store_action *a, const WorkflowConditionAction *c);

/* The condition that an answer's path names ("ID-TOKEN", as its webhook was told); read or write entry. Errors: NOT_FOUND. */
must_check_ enum code notify_find_answer(struct ctx *cx, str path, uint64_t *action_id);

#endif
