/* REST: which HTTP requests are which RPC, by google.api.http's rules or, where an RPC has none, by the default binding
 *
 *   POST /api/v1/<package.Service>/<Method>    the request as the JSON body
 *   GET  the same path                         RPCs without side effects: the request's fields in the query
 *
 * The table is made once, at the start. */
#ifndef RPC_REST_INT_H
#define RPC_REST_INT_H

#include "rpc/call_int.h"
#include "rpc/rest_template_int.h"

/* Everything below it is REST's, also what is nothing. */
#define REST_PREFIX "/api/v1"

struct rest_binding {
    struct rest_binding *next; /* at the same place of the tree */
    const struct method *method;
    str http;   /* "GET"; "*" = all */
    str action; /* the part behind the colon, or empty */
    str body;   /* "*", the name of a field, or empty */
    const struct rest_var *vars;
    size_t var_count;
};

/* What a call was asked for; lives in its first run. */
struct rest {
    const struct rest_binding *binding;
    str *values; /* of the template's variables, decoded */
    str query;
};

struct rest_found {
    const struct rest_binding *binding; /* NULL = none */
    /* The path is right, but for these methods: "GET, POST"; empty = nothing is at this path. */
    char allow[64];
};

/* ---- rest_route.c ---- */

/* Builds the tree from the table of methods. Errors: INTERNAL: a rule that is wrong, or that another one shadows. */
must_check_ enum code rest_table(struct ctx *cx, struct rpc *r);
void rest_find(const struct rpc *r, str http_method, str path, struct rest_found *out);
/* The values of the binding's variables, in mem. Errors: INVALID_ARGUMENT. */
must_check_ enum code rest_values(struct ctx *cx, const struct rest_binding *b, str path, str **out);

/* ---- rest_request.c ---- */

/* The request's message from path, query and body. Errors: INVALID_ARGUMENT that names the field, RESOURCE_EXHAUSTED. */
must_check_ enum code rest_read(struct ctx *cx, const struct rest *rest, str body, void **out);

/* ---- rest.c ---- */

/* True: the request is REST's, and was taken or answered. */
bool rest_open(struct rpc *r, struct http_exchange *x, const struct head *h, const struct access *a);
/* Whether errors at this path are told as REST does. */
bool rest_owns(const struct rpc *r, str path);
/* google.rpc.Status in JSON; mem for scratch. */
void rest_put_status(struct arena *mem, buf *b, const struct err *e);

#endif
