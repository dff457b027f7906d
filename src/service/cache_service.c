/* CacheService, v1 and v2: results by key, for executors outside this process. In v2 keys are scoped by project and domain, in
 * v1 they have no scope. Stored hashed; an action inside this server uses the same tables with keys of its own kind
 * (engine/cachekey.c). */
#include "base/buf.h"
#include "base/time.h"
#include "gen/flyteidl2_cacheservice.h"
#include "gen/flyteidl2_cacheservice_v2.h"
#include "gen/services.h"
#include "object/object.h"
#include "service/convert.h"
#include "store/cache.h"

#include <openssl/sha.h>

#define KEY_MAX 512
#define OWNER_MAX 256
#define HEARTBEAT_MAX_S 10
/* A reservation lives for this many heartbeats. */
#define HEARTBEAT_GRACE 3

/* Whose keys, and how the caller's fields are called in errors. */
struct scope {
    const char *in; /* "base_request." or "" */
    str project, domain;
};

static const struct scope unscoped = {.in = ""};

static struct scope scope_of(const CacheserviceV2Identifier *id)
{
    return (struct scope){"base_request.", id->project, id->domain};
}

static enum code no_base(struct ctx *cx)
{
    return fail(cx, CODE_INVALID_ARGUMENT, "base_request is required");
}

/* SHA-256 over the parts, each behind its length, so that no two scopes can be confused. */
static enum code hash_key(struct ctx *cx, const struct scope *scope, str key, str *out)
{
    const str parts[] = {STR("cache service"), scope->project, scope->domain, key};
    buf b;
    if (key.n == 0)
        return fail(cx, CODE_INVALID_ARGUMENT, "%skey is required", scope->in);
    if (key.n > KEY_MAX)
        return fail(cx, CODE_INVALID_ARGUMENT, "%skey: at most %d bytes", scope->in, KEY_MAX);
    buf_init_arena(&b, cx->mem, SIZE_MAX / 2);
    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
        buf_printf(&b, "%zu:", parts[i].n);
        buf_str(&b, parts[i]);
    }
    unsigned char *digest = arena_alloc(cx->mem, SHA256_DIGEST_LENGTH);
    SHA256((const unsigned char *)b.p, b.n, digest);
    *out = str_make((char *)digest, SHA256_DIGEST_LENGTH);
    return CODE_OK;
}

static enum code not_found(struct ctx *cx, str key)
{
    return fail(cx, CODE_NOT_FOUND, "cache entry \"" STR_FMT "\" not found", STR_ARG(key));
}

/* ---- entries ----------------------------------------------------------------------------------------------------- */

static enum code get(struct ctx *cx, struct scope scope, const CacheserviceGetCacheRequest *req,
                     CacheserviceGetCacheResponse *rsp)
{
    struct store_cache_entry *e;
    void *metadata;
    str key;
    TRY(hash_key(cx, &scope, req->key, &key));
    TRY(store_cache_find(cx, key, &e));
    if (!e)
        return not_found(cx, req->key);
    TRY(pb_decode(cx, &CacheserviceMetadata_type, e->metadata, &metadata));
    rsp->output = pb_new(cx->mem, CacheserviceCachedOutput);
    rsp->output->output_case = CacheserviceCachedOutput_output_uri_tag;
    rsp->output->output_uri = e->output_uri;
    rsp->output->metadata = metadata;
    rsp->output->metadata->created_at = service_timestamp(cx, e->created_ns);
    rsp->output->metadata->last_updated_at = service_timestamp(cx, e->updated_ns);
    return CODE_OK;
}

/* An entry may be replaced when the caller says so, or when it is older than the caller accepts. */
static bool may_replace(const CacheserviceOverwriteOutput *o, const struct store_cache_entry *old, int64_t now_ns)
{
    if (!o)
        return false;
    return o->overwrite || (o->max_age && now_ns - old->updated_ns > service_duration_ns(o->max_age));
}

/* Results are what the project's tasks may read; without a scope, what anyone may. */
static enum code check_output(struct ctx *cx, const struct scope *scope, const CacheserviceCachedOutput *output)
{
    const struct object_uri_scope readable = {.project = scope->project, .domain = scope->domain};
    if (!output)
        return fail(cx, CODE_INVALID_ARGUMENT, "%soutput is required", scope->in);
    if (output->output_case != CacheserviceCachedOutput_output_uri_tag || output->output_uri.n == 0)
        return fail(cx, CODE_INVALID_ARGUMENT, "%soutput.output_uri is required", scope->in);
    str field = arena_printf(cx->mem, "%soutput.output_uri", scope->in);
    return object_uri_check(cx, field.p, output->output_uri, &readable, OBJECT_READ);
}

static enum code put(struct ctx *cx, struct scope scope, const CacheservicePutCacheRequest *req)
{
    struct store_cache_entry entry = {.updated_ns = time_wall_ns()}, *old;
    TRY(check_output(cx, &scope, req->output));
    TRY(hash_key(cx, &scope, req->key, &entry.key));
    TRY(store_cache_find(cx, entry.key, &old));
    if (old && !may_replace(req->overwrite, old, entry.updated_ns))
        return fail(cx, CODE_ALREADY_EXISTS, "cache entry \"" STR_FMT "\" already exists", STR_ARG(req->key));
    entry.output_uri = req->output->output_uri;
    if (req->output->metadata) {
        TRY(pb_encode(cx, &CacheserviceMetadata_type, req->output->metadata, &entry.metadata));
        entry.created_ns = service_timestamp_ns(req->output->metadata->created_at);
    }
    return store_cache_put(cx, &entry);
}

static enum code delete_entry(struct ctx *cx, struct scope scope, const CacheserviceDeleteCacheRequest *req)
{
    bool found;
    str key;
    TRY(hash_key(cx, &scope, req->key, &key));
    TRY(store_cache_delete(cx, key, &found));
    return found ? CODE_OK : not_found(cx, req->key);
}

/* ---- reservations ------------------------------------------------------------------------------------------------ */

static enum code check_owner(struct ctx *cx, const struct scope *scope, str owner)
{
    if (owner.n == 0)
        return fail(cx, CODE_INVALID_ARGUMENT, "%sowner_id is required", scope->in);
    if (owner.n > OWNER_MAX)
        return fail(cx, CODE_INVALID_ARGUMENT, "%sowner_id: at most %d bytes", scope->in, OWNER_MAX);
    return CODE_OK;
}

static enum code reserve(struct ctx *cx, struct scope scope, const CacheserviceGetOrExtendReservationRequest *req,
                         CacheserviceGetOrExtendReservationResponse *rsp)
{
    struct store_cache_reservation mine = {0}, *holder;
    int64_t now_ns = time_wall_ns();
    TRY(check_owner(cx, &scope, req->owner_id));
    TRY(hash_key(cx, &scope, req->key, &mine.key));
    mine.owner = req->owner_id;
    mine.heartbeat_s = req->heartbeat_interval ? req->heartbeat_interval->seconds : 0;
    if (mine.heartbeat_s <= 0 || mine.heartbeat_s > HEARTBEAT_MAX_S)
        mine.heartbeat_s = HEARTBEAT_MAX_S;
    mine.expires_ns = now_ns + mine.heartbeat_s * HEARTBEAT_GRACE * NS_PER_S;
    TRY(store_cache_reserve(cx, &mine, now_ns, &holder));
    rsp->reservation = pb_new(cx->mem, CacheserviceReservation);
    rsp->reservation->key = req->key;
    rsp->reservation->owner_id = holder->owner;
    rsp->reservation->heartbeat_interval = service_duration(cx, holder->heartbeat_s * NS_PER_S);
    rsp->reservation->expires_at = service_timestamp(cx, holder->expires_ns);
    return CODE_OK;
}

static enum code release(struct ctx *cx, struct scope scope, const CacheserviceReleaseReservationRequest *req)
{
    bool found;
    str key;
    TRY(check_owner(cx, &scope, req->owner_id));
    TRY(hash_key(cx, &scope, req->key, &key));
    return store_cache_release(cx, key, req->owner_id, &found);
}

/* ---- v2 ---------------------------------------------------------------------------------------------------------- */

enum code CacheserviceV2CacheService_Get(struct ctx *cx, const CacheserviceV2GetCacheRequest *req,
                                         CacheserviceGetCacheResponse *rsp)
{
    return req->base_request ? get(cx, scope_of(req->identifier), req->base_request, rsp) : no_base(cx);
}

enum code CacheserviceV2CacheService_Put(struct ctx *cx, const CacheserviceV2PutCacheRequest *req,
                                         CacheservicePutCacheResponse *rsp)
{
    (void)rsp;
    return req->base_request ? put(cx, scope_of(req->identifier), req->base_request) : no_base(cx);
}

enum code CacheserviceV2CacheService_Delete(struct ctx *cx, const CacheserviceV2DeleteCacheRequest *req,
                                            CacheserviceDeleteCacheResponse *rsp)
{
    (void)rsp;
    return req->base_request ? delete_entry(cx, scope_of(req->identifier), req->base_request) : no_base(cx);
}

enum code CacheserviceV2CacheService_GetOrExtendReservation(struct ctx *cx,
                                                            const CacheserviceV2GetOrExtendReservationRequest *req,
                                                            CacheserviceGetOrExtendReservationResponse *rsp)
{
    return req->base_request ? reserve(cx, scope_of(req->identifier), req->base_request, rsp) : no_base(cx);
}

enum code CacheserviceV2CacheService_ReleaseReservation(struct ctx *cx,
                                                        const CacheserviceV2ReleaseReservationRequest *req,
                                                        CacheserviceReleaseReservationResponse *rsp)
{
    (void)rsp;
    return req->base_request ? release(cx, scope_of(req->identifier), req->base_request) : no_base(cx);
}

/* ---- v1 ---------------------------------------------------------------------------------------------------------- */

enum code CacheserviceCacheService_Get(struct ctx *cx, const CacheserviceGetCacheRequest *req,
                                       CacheserviceGetCacheResponse *rsp)
{
    return get(cx, unscoped, req, rsp);
}

enum code CacheserviceCacheService_Put(struct ctx *cx, const CacheservicePutCacheRequest *req,
                                       CacheservicePutCacheResponse *rsp)
{
    (void)rsp;
    return put(cx, unscoped, req);
}

enum code CacheserviceCacheService_Delete(struct ctx *cx, const CacheserviceDeleteCacheRequest *req,
                                          CacheserviceDeleteCacheResponse *rsp)
{
    (void)rsp;
    return delete_entry(cx, unscoped, req);
}

enum code CacheserviceCacheService_GetOrExtendReservation(struct ctx *cx,
                                                          const CacheserviceGetOrExtendReservationRequest *req,
                                                          CacheserviceGetOrExtendReservationResponse *rsp)
{
    return reserve(cx, unscoped, req, rsp);
}

enum code CacheserviceCacheService_ReleaseReservation(struct ctx *cx, const CacheserviceReleaseReservationRequest *req,
                                                      CacheserviceReleaseReservationResponse *rsp)
{
    (void)rsp;
    return release(cx, unscoped, req);
}
