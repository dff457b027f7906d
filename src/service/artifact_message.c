/* From rows to messages. See artifact_message.h. */
#include "service/artifact_message.h"

#include "service/convert.h"

enum code service_artifact_message(struct ctx *cx, const struct store_artifact *a, str org, ArtifactArtifact **out)
{
    ArtifactArtifact *m = pb_new(cx->mem, ArtifactArtifact);
    void *spec, *mismatch;
    TRY(pb_decode(cx, &ArtifactArtifactSpec_type, a->spec, &spec));
    m->spec = spec;
    m->spec->value->artifact_id->key->org = org;
    m->artifact_id = pb_new(cx->mem, ArtifactArtifactIdentifier);
    m->artifact_id->version = a->version;
    m->artifact_id->name = pb_new(cx->mem, ArtifactArtifactName);
    m->artifact_id->name->org = org;
    m->artifact_id->name->project = a->project;
    m->artifact_id->name->domain = a->domain;
    m->artifact_id->name->name = a->name;
    m->created_at = service_timestamp(cx, a->created_ns);
    m->created_by = service_identity(cx, a->created_by_subject, a->created_by_name);
    if (a->mismatch.n) {
        TRY(pb_decode(cx, &ArtifactPartitionSchemaMismatch_type, a->mismatch, &mismatch));
        m->partition_schema_mismatch = mismatch;
    }
    *out = m;
    return CODE_OK;
}

enum code service_artifact_messages(struct ctx *cx, const struct store_artifact *rows, size_t n, str org,
                                    ArtifactArtifact ***out)
{
    *out = arena_new_array(cx->mem, ArtifactArtifact *, n);
    for (size_t i = 0; i < n; i++)
        TRY(service_artifact_message(cx, &rows[i], org, &(*out)[i]));
    return CODE_OK;
}

enum code service_artifact_schema(struct ctx *cx, const struct store_artifact_name *n,
                                  ArtifactArtifactPartitionSchema **out)
{
    void *schema;
    TRY(pb_decode(cx, &ArtifactArtifactPartitionSchema_type, n->schema, &schema));
    *out = schema;
    return CODE_OK;
}
