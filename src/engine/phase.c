/* The table of legal transitions. See phase.h. */
#include "engine/phase.h"

#include "gen/flyteidl2_workflow.h"

#define NEW COMMON_ACTION_PHASE_UNSPECIFIED
#define QUEUED COMMON_ACTION_PHASE_QUEUED
#define WAITING COMMON_ACTION_PHASE_WAITING_FOR_RESOURCES
#define INITIALIZING COMMON_ACTION_PHASE_INITIALIZING
#define RUNNING COMMON_ACTION_PHASE_RUNNING
#define SUCCEEDED COMMON_ACTION_PHASE_SUCCEEDED
#define FAILED COMMON_ACTION_PHASE_FAILED
#define ABORTED COMMON_ACTION_PHASE_ABORTED
#define TIMED_OUT COMMON_ACTION_PHASE_TIMED_OUT
#define PAUSED COMMON_ACTION_PHASE_PAUSED
#define RECOVERED COMMON_ACTION_PHASE_RECOVERED

/* y: within the same attempt. r: only with a higher attempt number (a retry). c: conditions only. t: traces only (they
 * come as they ended). '.': never. A row for each phase that is left; columns: what comes, in the order of the enum:
 * new, queued, waiting, initializing, running, succeeded, failed, aborted, timed out, paused, recovered. */
/* clang-format off */
static const char *const allowed[ENGINE_PHASE_COUNT] = {
    /*                nqwirsfatpc */
    [NEW] =          ".y..tttttcy",
    [QUEUED] =       ".ryyyyyyy.y",
    [WAITING] =      ".rryyyyyy.y",
    [INITIALIZING] = ".rrryyyyy.y",
    [RUNNING] =      ".rrrryyyy.y",
    [SUCCEEDED] =    "...........",
    [FAILED] =       ".rrrrrrrr..",
    [ABORTED] =      "...........",
    [TIMED_OUT] =    ".rrrrrrrr..",
    [PAUSED] =       ".....yyyy..",
    [RECOVERED] =    "...........",
};

static const char *const names[ENGINE_PHASE_COUNT] = {
    [NEW] = "UNSPECIFIED",
    [QUEUED] = "QUEUED",
    [WAITING] = "WAITING_FOR_RESOURCES",
    [INITIALIZING] = "INITIALIZING",
    [RUNNING] = "RUNNING",
    [SUCCEEDED] = "SUCCEEDED",
    [FAILED] = "FAILED",
    [ABORTED] = "ABORTED",
    [TIMED_OUT] = "TIMED_OUT",
    [PAUSED] = "PAUSED",
    [RECOVERED] = "RECOVERED",
};
/* clang-format on */

static bool is_phase(int32_t phase)
{
    return phase >= 0 && phase < ENGINE_PHASE_COUNT;
}

const char *engine_phase_name(int32_t phase)
{
    return is_phase(phase) ? names[phase] : "?";
}

bool engine_phase_is_terminal(int32_t phase)
{
    return phase == SUCCEEDED || phase == FAILED || phase == ABORTED || phase == TIMED_OUT || phase == RECOVERED;
}

bool engine_phase_is_success(int32_t phase)
{
    return phase == SUCCEEDED || phase == RECOVERED;
}

bool engine_phase_allowed(int32_t type, int32_t from, int32_t to, bool higher_attempt)
{
    if (!is_phase(from) || !is_phase(to))
        return false;
    switch (allowed[from][to]) {
    case 'y':
        return true;
    case 'r':
        return higher_attempt;
    case 'c':
        return type == WORKFLOW_ACTION_TYPE_CONDITION;
    case 't':
        return type == WORKFLOW_ACTION_TYPE_TRACE;
    default:
        return false;
    }
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

enum code engine_phase_set(struct ctx *cx, struct store_action *a, int32_t to, uint32_t attempt, int64_t now_ns)
{
    bool higher = attempt > a->attempt;
    if (attempt < a->attempt || !engine_phase_allowed(a->type, a->phase, to, higher))
        return fail(cx, CODE_FAILED_PRECONDITION, "action " STR_FMT ": %s (attempt %u) may not follow %s (attempt %u)",
                    STR_ARG(a->name), engine_phase_name(to), attempt, engine_phase_name(a->phase), a->attempt);
    now_ns = later(now_ns, a->updated_ns);
    a->phase = to;
    a->attempt = attempt;
    a->updated_ns = now_ns;
    if (to == RUNNING && !a->started_ns)
        a->started_ns = now_ns;
    a->ended_ns = engine_phase_is_terminal(to) ? now_ns : 0;
    return CODE_OK;
}
