/* Protocol buffers: messages are plain C structs, described by tables that tools/pbgen.py writes from idl/.
 *
 * C forms of a message `struct`:
 *   string, bytes          str (borrowed from the decoded input or the arena)
 *   scalar, enum, bool     int32_t uint32_t int64_t uint64_t float double bool int32_t (enums)
 *   proto3 optional scalar the same beside `bool has_<name>`
 *   message                pointer, NULL = absent
 *   repeated T             struct { T *p; size_t n; } (messages: T is a pointer)
 *   map<K,V>               struct { struct <Msg>_<Field>Entry *p; size_t n; } with .key and .value; decoding sorts by
 * key oneof x                int32_t x_case (the field number set, 0 = none) and an anonymous union of its members; the
 *                          constants <Message>_<field>_tag name the cases
 * A field named like a C keyword gets a trailing underscore. Every struct but map entries begins with struct pb_unknown
 * *unknown_, the fields that this schema does not know, kept for re-encoding.
 *
 * Names: package flyteidl2.<a>.<b> gives the prefix <A><B>, e.g. flyteidl2.workflow.CreateRunRequest is
 * WorkflowCreateRunRequest; google.protobuf.X is GoogleProtobufX, google.rpc.Status is GoogleRpcStatus, other packages
 * likewise; nested Outer.Inner is OuterPrefixOuter_Inner. Enum constants: <PREFIX>_<NAME IN THE PROTO>, with the
 * package prefix in capitals, e.g. COMMON_ACTION_PHASE_QUEUED. Nested enums have the message's name between, and the
 * enum's unless the value begins with it: CORE_TASK_EXECUTION_PHASE_FAILED, APP_SPEC_DESIRED_STATE_STOPPED. Each
 * message has `extern const struct pb_type <Name>_type`. Headers: one for each proto package, "gen/<package with
 * underscores>.h", e.g. "gen/flyteidl2_workflow.h"; the prototypes of all handlers are in "gen/services.h". */
#ifndef PB_PB_H
#define PB_PB_H

#include "base/buf.h"
#include "base/ctx.h"

struct pb_type;
struct pb_field;
struct pb_unknown;

/* A new, empty message in the arena: WorkflowRun *r = pb_new(cx->mem, WorkflowRun); */
#define pb_new(mem, T) ((T *)arena_alloc((mem), sizeof(T)))
/* The same where the type is known only by its table. */
void *pb_type_new(struct arena *mem, const struct pb_type *type);

/* Bound of decoding and of ProtoJSON: messages inside the outermost one. */
#define PB_DEPTH_MAX 100

/* Strings of *out borrow from data, which must live as long. Errors: INVALID_ARGUMENT (malformed, bad UTF-8, too deep),
 * RESOURCE_EXHAUSTED (the arena's cap). */
must_check_ enum code pb_decode(struct ctx *cx, const struct pb_type *type, str data, void **out);
/* Deterministic: fields in order of number, map entries sorted by key. */
must_check_ enum code pb_encode(struct ctx *cx, const struct pb_type *type, const void *msg, str *out);
/* The same, appended to b; the caller checks b->failed. */
void pb_encode_to(buf *b, const struct pb_type *type, const void *msg);
/* Gives msg the submessage field `number` as bytes that pb_encode() made of it before; they are borrowed. For replies that
 * pass stored messages on: only the binary encoder sees it, neither JSON nor a reader of the struct does. */
void pb_add_encoded(struct arena *mem, void *msg, uint32_t number, str bytes);
size_t pb_encoded_size(const struct pb_type *type, const void *msg);

/* ProtoJSON (https://protobuf.dev/programming-guides/json/). Strings of *out may borrow from text. Unknown fields, and
 * unknown names of enum values, are errors unless ignore_unknown; the same field or key twice always is. Errors as
 * pb_decode, with field and byte. */
must_check_ enum code pb_json_decode(struct ctx *cx, const struct pb_type *type, str text, bool ignore_unknown,
                                     void **out);
/* The same of one field of msg, named as in JSON or in the proto: text is what would stand behind its name. */
must_check_ enum code pb_json_decode_field(struct ctx *cx, const struct pb_type *type, str name, str text,
                                           bool ignore_unknown, void *msg);
/* lowerCamelCase names, defaults left out, one line. Errors: INTERNAL for values JSON cannot say. */
must_check_ enum code pb_json_encode(struct ctx *cx, const struct pb_type *type, const void *msg, str *out);

/* A message that is made of single texts, as REST has them in paths and queries. Begins as {type, msg}. */
struct pb_text {
    const struct pb_type *type;
    void *msg;
    const void **taken; /* fields that have their one value */
    size_t taken_n, n;
};
#define PB_TEXT_MAX 500
/* Sets the field at path: "a.b", names as in JSON or in the proto. text is the value as ProtoJSON writes it, less the
 * quotes. A repeated field gets one more element; "labels[key]" is an entry of a map. What lies on the path must be a
 * message without a form of its own in JSON. Borrows text. Errors: INVALID_ARGUMENT, whose message begins with the path
 * (no such field, malformed, a single value given twice, more than PB_TEXT_MAX), RESOURCE_EXHAUSTED. */
must_check_ enum code pb_text_set(struct ctx *cx, struct pb_text *t, str path, str text);
/* Whether path names a field that takes one text. */
bool pb_text_is_single(const struct pb_type *type, str path);
/* The number of the field that path begins with; 0 = the type has none of that name. */
uint32_t pb_text_field(const struct pb_type *type, str path);

/* The buf.validate rules of the IDL, less pb/validate_exceptions.def (D-50). Errors: INVALID_ARGUMENT whose message
 * names the field by its path, e.g. "run_id.name: must not be empty". */
must_check_ enum code pb_validate(struct ctx *cx, const struct pb_type *type, const void *msg);

/* Deep copy into mem, so that the copy outlives the decoded input. */
void *pb_clone(struct arena *mem, const struct pb_type *type, const void *msg);
bool pb_equal(const struct pb_type *type, const void *a, const void *b);

/* Appends what a message is about, for people: the texts of the first identifier in it but for its organization, as
 * "project/domain/run/action". False when it has none. */
bool pb_identify(const struct pb_type *type, const void *msg, buf *b);
/* The same for a message without an identifier, from fields with names such as project, domain, id, key. */
bool pb_identify_by_names(const struct pb_type *type, const void *msg, buf *b);

str pb_type_name(const struct pb_type *type);
/* "flyteidl2.workflow.Run", or NULL. For Any, reflection and error details. */
const struct pb_type *pb_type_find(str full_name);
/* The name of an enum value as in the proto, or "" when unknown. enum_name is a full name. */
str pb_enum_name(str enum_name, int32_t value);

/* ---- services ------------------------------------------------------------------------------------------------- */

struct ctx;
struct stream;
typedef enum code pb_unary_fn(struct ctx *cx, const void *req, void *rsp);
/* A step of a stream, see rpc/stream.h. req is the request of a server stream, NULL for client and bidi streams. */
typedef enum code pb_stream_fn(struct ctx *cx, const void *req, struct stream *st);

/* One binding of google.api.http. */
struct pb_http {
    const char *verb; /* "GET"; of a custom pattern its kind */
    const char *path; /* "/api/v1/x/{name}" */
    const char *body; /* "*", a field's name, or NULL */
};

struct pb_method {
    const char *service; /* "flyteidl2.workflow.RunService" */
    const char *name;    /* "CreateRun" */
    const char *path;    /* "/flyteidl2.workflow.RunService/CreateRun" */
    const struct pb_type *input, *output;
    bool client_stream, server_stream;
    bool no_side_effects; /* idempotency_level = NO_SIDE_EFFECTS */
    /* Weak references to the handler named <Service>_<Method> (or <Package><Service>_<Method> where two services share
     * a short name); NULL = UNIMPLEMENTED. One of the two is used. */
    pb_unary_fn *unary;
    pb_stream_fn *stream;
    const struct pb_http *http; /* the google.api.http rule and its additional bindings */
    size_t http_count;          /* 0 = no rule */
};

/* All methods of the IDL, sorted by path, pb_method_count of them. */
extern const struct pb_method pb_methods[];
extern const size_t pb_method_count;
/* NULL when there is none. */
const struct pb_method *pb_method_find(str path);
/* The FileDescriptorSet of the IDL with its imports, for gRPC reflection. */
str pb_descriptor_set(void);

#endif
