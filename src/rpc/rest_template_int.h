/* Path templates of google.api.http: "/v1/{name=shelves/ *}/books:list" (without the space). */
#ifndef RPC_REST_TEMPLATE_INT_H
#define RPC_REST_TEMPLATE_INT_H

#include "base/ctx.h"

/* Segments of a template, and of a path that may match one. */
#define REST_SEGMENTS_MAX 64

enum rest_segment_kind {
    REST_LITERAL,
    REST_ONE, /* "*": one segment that is not empty */
    REST_ALL, /* "**": all that follow, also none; only at the end */
};

struct rest_segment {
    enum rest_segment_kind kind;
    str text; /* of a literal */
};

struct rest_var {
    str path;        /* of the field: "id.name" */
    size_t first, n; /* its segments; with all those that "**" stands for */
    bool many;       /* its pattern is more than one segment, so that slashes separate */
    bool all;        /* ends in "**" */
};

struct rest_template {
    struct rest_segment *segments;
    size_t segment_count;
    struct rest_var *vars;
    size_t var_count;
    str verb; /* without the colon; empty = none */
};

/* Borrows text. Errors: INTERNAL, with the place. */
must_check_ enum code rest_template_parse(struct ctx *cx, str text, struct rest_template *out);

/* A path cut into its segments. */
struct rest_path {
    str segments[REST_SEGMENTS_MAX]; /* not decoded */
    size_t n;
};
/* False when it is none of ours: does not begin with a slash, too many segments. */
bool rest_path_cut(str path, struct rest_path *out);
/* The decoded text of a variable. last: the last segment without its verb. Errors: INVALID_ARGUMENT. */
must_check_ enum code rest_template_value(struct ctx *cx, const struct rest_var *var, const struct rest_path *path,
                                          str *out);

#endif
