/* Launch forms: the values and types of Flyte as a JSON schema whose defaults are the values, and back. A web page draws a
 * form from it without knowing Flyte's types. Pure but for the source of values that are stored elsewhere; any thread.
 *
 * JSON travels as google.protobuf.Struct, whose numbers are doubles. What a double cannot say exactly is text: whole
 * numbers beyond 2^53 in decimal, and "NaN", "Infinity" and "-Infinity", as in ProtoJSON; both are read back.
 *
 * Errors of all: INVALID_ARGUMENT naming the input (a value that does not fit its type, a schema that is none, nesting
 * beyond what a message may have), UNIMPLEMENTED (kinds of values that no form shows), RESOURCE_EXHAUSTED (more work or
 * memory than one call gets). */
#ifndef LAUNCHFORM_LAUNCHFORM_H
#define LAUNCHFORM_LAUNCHFORM_H

#include "base/ctx.h"
#include "gen/flyteidl2_core.h"
#include "gen/flyteidl2_task.h"
#include "gen/google_protobuf.h"

/* Where literals are that only say so (offloaded_metadata): gives an object's bytes. */
struct launchform_source {
    enum code (*read)(struct ctx *cx, void *arg, str uri, str *bytes);
    void *arg;
};

struct launchform_literals {
    TaskNamedLiteral **p;
    size_t n;
};

/* The form of a task's inputs with its own defaults; empty for a task without inputs. source may be NULL. */
must_check_ enum code launchform_from_task(struct ctx *cx, const TaskTaskSpec *task,
                                           const struct launchform_source *source, GoogleProtobufStruct **form);
/* The form of those variables (NULL = none) that have a literal, with the literals as defaults. Literals without a
 * variable are left out: they belong to another version of the task. source may be NULL. */
must_check_ enum code launchform_from_literals(struct ctx *cx, const CoreVariableMap *variables,
                                               const struct launchform_literals *literals,
                                               const struct launchform_source *source, GoogleProtobufStruct **form);

/* The literals that a filled-in form holds, in order of their names. An input without a value is left out, unless its type
 * allows none. */
must_check_ enum code launchform_to_literals(struct ctx *cx, const GoogleProtobufStruct *form,
                                             struct launchform_literals *out);
/* Values by name as literals of the variables' types (NULL = none), in their order. Other values are left out. */
must_check_ enum code launchform_values_to_literals(struct ctx *cx, const CoreVariableMap *variables,
                                                    const GoogleProtobufStruct *values,
                                                    struct launchform_literals *out);

#endif
