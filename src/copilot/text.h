/* Values of simple types as the text of a file. Pure. */
#ifndef COPILOT_TEXT_H
#define COPILOT_TEXT_H

#include "base/buf.h"
#include "base/ctx.h"
#include "gen/flyteidl2_core.h"

/* False for a value that has none: a time that no calendar has. */
bool copilot_text_put(buf *b, const CorePrimitive *p);
/* A file's bytes as a literal of type simple (core.SimpleType). Errors: FAILED_PRECONDITION saying what it is not. */
must_check_ enum code copilot_text_parse(struct ctx *cx, int32_t simple, str bytes, CoreLiteral **out);
/* A literal that holds p or none. */
CoreLiteral *copilot_text_literal(struct arena *mem, CorePrimitive *p);
CoreLiteral *copilot_text_none(struct arena *mem);
/* A literal with a scalar of that case, whose value is the caller's to set. */
CoreLiteral *copilot_text_scalar(struct arena *mem, CoreScalar **scalar, int32_t value_case);

#endif
