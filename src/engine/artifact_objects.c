/* Which objects an artifact names. See artifact_int.h. */
#include "engine/artifact_int.h"
#include "object/object.h"
#include "object/reach.h"

#define OBJECTS_MAX 256

struct walk {
    struct ctx *cx;
    str keys[OBJECTS_MAX];
    size_t n;
    bool over;
};

static void add_key(struct walk *w, str key)
{
    for (size_t i = 0; i < w->n; i++)
        if (str_eq(w->keys[i], key))
            return;
    w->over = w->over || w->n == OBJECTS_MAX;
    if (!w->over)
        w->keys[w->n++] = key;
}

static str without_slashes(str s)
{
    while (s.n && s.p[s.n - 1] == '/')
        s.n--;
    return s;
}

/* URIs of elsewhere are nobody's here. */
static void add_uri(struct walk *w, str uri)
{
    str bucket, key;
    if (object_uri_parse(w->cx, "uri", without_slashes(uri), &bucket, &key) != CODE_OK)
        ctx_clear_err(w->cx);
    else if (str_eq(bucket, STR(OBJECT_BUCKET)))
        add_key(w, key);
}

static void add_place(void *arg, str place)
{
    add_key(arg, without_slashes(place));
}

static void walk_literal(struct walk *w, const CoreLiteral *l);

static void walk_scalar(struct walk *w, const CoreScalar *s)
{
    str bytes;
    switch (s->value_case) {
    case CoreScalar_blob_tag:
        add_uri(w, s->blob->uri);
        break;
    case CoreScalar_schema_tag:
        add_uri(w, s->schema->uri);
        break;
    case CoreScalar_structured_dataset_tag:
        add_uri(w, s->structured_dataset->uri);
        break;
    case CoreScalar_union_tag:
        if (s->union_->value)
            walk_literal(w, s->union_->value);
        break;
    case CoreScalar_binary_tag:
        object_reach_each(w->cx, s->binary->value, add_place, w);
        break;
    case CoreScalar_generic_tag:
        if (pb_encode(w->cx, &GoogleProtobufStruct_type, s->generic, &bytes) == CODE_OK)
            object_reach_each(w->cx, bytes, add_place, w);
        break;
    default: /* values that name nothing */
        break;
    }
}

/* As deep as a message can be. */
static void walk_literal(struct walk *w, const CoreLiteral *l)
{
    if (l->value_case == CoreLiteral_scalar_tag)
        walk_scalar(w, l->scalar);
    if (l->value_case == CoreLiteral_offloaded_metadata_tag)
        add_uri(w, l->offloaded_metadata->uri);
    for (size_t i = 0; l->value_case == CoreLiteral_collection_tag && i < l->collection->literals.n; i++)
        walk_literal(w, l->collection->literals.p[i]);
    for (size_t i = 0; l->value_case == CoreLiteral_map_tag && i < l->map->literals.n; i++)
        if (l->map->literals.p[i].value)
            walk_literal(w, l->map->literals.p[i].value);
}

enum code engine_artifact_objects(struct ctx *cx, const ArtifactArtifactSpec *spec, struct store_artifact_parts *out)
{
    struct walk *w = arena_new(cx->mem, struct walk);
    w->cx = cx;
    walk_literal(w, spec->value);
    if (spec->info && spec->info->card)
        add_uri(w, spec->info->card->uri);
    if (w->over)
        return fail(cx, CODE_INVALID_ARGUMENT, "spec.value: names more than %d objects; name the folder that has them",
                    OBJECTS_MAX);
    out->objects = w->keys;
    out->object_count = w->n;
    return CODE_OK;
}
