/* What the files of src/launchform share.
 *
 * Depth, here and there, counts messages inside the outermost one on the wire, as readers of protocol buffers do, most of
 * which stop at 100: an object inside a JSON object is three deeper, an element of an array two. */
#ifndef LAUNCHFORM_INT_H
#define LAUNCHFORM_INT_H

#include "launchform/launchform.h"

/* Less than 100, for the few messages that a leaf may still hold. */
#define LAUNCHFORM_DEPTH_MAX 88
/* Of an object inside an object, and of an element of an array. */
#define LAUNCHFORM_IN_OBJECT 3
#define LAUNCHFORM_IN_ARRAY 2
/* Whole numbers up to here are exact in a double. */
#define LAUNCHFORM_EXACT_MAX (INT64_C(1) << 53)

/* Where in the form a schema is: the keys on the way to it, innermost first. */
struct launchform_path {
    const struct launchform_path *up;
    str key;
};

/* One conversion, and what it has used. */
struct launchform {
    struct ctx *cx;
    const struct launchform_source *source; /* NULL = none */
    size_t steps;
    size_t read_bytes;                  /* of literals that were stored elsewhere */
    size_t type_bytes;                  /* of the variants that values of unions name */
    const struct launchform_path *path; /* of the schema that is being made or read */
    /* The class whose value was converted last, and whether its values are sent as MessagePack. */
    const GoogleProtobufStruct *class_schema;
    bool class_msgpack;
    str ref_from, ref_to; /* of launchform_move_schema() */
    bool loose; /* set when a value was taken for what is not its usual form in JSON: union.c looks for better */
};

/* Called for each value and type before it is converted: `bytes` more of memory are about to be used. */
must_check_ enum code launchform_step(struct launchform *f, int depth, size_t bytes);

/* ---- json.c: building and reading JSON --------------------------------------------------------------------------- */

GoogleProtobufValue *launchform_null(struct arena *mem);
GoogleProtobufValue *launchform_bool(struct arena *mem, bool v);
/* A number, or text where a double cannot say it. */
GoogleProtobufValue *launchform_real(struct arena *mem, double v);
GoogleProtobufValue *launchform_integer(struct arena *mem, int64_t v);
GoogleProtobufValue *launchform_text(struct arena *mem, str v);
GoogleProtobufValue *launchform_object(struct arena *mem);
GoogleProtobufValue *launchform_array(struct arena *mem);

/* Only for objects and arrays made here. put: the key is new; set: it may replace another one. */
void launchform_put(struct arena *mem, GoogleProtobufValue *object, const char *key, GoogleProtobufValue *v);
void launchform_put_key(struct arena *mem, GoogleProtobufStruct *object, str key, GoogleProtobufValue *v);
void launchform_set(struct arena *mem, GoogleProtobufStruct *object, str key, GoogleProtobufValue *v);
void launchform_append(struct arena *mem, GoogleProtobufValue *array, GoogleProtobufValue *v);

/* For objects whose entries are sorted, as decoded ones are. NULL when absent. */
const GoogleProtobufValue *launchform_get(const GoogleProtobufStruct *object, str key);
/* The same, of that kind only: NULL, or false. */
const GoogleProtobufStruct *launchform_get_object(const GoogleProtobufStruct *object, str key);
const GoogleProtobufListValue *launchform_get_array(const GoogleProtobufStruct *object, str key);
bool launchform_get_text(const GoogleProtobufStruct *object, str key, str *out);
const GoogleProtobufStruct *launchform_as_object(const GoogleProtobufValue *v);
bool launchform_as_text(const GoogleProtobufValue *v, str *out);
/* {"type": "null"} and nothing else: how a form says none, since a default of null would mean that there is none. */
bool launchform_says_none(const GoogleProtobufValue *v);
/* "text", "a number" ..., for messages. */
const char *launchform_kind(const GoogleProtobufValue *v);

/* f->path as the fragment of a URI: "#/properties/x". */
must_check_ enum code launchform_path_text(struct launchform *f, int depth, str *out);

/* A copy whose numbers are all finite, see launchform.h. */
must_check_ enum code launchform_copy(struct launchform *f, const GoogleProtobufValue *v, int depth,
                                      GoogleProtobufValue **out);
must_check_ enum code launchform_copy_object(struct launchform *f, const GoogleProtobufStruct *v, int depth,
                                             GoogleProtobufStruct **out);
/* A copy of a schema in which references ($ref) into `from` go into `to`. */
must_check_ enum code launchform_move_schema(struct launchform *f, const GoogleProtobufStruct *schema, int depth,
                                             str from, str to, GoogleProtobufStruct **out);

/* ---- types: schema.c and type.c ---------------------------------------------------------------------------------- */

/* The JSON schema of a type; NULL = none. depth: of the schema as a value. */
must_check_ enum code launchform_schema(struct launchform *f, const CoreLiteralType *t, int depth,
                                        GoogleProtobufStruct **out);
/* The way back. */
must_check_ enum code launchform_type(struct launchform *f, const GoogleProtobufStruct *schema, int depth,
                                      CoreLiteralType **out);
bool launchform_is_simple(const CoreLiteralType *t, int32_t simple);
/* "integer", "array" ...: what the members of a union are called in a form. */
str launchform_type_title(const CoreLiteralType *t);

/* ---- values: value.c, msgpack.c, literal.c, class.c, union.c -------------------------------------------------------------- */

must_check_ enum code launchform_value(struct launchform *f, const CoreLiteral *l, int depth,
                                       GoogleProtobufValue **out);
/* *out = NULL when the bytes are no single MessagePack value, or one that JSON cannot say. */
must_check_ enum code launchform_msgpack(struct launchform *f, str bytes, int depth, GoogleProtobufValue **out);

/* depth: of the literal. */
must_check_ enum code launchform_literal(struct launchform *f, const GoogleProtobufValue *v, const CoreLiteralType *t,
                                         int depth, CoreLiteral **out);
must_check_ enum code launchform_union(struct launchform *f, const GoogleProtobufValue *v, const CoreLiteralType *t,
                                       int depth, CoreLiteral **out);
/* The same, as variant number i when the value fits that. */
must_check_ enum code launchform_union_as(struct launchform *f, const GoogleProtobufValue *v, const CoreLiteralType *t,
                                          size_t i, int depth, CoreLiteral **out);
/* Of type STRUCT. */
must_check_ enum code launchform_class(struct launchform *f, const GoogleProtobufValue *v, const CoreLiteralType *t,
                                       int depth, CoreLiteral **out);
/* A union's none; *out = NULL when it has none. */
must_check_ enum code launchform_union_none(struct launchform *f, const CoreLiteralType *t, CoreLiteral **out);
/* SINGLE or MULTIPART, by name or number. */
bool launchform_dimensionality(const GoogleProtobufValue *v, int32_t *out);
/* A literal with an empty scalar of that case. */
CoreLiteral *launchform_scalar(struct arena *mem, int32_t value_case);
CoreLiteral *launchform_none(struct arena *mem);

#endif
