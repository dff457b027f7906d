/* JSON documents (RFC 8259) as flat nodes in an arena, for configuration, error bodies and Kubernetes.
 * Messages of the API have their own codec (pb/json.h). */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/buf.h"
#include "base/ctx.h"

enum json_kind { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json {
    enum json_kind kind;
    bool boolean;
    str text;                  /* string value, unescaped; or the number as written */
    str key;                   /* of a member of an object */
    struct json *first, *next; /* children in order; sibling */
    uint32_t line;             /* of the source, 1-based; set by base/yaml.c, 0 otherwise */
};

#define JSON_DEPTH_MAX 100

/* All strings are copies in cx->mem. Errors: INVALID_ARGUMENT with the byte offset (bad syntax, bad UTF-8, too deep,
 * duplicate keys), RESOURCE_EXHAUSTED (the arena's cap). */
must_check_ enum code json_parse(struct ctx *cx, str text, struct json **out);
/* NULL when v is NULL, no object, or has no such member. */
struct json *json_get(const struct json *v, str key);
/* Follows "a.b.c"; NULL when any is missing. */
struct json *json_path(const struct json *v, str path);
/* The fallback when v is NULL or of another kind; json_i64 also when the number is no integer in range. */
str json_text(const struct json *v, str fallback);
bool json_bool(const struct json *v, bool fallback);
int64_t json_i64(const struct json *v, int64_t fallback);

/* A member whose key another member of the object has too, or NULL; scratch memory from mem. */
const struct json *json_duplicate(struct arena *mem, const struct json *object);

/* Writing: appends the quoted, escaped form of s; bytes that are no UTF-8 become U+FFFD. */
void json_put_str(buf *b, str s);
/* Appends v on one line, numbers as they were written. */
void json_put(buf *b, const struct json *v);

#endif
