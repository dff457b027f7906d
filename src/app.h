/* struct app: the things that live as long as the server. Made in main.c's serve path, reached through cx->app. */
#ifndef APP_H
#define APP_H

#include "base/str.h"

struct config;
struct lanes;
struct topics;
struct engine;
struct exec;
struct object_store;
struct http_server;

struct app {
    const struct config *config;
    str data_dir;
    str api_endpoint; /* "localhost:30080": what tasks and clients are told */
    str s3_endpoint;  /* "http://localhost:30002" */
    struct topics *topics;
    struct lanes *lanes;
    struct object_store *objects;
    struct exec *exec;
    struct engine *engine;
    struct http_server *http;
};

#endif
