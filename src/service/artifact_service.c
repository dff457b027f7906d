/* ArtifactService: single artifacts and their partition schema. Lists are in artifact_service_list.c. */
#include "engine/artifact.h"
#include "gen/services.h"
#include "service/artifact_message.h"
#include "store/identity.h"
#include "store/project.h"

static enum code not_found(struct ctx *cx, const ArtifactArtifactName *name, str version)
{
    return fail(cx, CODE_NOT_FOUND, "artifact not found: " STR_FMT "/" STR_FMT "/" STR_FMT "%s" STR_FMT,
                STR_ARG(name->project), STR_ARG(name->domain), STR_ARG(name->name), version.n ? " version " : "",
                STR_ARG(version));
}

static enum code find_name(struct ctx *cx, const ArtifactArtifactName *name, struct store_artifact_name **out)
{
    TRY(store_artifact_name_find(cx, name->project, name->domain, name->name, out));
    return *out ? CODE_OK : not_found(cx, name, STR(""));
}

enum code ArtifactService_CreateArtifact(struct ctx *cx, const ArtifactCreateArtifactRequest *req,
                                         ArtifactCreateArtifactResponse *rsp)
{
    const ArtifactArtifactName *name = req->artifact_id->name;
    struct engine_artifact a;
    enum engine_artifact_outcome outcome;
    struct store_artifact *row;
    uint64_t by;
    TRY(engine_artifact_prepare(cx, req, &a));
    TRY(store_project_require(cx, name->project));
    TRY(store_identity_put_caller(cx, &by));
    TRY(engine_artifact_put(cx, &a, by, &outcome));
    if (outcome == ENGINE_ARTIFACT_DIFFERENT)
        return fail(cx, CODE_ALREADY_EXISTS,
                    "artifact " STR_FMT " has a version " STR_FMT " with other content; versions do not change",
                    STR_ARG(name->name), STR_ARG(a.row.version));
    TRY(store_artifact_get(cx, a.row.id, &row));
    return service_artifact_message(cx, row, name->org, &rsp->artifact);
}

enum code ArtifactService_GetArtifact(struct ctx *cx, const ArtifactGetArtifactRequest *req,
                                      ArtifactGetArtifactResponse *rsp)
{
    struct store_artifact_name *n;
    struct store_artifact *row = NULL;
    TRY(find_name(cx, req->name, &n));
    if (req->version.n && !str_eq(req->version, STR(ENGINE_ARTIFACT_LATEST)))
        TRY(store_artifact_find(cx, n->id, req->version, &row));
    else if (n->latest_id)
        TRY(store_artifact_get(cx, n->latest_id, &row));
    if (!row)
        return not_found(cx, req->name, req->version);
    return service_artifact_message(cx, row, req->name->org, &rsp->artifact);
}

enum code ArtifactService_DeleteArtifact(struct ctx *cx, const ArtifactDeleteArtifactRequest *req,
                                         ArtifactDeleteArtifactResponse *rsp)
{
    const ArtifactArtifactIdentifier *id = req->artifact_id;
    struct store_artifact_name *n;
    struct store_artifact *row;
    (void)rsp;
    if (str_eq(id->version, STR(ENGINE_ARTIFACT_LATEST)))
        return fail(cx, CODE_INVALID_ARGUMENT, "artifact_id.version: name the version that is to be deleted");
    TRY(find_name(cx, id->name, &n));
    TRY(store_artifact_find(cx, n->id, id->version, &row));
    return row ? store_artifact_delete(cx, row) : not_found(cx, id->name, id->version);
}

enum code ArtifactService_DeclareArtifact(struct ctx *cx, const ArtifactDeclareArtifactRequest *req,
                                          ArtifactDeclareArtifactResponse *rsp)
{
    const ArtifactArtifactPartitionSchema *schema;
    TRY(store_project_require(cx, req->name->project));
    TRY(engine_artifact_declare(cx, req->name, req->partition_schema, &schema));
    rsp->partition_schema = pb_clone(cx->mem, &ArtifactArtifactPartitionSchema_type, schema);
    return CODE_OK;
}

enum code ArtifactService_GetArtifactSchema(struct ctx *cx, const ArtifactGetArtifactSchemaRequest *req,
                                            ArtifactGetArtifactSchemaResponse *rsp)
{
    struct store_artifact_name *n;
    TRY(find_name(cx, req->name, &n));
    rsp->declared = n->declared;
    return service_artifact_schema(cx, n, &rsp->partition_schema);
}
