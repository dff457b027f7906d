/* ArtifactService: lists. Newest first. */
#include "gen/services.h"
#include "service/artifact_message.h"
#include "service/convert.h"
#include "service/list.h"
#include "store/space.h"

/* Versions may be large: so many make a page at most. */
#define VERSIONS_MAX ((size_t)200)
#define METADATA_KEYS_MAX ((size_t)1000)
/* Partitions that a group shows of its latest time. */
#define LATEST_MAX ((size_t)16)

static const struct service_list_field version_fields[] = {
    {"name", "n.name", SERVICE_LIST_TEXT, NULL},
    {"version", "a.version", SERVICE_LIST_TEXT, NULL},
    {"created_at", "a.created_ns", SERVICE_LIST_TIME, NULL},
    {"source_run", "a.source_run", SERVICE_LIST_TEXT, NULL},
    {"source_action", "a.source_action", SERVICE_LIST_TEXT, NULL},
    {"source_external_ref", "a.source_ref", SERVICE_LIST_TEXT, NULL},
    {"time_partition", "a.time_ns", SERVICE_LIST_TIME, NULL},
};

static const struct service_list_pairs version_pairs[] = {
    {"user_metadata.", "SELECT 1 FROM artifact_pair x WHERE x.artifact_id = a.id AND x.kind = 1"},
    {"partition.", "SELECT 1 FROM artifact_pair x WHERE x.artifact_id = a.id AND x.kind = 2"},
};

static const struct service_list_spec version_list = {
    .fields = version_fields,
    .field_count = sizeof(version_fields) / sizeof(*version_fields),
    .pairs = version_pairs,
    .pair_count = sizeof(version_pairs) / sizeof(*version_pairs),
    .by_id = "a.id",
};

/* 0 when nothing ever was in that project and domain. */
static enum code space_of(struct ctx *cx, const CommonProjectIdentifier *p, uint64_t *out)
{
    return store_space_find(cx, p->name, p->domain, out);
}

/* 0 when there is no such artifact. */
static enum code name_of(struct ctx *cx, const CommonProjectIdentifier *p, str name, uint64_t *out)
{
    struct store_artifact_name *n;
    TRY(store_artifact_name_find(cx, p->name, p->domain, name, &n));
    *out = n ? n->id : 0;
    return CODE_OK;
}

/* Few versions come from one source: they are found by it, and then compared with the scope. */
static bool by_source(const CommonListRequest *req)
{
    for (size_t i = 0; req && i < req->filters.n; i++) {
        const CommonFilter *f = req->filters.p[i];
        if (f->function == COMMON_FILTER_FUNCTION_EQUAL &&
            (str_eq(f->field, STR("source_run")) || str_eq(f->field, STR("source_external_ref"))))
            return true;
    }
    return false;
}

static enum code version_scope(struct ctx *cx, const ArtifactListArtifactsRequest *req, struct service_list *l)
{
    uint64_t id;
    if (req->name.n) {
        TRY(name_of(cx, req->project_id, req->name, &id));
        return service_list_and(cx, l, "a.name_id = ?", &DB_I(id), 1);
    }
    TRY(space_of(cx, req->project_id, &id));
    return service_list_and(cx, l, by_source(req->request) ? "a.space_id + 0 = ?" : "a.space_id = ?", &DB_I(id), 1);
}

enum code ArtifactService_ListArtifacts(struct ctx *cx, const ArtifactListArtifactsRequest *req,
                                        ArtifactListArtifactsResponse *rsp)
{
    struct service_list l;
    struct store_artifact *rows;
    size_t n;
    service_list_init(cx, &l);
    TRY(version_scope(cx, req, &l));
    TRY(service_list_request(cx, &l, &version_list, req->request));
    l.limit = l.limit < VERSIONS_MAX ? l.limit : VERSIONS_MAX;
    TRY(service_list_done(cx, &l));
    TRY((req->latest_per_partition ? store_artifact_list_parts : store_artifact_list)(cx, &l.page, &rows, &n));
    rsp->token = service_list_token(cx, &l, &n);
    rsp->artifacts.n = n;
    return service_artifact_messages(cx, rows, n, req->project_id->organization, &rsp->artifacts.p);
}

/* ---- names ------------------------------------------------------------------------------------------------------- */

static const struct service_list_field name_fields[] = {
    {"name", "n.name", SERVICE_LIST_TEXT, NULL},
};

static const struct service_list_spec name_list = {.fields = name_fields, .field_count = 1, .by_id = "n.latest_id"};

/* What its versions have at the newest time. */
static enum code latest_partitions(struct ctx *cx, const struct store_artifact_name *n, ArtifactArtifactGroup *g)
{
    struct store_artifact *rows;
    int64_t time_ns;
    size_t count;
    bool has;
    TRY(store_artifact_latest_time(cx, n->id, &time_ns, &has));
    if (!has)
        return CODE_OK;
    TRY(store_artifact_list_at(cx, n->id, time_ns, LATEST_MAX, &rows, &count));
    g->latest_partitions.p = arena_new_array(cx->mem, CorePartitions *, count);
    for (size_t i = 0; i < count; i++) {
        void *spec;
        TRY(pb_decode(cx, &ArtifactArtifactSpec_type, rows[i].spec, &spec));
        const ArtifactArtifactSpec *s = spec;
        g->latest_time_partition = s->time_partition->value->time_value;
        if (s->partitions)
            g->latest_partitions.p[g->latest_partitions.n++] = s->partitions;
    }
    return CODE_OK;
}

static enum code group(struct ctx *cx, const struct store_artifact_name *n, str org, ArtifactArtifactGroup **out)
{
    ArtifactArtifactGroup *g = pb_new(cx->mem, ArtifactArtifactGroup);
    struct store_artifact *latest;
    TRY(store_artifact_get(cx, n->latest_id, &latest));
    TRY(service_artifact_message(cx, latest, org, &g->latest));
    TRY(service_artifact_schema(cx, n, &g->partition_schema));
    g->versions = n->versions;
    *out = g;
    return latest_partitions(cx, n, g);
}

enum code ArtifactService_ListArtifactNames(struct ctx *cx, const ArtifactListArtifactNamesRequest *req,
                                            ArtifactListArtifactNamesResponse *rsp)
{
    struct service_list l;
    struct store_artifact_name *rows;
    uint64_t space;
    size_t n;
    service_list_init(cx, &l);
    TRY(space_of(cx, req->project_id, &space));
    TRY(service_list_and(cx, &l, "n.space_id = ? AND n.latest_id IS NOT NULL", &DB_I(space), 1));
    TRY(service_list_request(cx, &l, &name_list, req->request));
    l.limit = l.limit < VERSIONS_MAX ? l.limit : VERSIONS_MAX;
    TRY(service_list_done(cx, &l));
    TRY(store_artifact_name_list(cx, &l.page, &rows, &n));
    rsp->token = service_list_token(cx, &l, &n);
    rsp->groups.n = n;
    rsp->groups.p = arena_new_array(cx->mem, ArtifactArtifactGroup *, n);
    for (size_t i = 0; i < n; i++)
        TRY(group(cx, &rows[i], req->project_id->organization, &rsp->groups.p[i]));
    return CODE_OK;
}

/* ---- keys and values --------------------------------------------------------------------------------------------- */

enum code ArtifactService_ListArtifactMetadataKeys(struct ctx *cx, const ArtifactListArtifactMetadataKeysRequest *req,
                                                   ArtifactListArtifactMetadataKeysResponse *rsp)
{
    uint64_t space, name = 0;
    TRY(space_of(cx, req->project_id, &space));
    if (req->name.n)
        TRY(name_of(cx, req->project_id, req->name, &name));
    if (!space || (req->name.n && !name))
        return CODE_OK;
    return store_artifact_metadata_keys(cx, space, name, METADATA_KEYS_MAX, &rsp->keys.p, &rsp->keys.n);
}

enum code ArtifactService_ListPartitionValues(struct ctx *cx, const ArtifactListPartitionValuesRequest *req,
                                              ArtifactListPartitionValuesResponse *rsp)
{
    static const struct service_list_field fields[] = {
        {"time_partition", "a.time_ns", SERVICE_LIST_TIME, NULL},
    };
    static const struct service_list_spec spec = {
        .fields = fields, .field_count = 1, .default_order = "p.value", .pairs = &version_pairs[1], .pair_count = 1};
    struct service_list l;
    uint64_t name;
    TRY(name_of(cx, req->project_id, req->name, &name));
    service_list_init(cx, &l);
    TRY(service_list_and(cx, &l, "p.name_id = ? AND p.kind = 2 AND p.key = ?",
                         (struct db_value[]){DB_I(name), DB_S(req->key)}, 2));
    TRY(service_list_request(cx, &l, &spec, req->request));
    TRY(service_list_done(cx, &l));
    l.page.limit = l.limit;
    return store_artifact_values(cx, &l.page, &rsp->values.p, &rsp->values.n);
}
