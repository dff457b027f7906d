/* Files to literals. See copilot.h. */
#include "copilot/copilot.h"

#include "base/vec.h"
#include "copilot/files.h"
#include "copilot/text.h"
#include "gen/flyteidl2_task.h"

#define DEPTH_MAX 32
#define ERROR_FILE STR("_ERROR")
#define ERROR_FILE_MAX ((size_t)1 << 20)
#define SHOWN ((size_t)100)

struct up {
    struct ctx *cx;
    const struct copilot_upload *u;
    size_t files; /* of this output */
    int depth;
};

/* What an output is read from, and where its blobs go. */
struct source {
    int dir;
    str name, uri;
};

static enum code take(struct up *w, const struct source *from, const CoreLiteralType *type, CoreLiteral **out);

static enum code wrong(struct ctx *cx, const char *what)
{
    return fail(cx, CODE_FAILED_PRECONDITION, "%s", what);
}

/* The URI of a file: its name is bytes, some of which a URI writes otherwise. */
static enum code uri_below(struct ctx *cx, str folder, str name, str *out)
{
    str bucket, key;
    TRY(object_uri_parse(cx, "raw data prefix", folder, &bucket, &key));
    *out = object_uri_make(cx->mem, bucket, arena_printf(cx->mem, STR_FMT "/" STR_FMT, STR_ARG(key), STR_ARG(name)));
    return CODE_OK;
}

static enum code take_below(struct up *w, const struct source *parent, int dir, str name, const CoreLiteralType *type,
                            CoreLiteral **out)
{
    struct source at = {.dir = dir, .name = name};
    TRY(uri_below(w->cx, parent->uri, name, &at.uri));
    return take(w, &at, type, out);
}

/* ---- blobs ------------------------------------------------------------------------------------------------------- */

static enum code put_file(struct up *w, int dir, str name, str uri)
{
    cleanup_(copilot_files_close) int fd = -1;
    int64_t size;
    if (++w->files > COPILOT_FILES_MAX)
        return fail(w->cx, CODE_FAILED_PRECONDITION, "has more than %zu files", COPILOT_FILES_MAX);
    TRY(copilot_files_open(w->cx, dir, name, &fd, &size));
    return object_client_put_file(w->cx, w->u->to, uri, fd, size);
}

static enum code put_folder(struct up *w, int parent, str name, str uri, int depth)
{
    cleanup_(copilot_files_close) int dir = -1;
    str *names;
    size_t n;
    if (depth > DEPTH_MAX)
        return wrong(w->cx, "has folders that are too deep");
    TRY(copilot_files_open_folder(w->cx, parent, name, &dir));
    TRY(copilot_files_list(w->cx, dir, COPILOT_FILES_MAX, &names, &n));
    for (size_t i = 0; i < n; i++) {
        str to;
        if (!copilot_files_plain(names[i]))
            return wrong(w->cx, "has a file whose name has control characters");
        TRY(uri_below(w->cx, uri, names[i], &to));
        bool folder = copilot_files_kind(dir, names[i]) == COPILOT_FOLDER;
        enum code code = folder ? put_folder(w, dir, names[i], to, depth + 1) : put_file(w, dir, names[i], to);
        if (code != CODE_OK)
            return fail_wrap(w->cx, "/" STR_FMT, STR_ARG(str_head(names[i], SHOWN)));
    }
    return CODE_OK;
}

static enum code take_blob(struct up *w, const struct source *from, const CoreBlobType *type, CoreLiteral **out)
{
    bool folder = copilot_files_kind(from->dir, from->name) == COPILOT_FOLDER;
    bool wanted = type->dimensionality == CORE_BLOB_TYPE_BLOB_DIMENSIONALITY_MULTIPART;
    CoreScalar *s;
    if (folder && !wanted)
        return wrong(w->cx, "is a folder, not a file");
    if (!folder && wanted)
        return wrong(w->cx, "is not a folder");
    if (folder)
        TRY(put_folder(w, from->dir, from->name, from->uri, 0));
    else
        TRY(put_file(w, from->dir, from->name, from->uri));
    *out = copilot_text_scalar(w->cx->mem, &s, CoreScalar_blob_tag);
    s->blob = pb_new(w->cx->mem, CoreBlob);
    s->blob->uri = from->uri;
    s->blob->metadata = pb_new(w->cx->mem, CoreBlobMetadata);
    s->blob->metadata->type = pb_new(w->cx->mem, CoreBlobType);
    s->blob->metadata->type->format = type->format;
    s->blob->metadata->type->dimensionality = type->dimensionality;
    return CODE_OK;
}

static enum code take_table(struct up *w, const struct source *from, const CoreLiteralType *type, CoreLiteral **out)
{
    bool schema = type->type_case == CoreLiteralType_schema_tag;
    CoreScalar *s;
    if (copilot_files_kind(from->dir, from->name) == COPILOT_FOLDER)
        TRY(put_folder(w, from->dir, from->name, from->uri, 0));
    else
        TRY(put_file(w, from->dir, from->name, from->uri));
    *out = copilot_text_scalar(w->cx->mem, &s, schema ? CoreScalar_schema_tag : CoreScalar_structured_dataset_tag);
    if (schema) {
        s->schema = pb_new(w->cx->mem, CoreSchema);
        s->schema->uri = from->uri;
        s->schema->type = type->schema;
        return CODE_OK;
    }
    CoreStructuredDatasetType *t = pb_new(w->cx->mem, CoreStructuredDatasetType);
    *t = *type->structured_dataset_type;
    if (!t->format.n)
        t->format = STR("parquet");
    s->structured_dataset = pb_new(w->cx->mem, CoreStructuredDataset);
    s->structured_dataset->uri = from->uri;
    s->structured_dataset->metadata = pb_new(w->cx->mem, CoreStructuredDatasetMetadata);
    s->structured_dataset->metadata->structured_dataset_type = t;
    return CODE_OK;
}

/* ---- text -------------------------------------------------------------------------------------------------------- */

static enum code take_simple(struct up *w, const struct source *from, int32_t simple, CoreLiteral **out)
{
    str bytes;
    w->files++;
    TRY(copilot_files_read(w->cx, from->dir, from->name, COPILOT_TEXT_MAX, &bytes));
    return copilot_text_parse(w->cx, simple, bytes, out);
}

static enum code take_enum(struct up *w, const struct source *from, const CoreEnumType *type, CoreLiteral **out)
{
    buf values;
    TRY(take_simple(w, from, CORE_STRING, out));
    for (size_t i = 0; i < type->values.n; i++)
        if (str_eq(type->values.p[i], (*out)->scalar->primitive->string_value))
            return CODE_OK;
    buf_init_arena(&values, w->cx->mem, SHOWN);
    for (size_t i = 0; i < type->values.n && !values.failed; i++) {
        buf_str(&values, i ? STR(", ") : STR(""));
        buf_str(&values, type->values.p[i]);
    }
    return fail(w->cx, CODE_FAILED_PRECONDITION, "is none of the values of its type: " STR_FMT,
                STR_ARG(buf_view(&values)));
}

/* ---- lists, maps, unions ----------------------------------------------------------------------------------------- */

static enum code take_list(struct up *w, const struct source *from, const CoreLiteralType *type, CoreLiteral **out)
{
    cleanup_(copilot_files_close) int dir = -1;
    CoreLiteralCollection *list = pb_new(w->cx->mem, CoreLiteralCollection);
    str *names;
    size_t n;
    TRY(copilot_files_open_folder(w->cx, from->dir, from->name, &dir));
    TRY(copilot_files_list(w->cx, dir, COPILOT_FILES_MAX, &names, &n));
    list->literals.p = arena_new_array(w->cx->mem, CoreLiteral *, n + 1);
    for (size_t i = 0; i < n; i++) {
        str name = arena_printf(w->cx->mem, "%zu", i);
        if (take_below(w, from, dir, name, type, &list->literals.p[i]) != CODE_OK)
            return fail_wrap(w->cx, "/%zu", i);
    }
    list->literals.n = n;
    *out = pb_new(w->cx->mem, CoreLiteral);
    (*out)->value_case = CoreLiteral_collection_tag;
    (*out)->collection = list;
    return CODE_OK;
}

static enum code take_map(struct up *w, const struct source *from, const CoreLiteralType *type, CoreLiteral **out)
{
    cleanup_(copilot_files_close) int dir = -1;
    CoreLiteralMap *map = pb_new(w->cx->mem, CoreLiteralMap);
    str *names;
    size_t n;
    TRY(copilot_files_open_folder(w->cx, from->dir, from->name, &dir));
    TRY(copilot_files_list(w->cx, dir, COPILOT_FILES_MAX, &names, &n));
    map->literals.p = arena_new_array(w->cx->mem, CoreLiteralMap_LiteralsEntry, n + 1);
    for (size_t i = 0; i < n; i++) {
        if (!copilot_files_plain(names[i]) || !str_is_utf8(names[i]))
            return wrong(w->cx, "has a file whose name is no text");
        map->literals.p[i].key = names[i];
        if (take_below(w, from, dir, names[i], type, &map->literals.p[i].value) != CODE_OK)
            return fail_wrap(w->cx, "/" STR_FMT, STR_ARG(str_head(names[i], SHOWN)));
    }
    map->literals.n = n;
    *out = pb_new(w->cx->mem, CoreLiteral);
    (*out)->value_case = CoreLiteral_map_tag;
    (*out)->map = map;
    return CODE_OK;
}

static bool is_none(const CoreLiteralType *t)
{
    return t->type_case == CoreLiteralType_simple_tag && t->simple == CORE_NONE;
}

static enum code union_of(struct up *w, CoreLiteral *value, CoreLiteralType *type, CoreLiteral **out)
{
    CoreScalar *s;
    *out = copilot_text_scalar(w->cx->mem, &s, CoreScalar_union_tag);
    s->union_ = pb_new(w->cx->mem, CoreUnion);
    s->union_->value = value;
    s->union_->type = type;
    return CODE_OK;
}

/* The first variant that the file can be; without a file nothing, where that is a variant. */
static enum code take_union(struct up *w, const struct source *from, const CoreUnionType *type, CoreLiteral **out)
{
    bool there = copilot_files_kind(from->dir, from->name) != COPILOT_ABSENT;
    CoreLiteral *value;
    int depth = w->depth;
    enum code code = wrong(w->cx, "was not written");
    for (size_t i = 0; i < type->variants.n; i++) {
        CoreLiteralType *t = type->variants.p[i];
        if (is_none(t) && !there)
            return union_of(w, copilot_text_none(w->cx->mem), t, out);
        if (is_none(t) || !there)
            continue;
        w->depth = depth;
        code = take(w, from, t, &value);
        if (code == CODE_OK)
            return union_of(w, value, t, out);
        if (code != CODE_FAILED_PRECONDITION)
            return code;
    }
    return code;
}

/* ---- one output -------------------------------------------------------------------------------------------------- */

static enum code take_here(struct up *w, const struct source *from, const CoreLiteralType *type, CoreLiteral **out)
{
    switch (type->type_case) {
    case CoreLiteralType_simple_tag:
        return take_simple(w, from, type->simple, out);
    case CoreLiteralType_blob_tag:
        return take_blob(w, from, type->blob, out);
    case CoreLiteralType_enum_type_tag:
        return take_enum(w, from, type->enum_type, out);
    case CoreLiteralType_collection_type_tag:
        return take_list(w, from, type->collection_type, out);
    case CoreLiteralType_map_value_type_tag:
        return take_map(w, from, type->map_value_type, out);
    case CoreLiteralType_schema_tag:
    case CoreLiteralType_structured_dataset_type_tag:
        return take_table(w, from, type, out);
    case CoreLiteralType_union_type_tag:
        return take_union(w, from, type->union_type, out);
    default:
        return wrong(w->cx, "has a type that cannot be read from a file");
    }
}

/* x, or else the only one of x.* */
static enum code find(struct up *w, const struct source *from, str *name)
{
    str *names, prefix = arena_printf(w->cx->mem, STR_FMT ".", STR_ARG(from->name));
    size_t n, found = 0;
    *name = from->name;
    if (copilot_files_kind(from->dir, from->name) != COPILOT_ABSENT)
        return CODE_OK;
    TRY(copilot_files_list(w->cx, from->dir, COPILOT_FILES_MAX, &names, &n));
    for (size_t i = 0; i < n; i++)
        if (str_starts(names[i], prefix)) {
            *name = names[i];
            found++;
        }
    if (found > 1)
        return fail(w->cx, CODE_FAILED_PRECONDITION, "was not written, and there are %zu files " STR_FMT "*", found,
                    STR_ARG(str_head(prefix, SHOWN)));
    return CODE_OK;
}

static enum code take(struct up *w, const struct source *from, const CoreLiteralType *type, CoreLiteral **out)
{
    struct source at = *from;
    if (++w->depth > DEPTH_MAX || !type)
        return wrong(w->cx, "has a type that cannot be read from a file");
    TRY(find(w, from, &at.name));
    bool there = copilot_files_kind(at.dir, at.name) != COPILOT_ABSENT;
    if (is_none(type) && !there)
        *out = copilot_text_none(w->cx->mem);
    else if (!there && type->type_case != CoreLiteralType_union_type_tag)
        return wrong(w->cx, "was not written");
    else
        TRY(take_here(w, &at, type, out));
    w->depth--;
    return CODE_OK;
}

/* ---- all outputs ------------------------------------------------------------------------------------------------- */

static enum code check_error_file(struct ctx *cx, int folder)
{
    str text;
    if (copilot_files_kind(folder, ERROR_FILE) == COPILOT_ABSENT)
        return CODE_OK;
    if (copilot_files_read(cx, folder, ERROR_FILE, ERROR_FILE_MAX, &text) != CODE_OK)
        return fail_wrap(cx, "_ERROR");
    return fail(cx, CODE_ABORTED, STR_FMT, STR_ARG(str_head(str_trim(text), ERR_MSG_MAX - 1)));
}

/* In the order of the declaration, by which clients know them: as task.Outputs, which on the wire is core.LiteralMap too. */
static enum code take_all(struct up *w, const CoreVariableMap *declared, TaskOutputs *out)
{
    struct ctx *cx = w->cx;
    out->literals.p = arena_new_array(cx->mem, TaskNamedLiteral *, declared->variables.n + 1);
    for (; out->literals.n < declared->variables.n; out->literals.n++) {
        const CoreVariableEntry *v = declared->variables.p[out->literals.n];
        struct source from = {.dir = w->u->folder, .name = v->key};
        TaskNamedLiteral *named = pb_new(cx->mem, TaskNamedLiteral);
        if (!copilot_files_plain(v->key) || str_eq(v->key, ERROR_FILE))
            return fail(cx, CODE_FAILED_PRECONDITION, "output \"" STR_FMT "\" cannot be the name of a file",
                        STR_ARG(str_head(v->key, SHOWN)));
        TRY(uri_below(cx, w->u->raw, v->key, &from.uri));
        w->files = 0;
        w->depth = 0;
        out->literals.p[out->literals.n] = named;
        named->name = v->key;
        if (take(w, &from, v->value ? v->value->type : NULL, &named->value) != CODE_OK)
            return fail_wrap(cx, "output " STR_FMT, STR_ARG(str_head(v->key, SHOWN)));
    }
    return CODE_OK;
}

enum code copilot_upload(struct ctx *cx, const struct copilot_upload *u)
{
    struct up w = {.cx = cx, .u = u};
    TaskOutputs outputs = {0};
    void *msg;
    str bytes;
    TRY(pb_decode(cx, &CoreTypedInterface_type, u->interface, &msg));
    const CoreTypedInterface *interface = msg;
    TRY(check_error_file(cx, u->folder));
    if (!interface->outputs || !interface->outputs->variables.n)
        return CODE_OK;
    TRY(take_all(&w, interface->outputs, &outputs));
    TRY(pb_encode(cx, &TaskOutputs_type, &outputs, &bytes));
    if (bytes.n > COPILOT_OUTPUTS_MAX)
        return wrong(cx, "the outputs are larger than 64 MiB; give large ones as files");
    return object_client_put(cx, u->to, object_uri_join(cx->mem, u->prefix, STR("outputs.pb")), bytes);
}

enum code copilot_put_error(struct ctx *cx, const struct object_client *to, str prefix, str code, str message,
                            bool system)
{
    CoreErrorDocument document = {.error = pb_new(cx->mem, CoreContainerError)};
    str bytes;
    *document.error = (CoreContainerError){
        .code = code,
        .message = message,
        .kind = CORE_CONTAINER_ERROR_KIND_RECOVERABLE,
        .origin = system ? CORE_EXECUTION_ERROR_ERROR_KIND_SYSTEM : CORE_EXECUTION_ERROR_ERROR_KIND_USER,
    };
    TRY(pb_encode(cx, &CoreErrorDocument_type, &document, &bytes));
    return object_client_put(cx, to, object_uri_join(cx->mem, prefix, STR("error.pb")), bytes);
}
