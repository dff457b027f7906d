/* CacheService v2: results by key, for executors outside this process. Keys are scoped by project and domain and stored
 * hashed; an action inside this server uses the same tables with keys of its own kind (engine/cache). */
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

/* SHA-256 over the parts, each behind its length, so that no two scopes can be confused. */
static enum code scoped_key(struct ctx *cx, const CacheserviceV2Identifier *id, str key, str *out)
{
    const str parts[] = {STR("cache service"), id->project, id->domain, key};
    buf b;
    if (key.n == 0)
        return fail(cx, CODE_INVALID_ARGUMENT, "base_request.key is required");
    if (key.n > KEY_MAX)
        return fail(cx, CODE_INVALID_ARGUMENT, "base_request.key: at most %d bytes", KEY_MAX);
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

static enum code no_base(struct ctx *cx)
{
    return fail(cx, CODE_INVALID_ARGUMENT, "base_request is required");
}

static enum code not_found(struct ctx *cx, str key)
{
    return fail(cx, CODE_NOT_FOUND, "cache entry \"" STR_FMT "\" not found", STR_ARG(key));
}

enum code CacheserviceV2CacheService_Get(struct ctx *cx, const CacheserviceV2GetCacheRequest *req,
                                         CacheserviceGetCacheResponse *rsp)
{
    struct store_cache_entry *e;
    void *metadata;
    str key;
    if (!req->base_request)
        return no_base(cx);
    TRY(scoped_key(cx, req->identifier, req->base_request->key, &key));
    TRY(store_cache_find(cx, key, &e));
    if (!e)
        return not_found(cx, req->base_request->key);
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

/* Results are what the project's tasks may read. */
static enum code check_output(struct ctx *cx, const CacheserviceV2Identifier *id, str uri)
{
    const struct object_uri_scope scope = {.project = id->project, .domain = id->domain};
    return object_uri_check(cx, "base_request.output.output_uri", uri, &scope, OBJECT_READ);
}

enum code CacheserviceV2CacheService_Put(struct ctx *cx, const CacheserviceV2PutCacheRequest *req,
                                         CacheservicePutCacheResponse *rsp)
{
    const CacheservicePutCacheRequest *base = req->base_request;
    struct store_cache_entry entry = {.updated_ns = time_wall_ns()}, *old;
    (void)rsp;
    if (!base)
        return no_base(cx);
    if (!base->output)
        return fail(cx, CODE_INVALID_ARGUMENT, "base_request.output is required");
    if (base->output->output_case != CacheserviceCachedOutput_output_uri_tag || base->output->output_uri.n == 0)
        return fail(cx, CODE_INVALID_ARGUMENT, "base_request.output.output_uri is required");
    TRY(check_output(cx, req->identifier, base->output->output_uri));
    TRY(scoped_key(cx, req->identifier, base->key, &entry.key));
    TRY(store_cache_find(cx, entry.key, &old));
    if (old && !may_replace(base->overwrite, old, entry.updated_ns))
        return fail(cx, CODE_ALREADY_EXISTS, "cache entry \"" STR_FMT "\" already exists", STR_ARG(base->key));
    entry.output_uri = base->output->output_uri;
    if (base->output->metadata) {
        TRY(pb_encode(cx, &CacheserviceMetadata_type, base->output->metadata, &entry.metadata));
        entry.created_ns = service_timestamp_ns(base->output->metadata->created_at);
    }
    return store_cache_put(cx, &entry);
}

enum code CacheserviceV2CacheService_Delete(struct ctx *cx, const CacheserviceV2DeleteCacheRequest *req,
                                            CacheserviceDeleteCacheResponse *rsp)
{
    bool found;
    str key;
    (void)rsp;
    if (!req->base_request)
        return no_base(cx);
    TRY(scoped_key(cx, req->identifier, req->base_request->key, &key));
    TRY(store_cache_delete(cx, key, &found));
    return found ? CODE_OK : not_found(cx, req->base_request->key);
}

static enum code check_owner(struct ctx *cx, str owner)
{
    if (owner.n == 0)
        return fail(cx, CODE_INVALID_ARGUMENT, "base_request.owner_id is required");
    if (owner.n > OWNER_MAX)
        return fail(cx, CODE_INVALID_ARGUMENT, "base_request.owner_id: at most %d bytes", OWNER_MAX);
    return CODE_OK;
}

enum code CacheserviceV2CacheService_GetOrExtendReservation(struct ctx *cx,
                                                            const CacheserviceV2GetOrExtendReservationRequest *req,
                                                            CacheserviceGetOrExtendReservationResponse *rsp)
{
    const CacheserviceGetOrExtendReservationRequest *base = req->base_request;
    struct store_cache_reservation mine = {0}, *holder;
    int64_t now_ns = time_wall_ns();
    if (!base)
        return no_base(cx);
    TRY(check_owner(cx, base->owner_id));
    TRY(scoped_key(cx, req->identifier, base->key, &mine.key));
    mine.owner = base->owner_id;
    mine.heartbeat_s = base->heartbeat_interval ? base->heartbeat_interval->seconds : 0;
    if (mine.heartbeat_s <= 0 || mine.heartbeat_s > HEARTBEAT_MAX_S)
        mine.heartbeat_s = HEARTBEAT_MAX_S;
    mine.expires_ns = now_ns + mine.heartbeat_s * HEARTBEAT_GRACE * NS_PER_S;
    TRY(store_cache_reserve(cx, &mine, now_ns, &holder));
    rsp->reservation = pb_new(cx->mem, CacheserviceReservation);
    rsp->reservation->key = base->key;
    rsp->reservation->owner_id = holder->owner;
    rsp->reservation->heartbeat_interval = service_duration(cx, holder->heartbeat_s * NS_PER_S);
    rsp->reservation->expires_at = service_timestamp(cx, holder->expires_ns);
    return CODE_OK;
}

enum code CacheserviceV2CacheService_ReleaseReservation(struct ctx *cx,
                                                        const CacheserviceV2ReleaseReservationRequest *req,
                                                        CacheserviceReleaseReservationResponse *rsp)
{
    bool found;
    str key;
    (void)rsp;
    if (!req->base_request)
        return no_base(cx);
    TRY(check_owner(cx, req->base_request->owner_id));
    TRY(scoped_key(cx, req->identifier, req->base_request->key, &key));
    return store_cache_release(cx, key, req->base_request->owner_id, &found);
}
