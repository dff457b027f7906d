/* struct app: the things that live as long as the server, and how they are started and stopped in the right order. */
#ifndef APP_H
#define APP_H

#include "base/ctx.h"

struct config;
struct lanes;
struct topics;
struct engine;
struct notify;
struct exec;
struct exec_connectors;
struct object_store;
struct http_server;
struct rpc;

struct app {
    struct arena mem; /* for the strings below */
    const struct config *config;
    str data_dir;
    str api_endpoint;    /* "localhost:30080": what tasks and clients are told */
    str api_url;         /* "http://localhost:30080", or https */
    str s3_endpoint;     /* "http://localhost:30002" */
    str public_endpoint; /* of the data plane, when it is another (D-51); usually empty */
    struct topics *topics;
    struct lanes *lanes;
    struct object_store *objects;
    struct exec_connectors *connectors;
    struct exec *exec;
    struct engine *engine;
    struct notify *notify;
    struct rpc *rpc;
    struct http_server *http;
    int lock_fd; /* of <data>/run/server.lock; -1 = not held */
};

/* Starts everything; the API answers when this returns. cfg lives as long as the app. On failure everything that was
 * started is stopped again. Errors: FAILED_PRECONDITION when another server has the folder (it is named), when the port is
 * taken, or when the database is of a newer version. */
must_check_ enum code app_start(struct ctx *cx, const struct config *cfg, struct app *app);
/* Drains: streams end, requests in flight finish within the grace, tasks go on running. */
void app_stop(struct app *app);

#endif
