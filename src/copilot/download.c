/* Literals to files. See copilot.h. */
#include "copilot/copilot.h"

#include "base/codec.h"
#include "base/json.h"
#include "base/number.h"
#include "base/time.h"
#include "base/vec.h"
#include "copilot/files.h"
#include "copilot/text.h"
#include "gen/flyteidl2_task.h"
#include "gen/google_protobuf.h"
#include "net/http_client.h"

#include <math.h>
#include <unistd.h>

#define DEPTH_MAX 32
#define JSON_MAX ((size_t)256 << 20)
#define SHOWN ((size_t)100)

struct down {
    struct ctx *cx;
    const struct copilot_download *d;
    buf json;
    size_t files; /* of this input */
    int depth;
};

/* Where a value goes: a name in an open folder, and its path as the container sees it. */
struct place {
    int dir;
    str name, shown;
    bool element; /* of a list */
};

static enum code put(struct down *w, const struct place *at, const CoreLiteral *l, CoreLiteral **out);

static struct place below(struct down *w, const struct place *parent, int dir, str name, bool element)
{
    return (struct place){
        dir, name, arena_printf(w->cx->mem, STR_FMT "/" STR_FMT, STR_ARG(parent->shown), STR_ARG(name)), element};
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

static bool to_file(void *arg, str bytes)
{
    const int *fd = arg;
    while (bytes.n) {
        ssize_t n = write(*fd, bytes.p, bytes.n);
        if (n <= 0)
            return false;
        bytes = str_skip(bytes, (size_t)n);
    }
    return true;
}

struct fetch {
    int fd, status;
};

static bool fetch_head(void *arg, int status, const struct http_header *headers, size_t n)
{
    (void)headers;
    (void)n;
    ((struct fetch *)arg)->status = status;
    return status == 200;
}

static bool fetch_body(void *arg, str bytes)
{
    return to_file(&((struct fetch *)arg)->fd, bytes);
}

/* From the web: public addresses only. */
static enum code fetch(struct ctx *cx, str uri, int fd)
{
    struct fetch f = {.fd = fd};
    struct http_client_request req = {.method = STR("GET"),
                                      .url = uri,
                                      .body_length = -1,
                                      .redirects = 5,
                                      .answer_max = OBJECT_PUT_MAX,
                                      .arg = &f,
                                      .head = fetch_head,
                                      .body = fetch_body};
    enum code code = http_client_perform(cx, &req);
    if (f.status && f.status != 200)
        return fail(cx, CODE_NOT_FOUND, STR_FMT ": the server answers %d", STR_ARG(str_head(uri, SHOWN)), f.status);
    return code;
}

static enum code put_file(struct down *w, int dir, str name, str uri)
{
    cleanup_(copilot_files_close) int fd = -1;
    if (++w->files > COPILOT_FILES_MAX)
        return fail(w->cx, CODE_INVALID_ARGUMENT, "has more than %zu files", COPILOT_FILES_MAX);
    TRY(copilot_files_create(w->cx, dir, name, &fd));
    if (str_starts(uri, STR("http://")) || str_starts(uri, STR("https://")))
        return fetch(w->cx, uri, fd);
    return object_client_get_file(w->cx, w->d->from, uri, fd, INT64_MAX);
}

/* A file of a folder, at a path of several names. */
static enum code put_below(struct down *w, int dir, str path, str uri, int depth)
{
    cleanup_(copilot_files_close) int fd = -1;
    str name, rest;
    if (!str_cut(path, '/', &name, &rest))
        return put_file(w, dir, path, uri);
    if (depth > DEPTH_MAX)
        return fail(w->cx, CODE_INVALID_ARGUMENT, "has folders that are too deep");
    if (copilot_files_kind(dir, name) == COPILOT_FOLDER)
        TRY(copilot_files_open_folder(w->cx, dir, name, &fd));
    else
        TRY(copilot_files_mkdir(w->cx, dir, name, &fd));
    return put_below(w, fd, rest, uri, depth + 1);
}

static enum code put_folder(struct down *w, const struct place *at, str uri)
{
    struct ctx *cx = w->cx;
    cleanup_(copilot_files_close) int dir = -1;
    struct object_list page = {.next = STR("")};
    str bucket, key;
    size_t found = 0;
    while (str_ends(uri, STR("/")))
        uri = str_head(uri, uri.n - 1);
    TRY(object_uri_parse(cx, "input", uri, &bucket, &key));
    TRY(copilot_files_mkdir(cx, at->dir, at->name, &dir));
    do {
        TRY(object_client_list(cx, w->d->from, uri, page.next, &page));
        found += page.n;
        for (size_t i = 0; i < page.n; i++) {
            str path = str_skip(page.p[i].key, key.n + 1);
            if (path.n == 0 || str_ends(path, STR("/"))) /* the marker of a folder */
                continue;
            TRY(put_below(w, dir, path, object_uri_make(cx->mem, bucket, page.p[i].key), 0));
        }
    } while (page.next.n);
    return found ? CODE_OK : fail(cx, CODE_NOT_FOUND, STR_FMT " has no files", STR_ARG(str_head(uri, SHOWN)));
}

static str base_of(str uri)
{
    size_t query = str_starts(uri, STR("http")) ? str_find_char(uri, '?') : SIZE_MAX;
    uri = str_head(uri, query == SIZE_MAX ? uri.n : query);
    size_t slash = str_rfind_char(uri, '/');
    return slash == SIZE_MAX ? uri : str_skip(uri, slash + 1);
}

/* Its own name; where that is none, or is taken, with a number before it. */
static str own_name(struct down *w, int dir, str uri, str index)
{
    str bucket, key, name = base_of(uri);
    if (object_uri_parse(w->cx, "input", uri, &bucket, &key) == CODE_OK)
        name = base_of(key);
    ctx_clear_err(w->cx);
    if (copilot_files_plain(name) && copilot_files_kind(dir, name) == COPILOT_ABSENT)
        return name;
    str numbered = arena_printf(w->cx->mem, STR_FMT "_" STR_FMT, STR_ARG(index), STR_ARG(name));
    return copilot_files_plain(numbered) ? numbered : index;
}

/* A file: at its place, or with its own name in a folder there, or with its own name in the folder of the list. */
static enum code put_single(struct down *w, const struct place *at, str uri, str *shown)
{
    cleanup_(copilot_files_close) int dir = -1;
    struct place to = *at;
    if (w->d->named && at->element) {
        to.name = own_name(w, at->dir, uri, at->name);
        to.shown = str_head(at->shown, at->shown.n - at->name.n);
        to.shown = arena_concat(w->cx->mem, to.shown, to.name);
    } else if (w->d->named) {
        TRY(copilot_files_mkdir(w->cx, at->dir, at->name, &dir));
        to = below(w, at, dir, own_name(w, dir, uri, STR("0")), false);
    }
    *shown = to.shown;
    return put_file(w, to.dir, to.name, uri);
}

/* A folder when there is something below the URI, else a file. */
static enum code put_dataset(struct down *w, const struct place *at, str uri, str *shown)
{
    struct object_list page;
    *shown = at->shown;
    str folder = str_ends(uri, STR("/")) ? str_head(uri, uri.n - 1) : uri;
    TRY(object_client_list(w->cx, w->d->from, folder, STR(""), &page));
    return page.n ? put_folder(w, at, folder) : put_single(w, at, folder, shown);
}

/* ---- scalars ----------------------------------------------------------------------------------------------------- */

static enum code put_text(struct down *w, const struct place *at, str text)
{
    w->files++;
    return copilot_files_write(w->cx, at->dir, at->name, text);
}

static void put_json_number(buf *b, double v)
{
    if (isfinite(v)) {
        number_put(b, v, -6, 21);
        return;
    }
    json_put_str(b, isnan(v) ? STR("NaN") : v > 0 ? STR("Infinity") : STR("-Infinity"));
}

static enum code put_primitive(struct down *w, const struct place *at, const CorePrimitive *p)
{
    buf text;
    buf_init_arena(&text, w->cx->mem, JSON_MAX);
    if (!copilot_text_put(&text, p))
        return fail(w->cx, CODE_INVALID_ARGUMENT, "is a time that no calendar has");
    str s = buf_view(&text);
    if (p->value_case == CorePrimitive_float_value_tag)
        put_json_number(&w->json, p->float_value);
    else if (p->value_case == CorePrimitive_duration_tag)
        buf_i64(&w->json,
                (int64_t)((uint64_t)p->duration->seconds * (uint64_t)NS_PER_S + (uint64_t)p->duration->nanos));
    else if (p->value_case == CorePrimitive_string_value_tag || p->value_case == CorePrimitive_datetime_tag)
        json_put_str(&w->json, s);
    else
        buf_str(&w->json, s);
    return put_text(w, at, s);
}

static enum code put_generic(struct down *w, const struct place *at, const GoogleProtobufStruct *s)
{
    str text;
    TRY(pb_json_encode(w->cx, &GoogleProtobufStruct_type, s, &text));
    buf_str(&w->json, text);
    return put_text(w, at, text);
}

static CoreScalar *copy_scalar(struct down *w, const CoreLiteral *l, CoreLiteral **out)
{
    *out = pb_new(w->cx->mem, CoreLiteral);
    **out = *l;
    (*out)->scalar = pb_new(w->cx->mem, CoreScalar);
    *(*out)->scalar = *l->scalar;
    return (*out)->scalar;
}

static enum code put_blob(struct down *w, const struct place *at, const CoreLiteral *l, CoreLiteral **out)
{
    const CoreBlob *blob = l->scalar->blob;
    const CoreBlobType *type = blob->metadata ? blob->metadata->type : NULL;
    str shown = at->shown;
    if (type && type->dimensionality == CORE_BLOB_TYPE_BLOB_DIMENSIONALITY_MULTIPART)
        TRY(put_folder(w, at, blob->uri));
    else
        TRY(put_single(w, at, blob->uri, &shown));
    CoreScalar *s = copy_scalar(w, l, out);
    s->blob = pb_new(w->cx->mem, CoreBlob);
    *s->blob = *blob;
    s->blob->uri = shown;
    json_put_str(&w->json, shown);
    return CODE_OK;
}

static enum code put_table(struct down *w, const struct place *at, const CoreLiteral *l, CoreLiteral **out)
{
    bool schema = l->scalar->value_case == CoreScalar_schema_tag;
    str shown;
    TRY(put_dataset(w, at, schema ? l->scalar->schema->uri : l->scalar->structured_dataset->uri, &shown));
    CoreScalar *s = copy_scalar(w, l, out);
    if (schema) {
        s->schema = pb_new(w->cx->mem, CoreSchema);
        *s->schema = *l->scalar->schema;
        s->schema->uri = shown;
    } else {
        s->structured_dataset = pb_new(w->cx->mem, CoreStructuredDataset);
        *s->structured_dataset = *l->scalar->structured_dataset;
        s->structured_dataset->uri = shown;
    }
    json_put_str(&w->json, shown);
    return CODE_OK;
}

static enum code put_union(struct down *w, const struct place *at, const CoreLiteral *l, CoreLiteral **out)
{
    const CoreUnion *u = l->scalar->union_;
    CoreLiteral *inner;
    if (!u->value)
        return fail(w->cx, CODE_INVALID_ARGUMENT, "is a union without a value");
    TRY(put(w, at, u->value, &inner));
    CoreScalar *s = copy_scalar(w, l, out);
    s->union_ = pb_new(w->cx->mem, CoreUnion);
    *s->union_ = *u;
    s->union_->value = inner;
    return CODE_OK;
}

static enum code put_scalar(struct down *w, const struct place *at, const CoreLiteral *l, CoreLiteral **out)
{
    const CoreScalar *s = l->scalar;
    switch (s->value_case) {
    case CoreScalar_primitive_tag:
        return put_primitive(w, at, s->primitive);
    case CoreScalar_blob_tag:
        return put_blob(w, at, l, out);
    case CoreScalar_schema_tag:
    case CoreScalar_structured_dataset_tag:
        return put_table(w, at, l, out);
    case CoreScalar_union_tag:
        return put_union(w, at, l, out);
    case CoreScalar_binary_tag:
        json_put_str(&w->json, codec_base64_encode(w->cx->mem, s->binary->value));
        return put_text(w, at, s->binary->value);
    case CoreScalar_error_tag:
        json_put_str(&w->json, s->error->message);
        return put_text(w, at, s->error->message);
    case CoreScalar_generic_tag:
        return put_generic(w, at, s->generic);
    case CoreScalar_none_type_tag:
        buf_str(&w->json, STR("null"));
        return put_text(w, at, STR("null"));
    default:
        return fail(w->cx, CODE_INVALID_ARGUMENT, "has a kind of value that cannot be a file");
    }
}

/* ---- lists, maps, what lies elsewhere ---------------------------------------------------------------------------- */

static enum code put_list(struct down *w, const struct place *at, const CoreLiteralCollection *list, CoreLiteral *out)
{
    cleanup_(copilot_files_close) int dir = -1;
    CoreLiteralCollection *copy = pb_new(w->cx->mem, CoreLiteralCollection);
    TRY(copilot_files_mkdir(w->cx, at->dir, at->name, &dir));
    copy->literals.p = arena_new_array(w->cx->mem, CoreLiteral *, list->literals.n + 1);
    buf_char(&w->json, '[');
    for (; copy->literals.n < list->literals.n; copy->literals.n++) {
        size_t i = copy->literals.n;
        struct place to = below(w, at, dir, arena_printf(w->cx->mem, "%zu", i), true);
        if (i)
            buf_char(&w->json, ',');
        TRY(put(w, &to, list->literals.p[i], &copy->literals.p[i]));
    }
    buf_char(&w->json, ']');
    out->collection = copy;
    return CODE_OK;
}

static enum code put_map(struct down *w, const struct place *at, const CoreLiteralMap *map, CoreLiteral *out)
{
    cleanup_(copilot_files_close) int dir = -1;
    CoreLiteralMap *copy = pb_new(w->cx->mem, CoreLiteralMap);
    TRY(copilot_files_mkdir(w->cx, at->dir, at->name, &dir));
    copy->literals.p = arena_new_array(w->cx->mem, CoreLiteralMap_LiteralsEntry, map->literals.n + 1);
    buf_char(&w->json, '{');
    for (; copy->literals.n < map->literals.n; copy->literals.n++) {
        size_t i = copy->literals.n;
        str key = map->literals.p[i].key;
        struct place to = below(w, at, dir, key, false);
        if (i)
            buf_char(&w->json, ',');
        json_put_str(&w->json, key);
        buf_char(&w->json, ':');
        copy->literals.p[i].key = key;
        TRY(put(w, &to, map->literals.p[i].value, &copy->literals.p[i].value));
    }
    buf_char(&w->json, '}');
    out->map = copy;
    return CODE_OK;
}

static enum code put_offloaded(struct down *w, const struct place *at, str uri, CoreLiteral **out)
{
    str bytes;
    void *msg;
    TRY(object_client_get(w->cx, w->d->from, uri, COPILOT_INPUTS_MAX, &bytes));
    TRY(pb_decode(w->cx, &CoreLiteral_type, bytes, &msg));
    return put(w, at, msg, out);
}

static enum code put(struct down *w, const struct place *at, const CoreLiteral *l, CoreLiteral **out)
{
    static const CoreLiteral nothing;
    l = l ? l : &nothing;
    if (++w->depth > DEPTH_MAX)
        return fail(w->cx, CODE_INVALID_ARGUMENT, "is nested too deeply");
    enum code code;
    *out = pb_new(w->cx->mem, CoreLiteral);
    **out = *l;
    switch (l->value_case) {
    case CoreLiteral_scalar_tag:
        code = put_scalar(w, at, l, out);
        break;
    case CoreLiteral_collection_tag:
        code = put_list(w, at, l->collection, *out);
        break;
    case CoreLiteral_map_tag:
        code = put_map(w, at, l->map, *out);
        break;
    case CoreLiteral_offloaded_metadata_tag:
        code = put_offloaded(w, at, l->offloaded_metadata->uri, out);
        break;
    default:
        code = fail(w->cx, CODE_INVALID_ARGUMENT, "has no value");
    }
    w->depth--;
    return code;
}

/* ---- all inputs -------------------------------------------------------------------------------------------------- */

static bool is_reserved(str name)
{
    return str_eq(name, STR("inputs.pb")) || str_eq(name, STR("inputs.json")) || str_eq(name, STR("inputs.yaml"));
}

static void put_key(struct down *w, str name, bool first)
{
    if (w->d->format == COPILOT_YAML) {
        json_put_str(&w->json, name);
        buf_str(&w->json, STR(": "));
        return;
    }
    if (!first)
        buf_char(&w->json, ',');
    json_put_str(&w->json, name);
    buf_char(&w->json, ':');
}

static enum code put_all(struct down *w, const CoreLiteralMap *inputs, CoreLiteralMap *out)
{
    bool yaml = w->d->format == COPILOT_YAML;
    out->literals.p = arena_new_array(w->cx->mem, CoreLiteralMap_LiteralsEntry, inputs->literals.n + 1);
    if (!yaml)
        buf_char(&w->json, '{');
    for (; out->literals.n < inputs->literals.n; out->literals.n++) {
        size_t i = out->literals.n;
        str name = inputs->literals.p[i].key;
        struct place at = {w->d->folder, name,
                           arena_printf(w->cx->mem, STR_FMT "/" STR_FMT, STR_ARG(w->d->shown), STR_ARG(name)), false};
        put_key(w, name, i == 0);
        out->literals.p[i].key = name;
        w->files = 0;
        if (!copilot_files_plain(name) || is_reserved(name))
            return fail(w->cx, CODE_INVALID_ARGUMENT, "input \"" STR_FMT "\" cannot be the name of a file",
                        STR_ARG(str_head(name, SHOWN)));
        if (put(w, &at, inputs->literals.p[i].value, &out->literals.p[i].value) != CODE_OK)
            return fail_wrap(w->cx, "input " STR_FMT, STR_ARG(str_head(name, SHOWN)));
        if (yaml)
            buf_char(&w->json, '\n');
    }
    if (!yaml)
        buf_char(&w->json, '}');
    else if (!out->literals.n)
        buf_str(&w->json, STR("{}\n"));
    return w->json.failed ? fail(w->cx, CODE_INVALID_ARGUMENT, "the inputs are too large for one document") : CODE_OK;
}

/* The form on the wire is that of a map; decoded as one, its entries are sorted. */
static enum code read_inputs(struct ctx *cx, const struct copilot_download *d, const CoreLiteralMap **out)
{
    str bytes = STR("");
    void *msg;
    if (d->inputs.n)
        TRY(object_client_get(cx, d->from, d->inputs, COPILOT_INPUTS_MAX, &bytes));
    TRY(pb_decode(cx, &CoreLiteralMap_type, bytes, &msg));
    *out = msg;
    return CODE_OK;
}

enum code copilot_download(struct ctx *cx, const struct copilot_download *d)
{
    struct down w = {.cx = cx, .d = d};
    CoreLiteralMap local = {0};
    const CoreLiteralMap *inputs;
    str bytes;
    buf_init_arena(&w.json, cx->mem, JSON_MAX);
    TRY(read_inputs(cx, d, &inputs));
    TRY(put_all(&w, inputs, &local));
    TRY(pb_encode(cx, &CoreLiteralMap_type, &local, &bytes));
    TRY(copilot_files_write(cx, d->folder, STR("inputs.pb"), bytes));
    if (d->format == COPILOT_PROTO)
        return CODE_OK;
    return copilot_files_write(cx, d->folder, d->format == COPILOT_YAML ? STR("inputs.yaml") : STR("inputs.json"),
                               buf_view(&w.json));
}
