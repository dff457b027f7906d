/* The tables that tools/pbgen.py writes: what the codec knows about a message, an enum, a service.
 * Only src/pb and generated code look inside; everybody else uses pb/pb.h. All of it is const and shared by all
 * threads. Names are kept in one text per package, `pool`, and referred to by their offset, so that the tables need
 * few relocations. */
#ifndef PB_TABLE_H
#define PB_TABLE_H

#include "pb/pb.h"

/* The type of a field or of one element. */
enum pb_kind {
    PB_BOOL,
    PB_INT32,
    PB_SINT32,
    PB_UINT32,
    PB_ENUM,
    PB_FIXED32,
    PB_SFIXED32,
    PB_FLOAT,
    PB_INT64,
    PB_SINT64,
    PB_UINT64,
    PB_FIXED64,
    PB_SFIXED64,
    PB_DOUBLE,
    PB_STRING,
    PB_BYTES,
    PB_MESSAGE,
};

/* How the field sits in its struct. */
enum pb_shape {
    PB_PLAIN,    /* the value; absent = zero, for messages NULL */
    PB_OPTIONAL, /* the value, and a bool at `has` */
    PB_ONEOF,    /* the value in a union, and the set field's number as int32_t at `has` */
    PB_REPEATED, /* struct pb_array */
    PB_MAP,      /* struct pb_array of entries; sub is the entry's type, key and value are its fields 0 and 1 */
};

/* Types that ProtoJSON writes in a form of their own. */
enum pb_wkt {
    PB_WKT_NONE,
    PB_WKT_ANY,
    PB_WKT_TIMESTAMP,
    PB_WKT_DURATION,
    PB_WKT_STRUCT,
    PB_WKT_VALUE,
    PB_WKT_LIST,
    PB_WKT_FIELD_MASK,
    PB_WKT_WRAPPER,
};

/* The rules of buf.validate that the IDL uses; the argument is in the member named behind. */
enum pb_rule_op {
    PB_RULE_NOT_INSIDE, /* the field's message is not looked into */
    PB_RULE_ZERO_OK,    /* no other rule counts while the field is empty */
    PB_RULE_REQUIRED,
    PB_RULE_ONEOF,     /* s: name of the oneof, of which one member must be set */
    PB_RULE_LEN,       /* u: characters */
    PB_RULE_MIN_LEN,   /* u */
    PB_RULE_MAX_LEN,   /* u */
    PB_RULE_BYTES,     /* u: bytes */
    PB_RULE_MIN_BYTES, /* u */
    PB_RULE_MAX_BYTES, /* u */
    PB_RULE_PATTERN,   /* s: a regular expression that validate.c knows */
    PB_RULE_URI,
    PB_RULE_LT,        /* u, i or f as the field's kind; i = nanoseconds for durations */
    PB_RULE_LTE,       /* as LT */
    PB_RULE_GT,        /* as LT */
    PB_RULE_GTE,       /* as LT */
    PB_RULE_MIN_ITEMS, /* u */
    PB_RULE_MAX_ITEMS, /* u */
    PB_RULE_MIN_PAIRS, /* u */
    PB_RULE_MAX_PAIRS, /* u */
    PB_RULE_UNIQUE,
    PB_RULE_DEFINED, /* enum values that have a name */
    PB_RULE_IN,      /* list: count, values */
    PB_RULE_NOT_IN,  /* list */
    PB_RULE_CEL,     /* s: id of an expression that validate.c has in C */
};

enum pb_rule_on { PB_RULE_ON_VALUE, PB_RULE_ON_ITEM, PB_RULE_ON_KEY, PB_RULE_ON_MAP_VALUE };

#define PB_RULE_MESSAGE 0xffff

struct pb_rule {
    uint16_t field; /* its index, or PB_RULE_MESSAGE */
    uint8_t op, on;
    union {
        uint64_t u;
        int64_t i;
        double f;
        const char *s;
        const int32_t *list;
    };
};

/* A field to look at while validating: it has rules, or its message has any inside. */
struct pb_check {
    uint16_t field;    /* its index */
    uint16_t first, n; /* its rules */
};

struct pb_field {
    union {
        const struct pb_type *type;  /* PB_MESSAGE, and the entry of a map */
        const struct pb_enum *enums; /* PB_ENUM */
    };
    uint32_t tag;  /* number << 3 | the wire type that encoding uses */
    uint32_t name; /* in the pool; the JSON name follows it when it differs */
    uint16_t offset, has;
    uint8_t kind, shape;
    uint8_t name_len, json_len; /* json_len 0: the same as the name */
    /* Presence without looking at kind and shape: the eight bytes at `probe`, shifted right, are not zero, or for
     * members of a oneof (want) the field's number. */
    uint16_t probe;
    uint8_t right;
    uint32_t want;
};

/* The last three of a field whose presence is in `size` bytes at `offset`. Those before are read too, and shifted out:
 * a struct begins with a pointer, so they are part of it. */
#define PB_PROBE(offset, size, want) (offset) + (size)-8, 64 - 8 * (size), want

struct pb_type {
    const char *name; /* full name */
    const char *pool;
    const struct pb_field *fields; /* by number */
    const struct pb_rule *rules;   /* by field; those of the message last */
    uint16_t name_len;
    uint16_t size;  /* of the struct, bytes */
    uint16_t n;     /* fields */
    uint16_t dense; /* fields[i] has number i + 1 for i < dense */
    uint8_t wkt;
    bool is_entry; /* of a map: no unknown_ at the start */
    bool has_maps;
    uint16_t rule_n;
    uint16_t check_n; /* with rule_n: not zero when the type, or a message inside it, has rules */
    const struct pb_check *checks;
};

static inline bool pb_type_is_checked(const struct pb_type *t)
{
    return t->rule_n || t->check_n;
}

struct pb_enum_value {
    int32_t number;
    uint32_t name; /* in the pool */
    uint32_t name_len;
};

struct pb_enum {
    const char *name;
    const char *pool;
    const struct pb_enum_value *values; /* by number; the first of several names first */
    uint32_t n;
    bool is_null; /* google.protobuf.NullValue: null in JSON */
};

/* Of types that have none: a pointer that may be added to. */
extern const struct pb_field pb_no_fields[1];
extern const struct pb_rule pb_no_rules[1];
extern const struct pb_check pb_no_checks[1];

/* Everything generated from one descriptor set. Types and enums are sorted by name, methods by path. */
struct pb_registry {
    const struct pb_type *const *types;
    size_t type_count;
    const struct pb_enum *const *enums;
    size_t enum_count;
    const struct pb_method *methods;
    size_t method_count;
    str descriptors;
};

extern const struct pb_registry pb_registry_main;
/* A test program may link a second set (pbgen.py --prefix): then types and methods are found there too. */
extern const struct pb_registry pb_registry_extra __attribute__((weak));

/* The form of every repeated field and map. */
struct pb_array {
    void *p;
    size_t n;
};

/* A run of fields the schema does not know, as they were on the wire. The first node of a message knows the last. */
struct pb_unknown {
    struct pb_unknown *next, *last;
    str data;
};

static inline uint32_t pb_field_number(const struct pb_field *f)
{
    return f->tag >> 3;
}

static inline str pb_field_name(const struct pb_type *t, const struct pb_field *f)
{
    return (str){t->pool + f->name, f->name_len};
}

static inline str pb_field_json_name(const struct pb_type *t, const struct pb_field *f)
{
    return f->json_len ? (str){t->pool + f->name + f->name_len, f->json_len} : pb_field_name(t, f);
}

#endif
