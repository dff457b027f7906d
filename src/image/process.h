/* Runs one program and waits for it; output goes where ours goes. */
#ifndef IMAGE_PROCESS_H
#define IMAGE_PROCESS_H

#include "base/ctx.h"

/* argv ends with NULL; argv[0] is found on PATH. folder: current folder of the program, NULL = ours. Prints the command
 * first. Errors: FAILED_PRECONDITION when it cannot be started, ended with a status other than 0, or by a signal. */
must_check_ enum code image_process_run(struct ctx *cx, const char *const *argv, const char *folder);
/* The same; what is printed is shown. */
must_check_ enum code image_process_run_as(struct ctx *cx, const char *const *argv, const char *const *shown,
                                           const char *folder);
/* The same without printing the command; out is what it wrote to its standard output, in cx->mem. Errors: also
 * RESOURCE_EXHAUSTED for more than max bytes. */
must_check_ enum code image_process_read(struct ctx *cx, const char *const *argv, size_t max, str *out);
/* The same without printing the command, its output thrown away: only whether it ended with 0. */
bool image_process_succeeds(const char *const *argv);

#endif
