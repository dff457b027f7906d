/* The connectors that the setting exec.connectors names: gRPC servers that run tasks of certain types in other systems
 * (flyteidl2.connector). Which types each serves is what the setting says, else what the connector itself lists, asked
 * every few seconds; what it listed once counts while it is away. Any thread; calls block. */
#ifndef EXEC_CONNECTORS_H
#define EXEC_CONNECTORS_H

#include "base/ctx.h"
#include "pb/pb.h"

#define EXEC_CONNECTORS_MAX ((size_t)32)

struct exec_connectors;

struct exec_connector {
    struct exec_connectors *all;
    size_t index;        /* in the setting */
    str name;            /* as the setting has it: "host:port" */
    str server;          /* "http://host:port" or "https://host:port" */
    str project, domain; /* whose tasks; empty = everybody's */
    int64_t timeout_ns;  /* of one call */
    int64_t poll_ns;     /* longest time between two looks at a job */
};

struct exec_task_type {
    str name;
    int32_t version;
};

/* Entries are "ENDPOINT type=T project=P domain=D timeout=10s poll=10s", type= as often as wanted. Without entries no
 * thread is started. Errors: INVALID_ARGUMENT naming the entry. */
must_check_ enum code exec_connectors_start(struct ctx *cx, const str *entries, size_t n, struct exec_connectors **out);
/* Breaks off the calls that are on their way: before those who make them are stopped. Both accept NULL. */
void exec_connectors_interrupt(struct exec_connectors *cs);
void exec_connectors_stop(struct exec_connectors *cs);

size_t exec_connectors_count(const struct exec_connectors *cs);
const struct exec_connector *exec_connectors_at(const struct exec_connectors *cs, size_t i);
/* The connector with this name, or NULL. */
const struct exec_connector *exec_connectors_find(const struct exec_connectors *cs, str name);
/* Which one serves the type for a project and domain: one for both, for the project, for the domain, for everybody; the
 * first of the setting among equals. Without project and domain: any, best one for everybody. NULL = none. */
const struct exec_connector *exec_connectors_select(struct exec_connectors *cs, struct exec_task_type type, str project,
                                                    str domain);
/* True soon after the start while a connector has not said yet which types it serves. */
bool exec_connectors_are_unsure(struct exec_connectors *cs);

/* One unary call. Errors: the status that the connector gave; those of grpc_client_call(). */
must_check_ enum code exec_connectors_call(struct ctx *cx, const struct exec_connector *c, const char *path,
                                           const void *request, const void **answer);
/* A call with several answers: each goes to fn, whose message is valid only then; false = no more of them. */
typedef bool exec_connectors_answer_fn(void *arg, const void *message);
must_check_ enum code exec_connectors_stream(struct ctx *cx, const struct exec_connector *c, const char *path,
                                             const void *request, exec_connectors_answer_fn *fn, void *arg);

#endif
