/* Settings: what runs get that they do not say themselves (docs/settings.md). Levels: the organization, a domain in it, a
 * project in the domain; the narrower one goes first. */
#ifndef ENGINE_SETTINGS_H
#define ENGINE_SETTINGS_H

#include "engine/pod.h"
#include "gen/flyteidl2_settings.h"
#include "gen/flyteidl2_task.h"

/* What a level is given, as it is kept: without what inherits, without the levels that values come from. Pure. The result
 * borrows from `in`. Errors: INVALID_ARGUMENT naming the setting. */
must_check_ enum code engine_settings_clean(struct ctx *cx, const SettingsSettings *in, SettingsSettings **out);

/* Read or write entry. What is in force at a level: each setting that any level says something about, with the level it
 * comes from. project is empty when domain is. */
must_check_ enum code engine_settings_resolve(struct ctx *cx, str domain, str project, SettingsSettings **out);

/* The two that say where things are kept; empty = nothing said. */
str engine_settings_run_base_dir(const SettingsSettings *s);
str engine_settings_raw_data_path(const SettingsSettings *s);

/* Gives a run what the settings have and it does not say; of a run that says nothing about its concurrency and settings
 * that do, *unlimited tells whether they want no limit. Pure. */
void engine_settings_apply(struct ctx *cx, const SettingsSettings *s, const TaskTaskSpec *task, TaskRunSpec *run,
                           bool *unlimited);

/* What the run was given at its start, for one of its tasks: amounts for those it does not ask for, none above the upper
 * bounds. *notes tells of each, a line for the task's log. d may be NULL. Errors: INVALID_ARGUMENT. */
must_check_ enum code engine_settings_bound(struct ctx *cx, const TaskDefaultSettings *d, struct engine_pod *pod,
                                            str *notes);

#endif
