/* Signals. See signal.h. Write entries. */
#include "engine/signal.h"

#include "engine/change.h"
#include "engine/engine.h"
#include "engine/phase.h"
#include "gen/flyteidl2_workflow.h"
#include "store/spec.h"

static int32_t type_of(const CoreLiteral *v)
{
    if (!v || v->value_case != CoreLiteral_scalar_tag || v->scalar->value_case != CoreScalar_primitive_tag)
        return CORE_NONE;
    switch (v->scalar->primitive->value_case) {
    case CorePrimitive_boolean_tag:
        return CORE_BOOLEAN;
    case CorePrimitive_integer_tag:
        return CORE_INTEGER;
    case CorePrimitive_float_value_tag:
        return CORE_FLOAT;
    case CorePrimitive_string_value_tag:
        return CORE_STRING;
    default:
        return CORE_NONE;
    }
}

static const char *type_name(int32_t type)
{
    switch (type) {
    case CORE_BOOLEAN:
        return "boolean";
    case CORE_INTEGER:
        return "integer";
    case CORE_FLOAT:
        return "float";
    case CORE_STRING:
        return "string";
    default:
        return "?";
    }
}

static int32_t declared(const CoreLiteralType *t)
{
    return t && t->type_case == CoreLiteralType_simple_tag ? t->simple : CORE_NONE;
}

enum code engine_signal_check_type(struct ctx *cx, const CoreLiteralType *type)
{
    if (type_name(declared(type))[0] == '?')
        return fail(cx, CODE_INVALID_ARGUMENT, "condition.type: must be boolean, integer, float or string");
    return CODE_OK;
}

static enum code check_type(struct ctx *cx, const struct store_action *a, int32_t given)
{
    struct store_spec *s;
    void *msg;
    TRY(store_spec_get(cx, a->spec_id, &s));
    TRY(pb_decode(cx, &WorkflowConditionAction_type, s->body, &msg));
    int32_t want = declared(((const WorkflowConditionAction *)msg)->type);
    if (given != want)
        return fail(cx, CODE_INVALID_ARGUMENT, "value: condition " STR_FMT " takes a %s, not a %s",
                    STR_ARG(a->function_name), type_name(want), type_name(given));
    return CODE_OK;
}

enum code engine_signal(struct ctx *cx, const struct store_run *run, struct store_action *a, const CoreLiteral *value,
                        uint64_t by)
{
    struct engine_ending end = {.phase = COMMON_ACTION_PHASE_SUCCEEDED, .value_by = by};
    struct engine_clock clock;
    int32_t given = type_of(value);
    if (given == CORE_NONE)
        return fail(cx, CODE_INVALID_ARGUMENT, "value: must be a boolean, an integer, a float or a string");
    if (a->type != WORKFLOW_ACTION_TYPE_CONDITION)
        return fail(cx, CODE_FAILED_PRECONDITION, "action " STR_FMT " is not a condition", STR_ARG(a->name));
    TRY(pb_encode(cx, &CoreLiteral_type, value, &end.value));
    if (a->value.n && str_eq(a->value, end.value))
        return CODE_OK;
    if (a->value.n)
        return fail(cx, CODE_FAILED_PRECONDITION, "condition " STR_FMT " was signalled with another value",
                    STR_ARG(a->name));
    if (a->ended_ns)
        return fail(cx, CODE_FAILED_PRECONDITION, "condition " STR_FMT " has ended: %s", STR_ARG(a->name),
                    engine_phase_name(a->phase));
    TRY(check_type(cx, a, given));
    engine_clock_now(cx, &clock);
    return engine_change_end(cx, &clock, a, run, NULL, &end);
}
