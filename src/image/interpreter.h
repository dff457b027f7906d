/* Which Python an environment is made with. */
#ifndef IMAGE_INTERPRETER_H
#define IMAGE_INTERPRETER_H

#include "base/ctx.h"

/* version: "3.12"; "" = any. ours is taken when it is of that version; else one that is on PATH, of the system, of pyenv
 * or of uv. Errors: INVALID_ARGUMENT for what is no version; FAILED_PRECONDITION when there is none, saying how to get
 * it. */
must_check_ enum code image_interpreter_find(struct ctx *cx, str version, str ours, str *out);

#endif
