/* Artifacts: checking and storing versions. See artifact.h. */
#include "engine/artifact.h"

#include "base/time.h"
#include "engine/artifact_int.h"
#include "engine/fire.h"
#include "engine/uploads.h"
#include "store/run.h"
#include "store/space.h"

#include <openssl/sha.h>

#define SPEC_MAX ((size_t)256 << 10)
#define METADATA_MAX 64
#define METADATA_KEY ((size_t)255)
#define METADATA_VALUE ((size_t)4096)

/* ---- checks, one for each part ----------------------------------------------------------------------------------- */

static enum code check_version(struct ctx *cx, str version)
{
    if (str_eq(version, STR(ENGINE_ARTIFACT_LATEST)))
        return fail(cx, CODE_INVALID_ARGUMENT,
                    "artifact_id.version: \"" ENGINE_ARTIFACT_LATEST
                    "\" stands for the newest version; give this one another");
    return CODE_OK;
}

/* Whoever uses the value can be traced by what it carries. */
static enum code stamp_value(struct ctx *cx, const ArtifactArtifactIdentifier *id, ArtifactArtifactSpec *spec)
{
    CoreLiteral *value = pb_new(cx->mem, CoreLiteral);
    if (!spec->value->value_case)
        return fail(cx, CODE_INVALID_ARGUMENT, "spec.value: holds no value");
    *value = *spec->value;
    value->artifact_id = pb_new(cx->mem, CoreArtifactVersionId);
    value->artifact_id->version = id->version;
    value->artifact_id->key = pb_new(cx->mem, CoreArtifactKey);
    value->artifact_id->key->project = id->name->project;
    value->artifact_id->key->domain = id->name->domain;
    value->artifact_id->key->name = id->name->name;
    spec->value = value;
    return CODE_OK;
}

static enum code take_source(struct ctx *cx, const ArtifactArtifactName *name, ArtifactArtifactSpec *spec,
                             struct store_artifact *row)
{
    const ArtifactArtifactSource *s = spec->source;
    if (s && s->source_case == ArtifactArtifactSource_external_ref_tag && s->external_ref.n) {
        row->source_ref = s->external_ref;
        return CODE_OK;
    }
    if (!s || s->source_case != ArtifactArtifactSource_task_action_tag) {
        spec->source = NULL;
        return CODE_OK;
    }
    const CommonActionIdentifier *a = s->task_action->action;
    if (!str_eq(a->run->project, name->project) || !str_eq(a->run->domain, name->domain))
        return fail(cx, CODE_INVALID_ARGUMENT,
                    "spec.source.task_action.action.run: another project or domain than the artifact's");
    row->source_run = a->run->name;
    row->source_action = a->name;
    return CODE_OK;
}

static str or_else(str s, str other)
{
    return s.n ? s : other;
}

/* What a parent leaves out is as with the child. */
static enum code complete_parents(struct ctx *cx, const ArtifactArtifactIdentifier *id, ArtifactArtifactSpec *spec)
{
    size_t n = spec->parent_artifacts.n;
    CoreArtifactVersionId **parents = arena_new_array(cx->mem, CoreArtifactVersionId *, n);
    for (size_t i = 0; i < n; i++) {
        const CoreArtifactVersionId *from = spec->parent_artifacts.p[i];
        CoreArtifactKey *key = pb_new(cx->mem, CoreArtifactKey);
        if (!from->version.n)
            return fail(cx, CODE_INVALID_ARGUMENT, "spec.parent_artifacts[%zu].version: required", i);
        if (from->key)
            *key = *from->key;
        key->project = or_else(key->project, id->name->project);
        key->domain = or_else(key->domain, id->name->domain);
        key->name = or_else(key->name, id->name->name);
        if (str_eq(from->version, id->version) && str_eq(key->name, id->name->name) &&
            str_eq(key->project, id->name->project) && str_eq(key->domain, id->name->domain))
            return fail(cx, CODE_INVALID_ARGUMENT, "spec.parent_artifacts[%zu]: an artifact is no parent of itself", i);
        parents[i] = pb_new(cx->mem, CoreArtifactVersionId);
        *parents[i] = *from;
        parents[i]->key = key;
    }
    spec->parent_artifacts.p = parents;
    return CODE_OK;
}

static enum code take_metadata(struct ctx *cx, const CoreArtifactInfo *info, struct engine_artifact *out,
                               struct store_artifact_pair *pairs)
{
    size_t n = info ? info->user_metadata.n : 0;
    if (n > METADATA_MAX)
        return fail(cx, CODE_INVALID_ARGUMENT, "spec.info.user_metadata: at most %d pairs", METADATA_MAX);
    for (size_t i = 0; i < n; i++) {
        str key = info->user_metadata.p[i].key, value = info->user_metadata.p[i].value;
        if (!key.n || key.n > METADATA_KEY)
            return fail(cx, CODE_INVALID_ARGUMENT, "spec.info.user_metadata: keys have 1 to %zu bytes", METADATA_KEY);
        if (value.n > METADATA_VALUE)
            return fail(cx, CODE_INVALID_ARGUMENT, "spec.info.user_metadata: " STR_FMT ": at most %zu bytes",
                        STR_ARG(key), METADATA_VALUE);
        pairs[i] = (struct store_artifact_pair){STORE_ARTIFACT_METADATA, key, value};
    }
    out->parts.pair_count = n;
    return CODE_OK;
}

/* Before anything is made of it. */
static enum code check_size(struct ctx *cx, const ArtifactArtifactSpec *spec)
{
    size_t n = pb_encoded_size(&ArtifactArtifactSpec_type, spec);
    if (n > SPEC_MAX)
        return fail(cx, CODE_INVALID_ARGUMENT,
                    "spec: %zu bytes, at most %zu; keep large values in a file, folder or data frame", n, SPEC_MAX);
    return CODE_OK;
}

/* Two values with the same hash count as equal, wherever they lie; and the first source stays. */
static enum code digest_content(struct ctx *cx, const ArtifactArtifactSpec *spec, str *out)
{
    ArtifactArtifactSpec content = *spec;
    CoreLiteral by_hash = {.hash = spec->value->hash};
    str bytes;
    if (spec->value->hash.n)
        content.value = &by_hash;
    content.source = NULL;
    TRY(pb_encode(cx, &ArtifactArtifactSpec_type, &content, &bytes));
    unsigned char *digest = arena_alloc(cx->mem, SHA256_DIGEST_LENGTH);
    SHA256((const unsigned char *)bytes.p, bytes.n, digest);
    *out = str_make((char *)digest, SHA256_DIGEST_LENGTH);
    return CODE_OK;
}

enum code engine_artifact_prepare(struct ctx *cx, const ArtifactCreateArtifactRequest *req, struct engine_artifact *out)
{
    const ArtifactArtifactIdentifier *id = req->artifact_id;
    ArtifactArtifactSpec *spec = pb_new(cx->mem, ArtifactArtifactSpec);
    struct store_artifact_pair *pairs =
        arena_new_array(cx->mem, struct store_artifact_pair, METADATA_MAX + ENGINE_ARTIFACT_PARTITIONS_MAX);
    *spec = *req->spec;
    *out = (struct engine_artifact){.parts.pairs = pairs, .spec = spec};
    out->row = (struct store_artifact){
        .project = id->name->project, .domain = id->name->domain, .name = id->name->name, .version = id->version};
    TRY(check_version(cx, id->version));
    TRY(stamp_value(cx, id, spec));
    TRY(take_source(cx, id->name, spec, &out->row));
    TRY(complete_parents(cx, id, spec));
    TRY(take_metadata(cx, spec->info, out, pairs));
    TRY(engine_artifact_partitions(cx, spec, out, pairs + out->parts.pair_count));
    TRY(check_size(cx, spec));
    TRY(engine_artifact_objects(cx, spec, &out->parts));
    TRY(digest_content(cx, spec, &out->row.digest));
    return pb_encode(cx, &ArtifactArtifactSpec_type, spec, &out->row.spec);
}

/* ---- storing ----------------------------------------------------------------------------------------------------- */

static enum code decode_schema(struct ctx *cx, const struct store_artifact_name *n,
                               const ArtifactArtifactPartitionSchema **out)
{
    void *msg;
    TRY(pb_decode(cx, &ArtifactArtifactPartitionSchema_type, n->schema, &msg));
    *out = msg;
    return CODE_OK;
}

static enum code add_name(struct ctx *cx, str project, str domain, str name,
                          const ArtifactArtifactPartitionSchema *schema, bool declared,
                          struct store_artifact_name **out)
{
    struct store_artifact_name *n = arena_new(cx->mem, struct store_artifact_name);
    *n = (struct store_artifact_name){.name = name, .declared = declared};
    TRY(pb_encode(cx, &ArtifactArtifactPartitionSchema_type, schema, &n->schema));
    TRY(store_space_put(cx, project, domain, &n->space_id));
    TRY(store_artifact_name_insert(cx, n));
    *out = n;
    return CODE_OK;
}

/* A version with other partitions than the name's is stored, and says so. */
static enum code compare_schema(struct ctx *cx, const struct store_artifact_name *n, struct engine_artifact *a)
{
    ArtifactPartitionSchemaMismatch m = {0};
    const ArtifactArtifactPartitionSchema *expected;
    TRY(decode_schema(cx, n, &expected));
    if (engine_artifact_schema_equal(expected, a->schema))
        return CODE_OK;
    m.expected = pb_clone(cx->mem, &ArtifactArtifactPartitionSchema_type, expected);
    m.actual = pb_clone(cx->mem, &ArtifactArtifactPartitionSchema_type, a->schema);
    m.message = arena_printf(cx->mem, "partitions: " STR_FMT "; those of the artifact are: " STR_FMT,
                             STR_ARG(engine_artifact_schema_text(cx, a->schema)),
                             STR_ARG(engine_artifact_schema_text(cx, expected)));
    return pb_encode(cx, &ArtifactPartitionSchemaMismatch_type, &m, &a->row.mismatch);
}

/* Triggers that wait for it start their runs. */
static enum code tell_triggers(struct ctx *cx, const struct engine_artifact *a)
{
    CoreArtifactKey key = {.project = a->row.project, .domain = a->row.domain, .name = a->row.name};
    CoreArtifactID id = {.artifact_key = &key,
                         .version = a->row.version,
                         .partitions = a->spec->partitions,
                         .time_partition = a->spec->time_partition};
    struct store_run *run = NULL;
    if (a->row.source_run.n)
        TRY(store_run_find(cx, a->row.project, a->row.domain, a->row.source_run, &run));
    return engine_fire_artifact(cx, &id, a->spec->value, run ? run->id : 0);
}

/* Every new version of every artifact comes through here, once. */
static enum code add_version(struct ctx *cx, const struct store_artifact_name *n, struct engine_artifact *a,
                             uint64_t created_by)
{
    a->row.name_id = n->id;
    a->row.space_id = n->space_id;
    a->row.created_ns = time_wall_ns();
    a->row.created_by = created_by;
    TRY(store_artifact_insert(cx, &a->row, &a->parts));
    return tell_triggers(cx, a);
}

enum code engine_artifact_put(struct ctx *cx, struct engine_artifact *a, uint64_t created_by,
                              enum engine_artifact_outcome *out)
{
    struct store_artifact_name *n;
    struct store_artifact *there = NULL;
    TRY(store_artifact_name_find(cx, a->row.project, a->row.domain, a->row.name, &n));
    if (n)
        TRY(store_artifact_find(cx, n->id, a->row.version, &there));
    if (there) {
        *out = str_eq(there->digest, a->row.digest) ? ENGINE_ARTIFACT_SAME : ENGINE_ARTIFACT_DIFFERENT;
        a->row = *there;
        return CODE_OK;
    }
    *out = ENGINE_ARTIFACT_NEW;
    for (size_t i = 0; i < a->parts.object_count; i++)
        TRY(engine_uploads_check_key(cx, a->parts.objects[i]));
    if (n)
        TRY(compare_schema(cx, n, a));
    else
        TRY(add_name(cx, a->row.project, a->row.domain, a->row.name, a->schema, false, &n));
    return add_version(cx, n, a, created_by);
}

enum code engine_artifact_declare(struct ctx *cx, const ArtifactArtifactName *name,
                                  const ArtifactArtifactPartitionSchema *schema,
                                  const ArtifactArtifactPartitionSchema **out)
{
    const ArtifactArtifactPartitionSchema *has;
    struct store_artifact_name *n;
    str bytes;
    TRY(engine_artifact_schema(cx, schema, out));
    TRY(store_artifact_name_find(cx, name->project, name->domain, name->name, &n));
    if (!n)
        return add_name(cx, name->project, name->domain, name->name, *out, true, &n);
    TRY(decode_schema(cx, n, &has));
    if (!engine_artifact_schema_equal(has, *out))
        return fail(cx, CODE_FAILED_PRECONDITION,
                    "artifact " STR_FMT " has the partitions: " STR_FMT "; other ones need another name",
                    STR_ARG(name->name), STR_ARG(engine_artifact_schema_text(cx, has)));
    if (n->declared) {
        *out = has;
        return CODE_OK;
    }
    TRY(pb_encode(cx, &ArtifactArtifactPartitionSchema_type, *out, &bytes));
    return store_artifact_name_declare(cx, n->id, bytes);
}
