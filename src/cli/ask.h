/* What a command asks of the running server: a page of it. */
#ifndef CLI_ASK_H
#define CLI_ASK_H

#include "config/config.h"

/* Sends body (GET when method says so: none) to the server of the data folder and prints its answer. otherwise: what to say
 * when no server runs. Errors: FAILED_PRECONDITION (no server), what the server answered, those of the connection. */
must_check_ enum code cli_ask(struct ctx *cx, const struct config *c, const char *method, const char *path, str body,
                              const char *otherwise);

#endif
