/* The aws-chunked body: chunks with their size, optional signatures, optional trailers. A decoder that is fed what
 * arrives; one thread at a time. */
#ifndef OBJECT_CHUNKED_INT_H
#define OBJECT_CHUNKED_INT_H

#include "object/sign_int.h"

/* A chunk's head, and all trailers together. */
#define OBJECT_CHUNKED_LINE_MAX ((size_t)1024)
#define OBJECT_CHUNKED_TRAILERS_MAX ((size_t)4096)

enum object_chunked_state { CHUNKED_HEAD, CHUNKED_DATA, CHUNKED_DATA_END, CHUNKED_TRAILER, CHUNKED_DONE };

struct object_chunked {
    const struct object_sign *sign; /* borrowed; its payload says what form is expected */
    enum object_chunked_state state;
    bool is_signed, has_trailer;
    char line[OBJECT_CHUNKED_LINE_MAX];
    size_t line_n;
    int64_t left;                               /* of the chunk */
    char previous[65];                          /* signature before this one */
    char expected[65];                          /* as the chunk's head says */
    struct object_hash sha256;                  /* of the chunk */
    char trailers[OBJECT_CHUNKED_TRAILERS_MAX]; /* "name:value\n", names in lower case */
    size_t trailers_n;
    bool trailer_signed;
};

/* sign has one of the chunked payloads. */
void object_chunked_init(struct object_chunked *c, const struct object_sign *sign);
/* Takes bytes from *in; *data is the next piece of the content in it, or empty when *in is used up. */
enum s3_error object_chunked_next(struct ctx *cx, struct object_chunked *c, str *in, str *data);
/* The body has ended. */
enum s3_error object_chunked_end(struct ctx *cx, const struct object_chunked *c);
/* Value of a trailer; empty when absent. */
str object_chunked_trailer(const struct object_chunked *c, str name);
/* Accepts a zeroed one. */
void object_chunked_done(struct object_chunked *c);

#endif
