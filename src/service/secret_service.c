/* SecretService: sealed values by scope. A value goes in and reaches tasks; no RPC ever answers it. */
#include "base/time.h"
#include "engine/secret.h"
#include "gen/flyteidl2_common.h"
#include "gen/flyteidl2_secret.h"
#include "gen/services.h"
#include "service/convert.h"
#include "service/list.h"
#include "store/secret.h"

/* It becomes the name of a file. */
#define NAME_MAX_BYTES 250

#define LIST_MAX 1000

static enum code check_scope(struct ctx *cx, str domain, str project)
{
    if (project.n && !domain.n)
        return fail(cx, CODE_INVALID_ARGUMENT, "id.domain: a secret of a project must also name its domain");
    return CODE_OK;
}

static enum code secret_row(struct ctx *cx, const SecretSecretIdentifier *id, const SecretSecretSpec *spec,
                            struct store_secret *out)
{
    TRY(check_scope(cx, id->domain, id->project));
    if (id->name.n > NAME_MAX_BYTES)
        return fail(cx, CODE_INVALID_ARGUMENT, "id.name: at most %d characters", NAME_MAX_BYTES);
    if (!spec || spec->value_case == 0)
        return fail(cx, CODE_INVALID_ARGUMENT, "secret_spec.value: a string or binary value is required");
    str value = spec->value_case == SecretSecretSpec_string_value_tag ? spec->string_value : spec->binary_value;
    if (value.n > ENGINE_SECRET_MAX)
        return fail(cx, CODE_INVALID_ARGUMENT, "secret_spec.value: at most %zu bytes", ENGINE_SECRET_MAX);
    *out = (struct store_secret){.domain = id->domain, .project = id->project, .name = id->name, .type = spec->type};
    out->created_ns = out->updated_ns = time_wall_ns();
    return engine_secret_seal(cx, id->domain, id->project, id->name, value, &out->sealed);
}

enum code SecretService_CreateSecret(struct ctx *cx, const SecretCreateSecretRequest *req,
                                     SecretCreateSecretResponse *rsp)
{
    struct store_secret row;
    (void)rsp;
    TRY(secret_row(cx, req->id, req->secret_spec, &row));
    return store_secret_insert(cx, &row);
}

enum code SecretService_UpdateSecret(struct ctx *cx, const SecretUpdateSecretRequest *req,
                                     SecretUpdateSecretResponse *rsp)
{
    struct store_secret row;
    (void)rsp;
    TRY(secret_row(cx, req->id, req->secret_spec, &row));
    return store_secret_update(cx, &row);
}

static enum code not_found(struct ctx *cx, str name)
{
    return fail(cx, CODE_NOT_FOUND, "secret " STR_FMT " not found", STR_ARG(name));
}

static SecretSecret *secret_message(struct ctx *cx, const struct store_secret *row, str organization)
{
    SecretSecret *m = pb_new(cx->mem, SecretSecret);
    m->id = pb_new(cx->mem, SecretSecretIdentifier);
    m->id->name = row->name;
    m->id->domain = row->domain;
    m->id->project = row->project;
    m->id->organization = organization;
    m->secret_metadata = pb_new(cx->mem, SecretSecretMetadata);
    m->secret_metadata->created_time = service_timestamp(cx, row->created_ns);
    m->secret_metadata->type = row->type;
    SecretSecretStatus *status = m->secret_metadata->secret_status = pb_new(cx->mem, SecretSecretStatus);
    status->overall_status = SECRET_FULLY_PRESENT;
    status->cluster_status.n = 1;
    status->cluster_status.p = arena_new_array(cx->mem, SecretClusterSecretStatus *, 1);
    status->cluster_status.p[0] = pb_new(cx->mem, SecretClusterSecretStatus);
    status->cluster_status.p[0]->presence_status = SECRET_PRESENT;
    status->cluster_status.p[0]->cluster = pb_new(cx->mem, CommonClusterIdentifier);
    status->cluster_status.p[0]->cluster->name = STR("tern");
    return m;
}

enum code SecretService_GetSecret(struct ctx *cx, const SecretGetSecretRequest *req, SecretGetSecretResponse *rsp)
{
    struct store_secret *row;
    TRY(check_scope(cx, req->id->domain, req->id->project));
    TRY(store_secret_find(cx, req->id->domain, req->id->project, req->id->name, &row));
    if (!row)
        return not_found(cx, req->id->name);
    rsp->secret = secret_message(cx, row, req->id->organization);
    return CODE_OK;
}

enum code SecretService_DeleteSecret(struct ctx *cx, const SecretDeleteSecretRequest *req,
                                     SecretDeleteSecretResponse *rsp)
{
    bool found;
    (void)rsp;
    TRY(check_scope(cx, req->id->domain, req->id->project));
    TRY(store_secret_delete(cx, req->id->domain, req->id->project, req->id->name, &found));
    return found ? CODE_OK : not_found(cx, req->id->name);
}

enum code SecretService_ListSecrets(struct ctx *cx, const SecretListSecretsRequest *req, SecretListSecretsResponse *rsp)
{
    struct service_list l;
    struct store_secret *rows;
    size_t n;
    service_list_init(cx, &l);
    if (req->domain.n)
        TRY(service_list_and(cx, &l, "s.domain = ?", &DB_S(req->domain), 1));
    if (req->project.n)
        TRY(service_list_and(cx, &l, "s.project = ?", &DB_S(req->project), 1));
    service_list_from(&l, req->token);
    l.limit = req->limit > 0 && req->limit < LIST_MAX ? (size_t)req->limit : LIST_MAX;
    l.order[l.order_count++] = (struct service_list_term){STR("s.id"), false};
    TRY(service_list_done(cx, &l));
    TRY(store_secret_list(cx, &l.page, &rows, &n));
    rsp->token = service_list_token(cx, &l, &n);
    rsp->secrets.n = n;
    rsp->secrets.p = arena_new_array(cx->mem, SecretSecret *, n);
    for (size_t i = 0; i < n; i++)
        rsp->secrets.p[i] = secret_message(cx, &rows[i], req->organization);
    return CODE_OK;
}
