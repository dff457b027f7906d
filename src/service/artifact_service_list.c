/* ArtifactService: lists. Newest first. */
#include "base/time.h"
#include "gen/services.h"
#include "service/artifact_message.h"
#include "service/walk.h"
#include "store/space.h"

/* Versions may be large: so many make a page at most. */
#define VERSIONS_MAX ((size_t)200)
#define METADATA_KEYS_MAX ((size_t)1000)
/* Partitions that a group shows of its latest time. */
#define LATEST_MAX ((size_t)16)

/* Of the versions with that alias. A page asks for rows by their ids (service/walk.h): the + keeps SQLite from going
 * through what else has an index. */
#define FIELDS(a)                                                                                                      \
    {                                                                                                                  \
        {"name", "n.name", SERVICE_LIST_TEXT, NULL}, {"version", a ".version", SERVICE_LIST_TEXT, NULL},               \
            {"created_at", a ".created_ns", SERVICE_LIST_TIME, NULL},                                                  \
            {"source_run", "+" a ".source_run", SERVICE_LIST_TEXT, NULL},                                              \
            {"source_action", a ".source_action", SERVICE_LIST_TEXT, NULL},                                            \
            {"source_external_ref", "+" a ".source_ref", SERVICE_LIST_TEXT, NULL},                                     \
            {"time_partition", "+" a ".time_ns", SERVICE_LIST_TIME, NULL},                                             \
    }
#define PAIRS(a)                                                                                                       \
    {                                                                                                                  \
        {"user_metadata.", "SELECT 1 FROM artifact_pair x WHERE x.artifact_id = " a ".id AND x.kind = 1"},             \
            {PARTITION, "SELECT 1 FROM artifact_pair x WHERE x.artifact_id = " a ".id AND x.kind = 2"},                \
    }
#define PARTITION "partition."

static const struct service_list_field version_fields[] = FIELDS("a"), newer_fields[] = FIELDS("b");
static const struct service_list_pairs version_pairs[] = PAIRS("a"), newer_pairs[] = PAIRS("b");

#define SPEC(list_fields, list_pairs)                                                                                  \
    {                                                                                                                  \
        .fields = list_fields, .field_count = sizeof(list_fields) / sizeof(*list_fields), .pairs = list_pairs,         \
        .pair_count = sizeof(list_pairs) / sizeof(*list_pairs), .by_id = "a.id", .walked = true                        \
    }
static const struct service_list_spec version_list = SPEC(version_fields, version_pairs);
static const struct service_list_spec newer_list = SPEC(newer_fields, newer_pairs);

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

static enum code version_scope(struct ctx *cx, const ArtifactListArtifactsRequest *req, struct service_list *l,
                               uint64_t *id)
{
    if (req->name.n) {
        TRY(name_of(cx, req->project_id, req->name, id));
        return service_list_and(cx, l, "+a.name_id = ?", &DB_I(*id), 1);
    }
    TRY(space_of(cx, req->project_id, id));
    return service_list_and(cx, l, "+a.space_id = ?", &DB_I(*id), 1);
}

/* Of the versions of a partition that the filters select, the newest. From each row to the next one that they select: all
 * pages together look at a version once. */
static enum code newest_of_partition(struct ctx *cx, struct service_list *l, const CommonListRequest *req)
{
    TRY(service_list_and(cx, l,
                         "NOT EXISTS (SELECT 1 FROM artifact b WHERE b.name_id = a.name_id AND b.part = a.part "
                         "AND b.id > a.id",
                         NULL, 0));
    for (size_t i = 0; req && i < req->filters.n; i++)
        TRY(service_list_filter(cx, l, &newer_list, req->filters.p[i]));
    buf_char(&l->where, ')');
    return CODE_OK;
}

static void take_fewer(struct store_walk *set, struct store_walk other)
{
    if (store_walk_queries[other.kind].rank < store_walk_queries[set->kind].rank)
        *set = other;
}

/* name_id 0: the list is of a project. */
static enum code take_filter(struct ctx *cx, uint64_t name_id, const CommonFilter *f, struct store_walk *set)
{
    static const struct {
        const char *field;
        enum store_walk_kind kind;
        bool of_name;
    } sets[] = {
        {"version", STORE_WALK_ARTIFACTS_OF_VERSION, true},
        {"time_partition", STORE_WALK_ARTIFACTS_AT_TIME, true},
        {"source_run", STORE_WALK_ARTIFACTS_OF_RUN, false},
        {"source_external_ref", STORE_WALK_ARTIFACTS_OF_REF, false},
    };
    struct db_value v;
    size_t n;
    if (f->function != COMMON_FILTER_FUNCTION_EQUAL)
        return CODE_OK;
    if (name_id && str_starts(f->field, STR(PARTITION)))
        take_fewer(set, (struct store_walk){
                            STORE_WALK_ARTIFACTS_OF_PARTITION,
                            {DB_I(name_id), DB_S(str_skip(f->field, strlen(PARTITION))), DB_S(f->values.p[0])}});
    for (size_t i = 0; i < sizeof(sets) / sizeof(*sets); i++) {
        if (!str_eq_nocase(f->field, str_from(sets[i].field)) || (sets[i].of_name && !name_id))
            continue;
        TRY(service_list_values(cx, service_list_find(&version_list, f->field), f, &v, &n));
        take_fewer(set, sets[i].of_name ? (struct store_walk){sets[i].kind, {DB_I(name_id), v}}
                                        : (struct store_walk){sets[i].kind, {v}});
    }
    return CODE_OK;
}

/* The versions to look at: those of the scope, or fewer where a filter names them. */
static enum code version_walk(struct ctx *cx, const ArtifactListArtifactsRequest *req, uint64_t scope_id,
                              const struct service_list *l, struct service_walk *out)
{
    struct store_walk *set = arena_new(cx->mem, struct store_walk);
    size_t filters = req->request ? req->request->filters.n : 0;
    *set = (struct store_walk){req->name.n ? STORE_WALK_ARTIFACTS_OF_NAME : STORE_WALK_ARTIFACTS_OF_PROJECT,
                               {DB_I(scope_id)}};
    for (size_t i = 0; i < filters; i++)
        TRY(take_filter(cx, req->name.n ? scope_id : 0, req->request->filters.p[i], set));
    *out = (struct service_walk){
        .groups = {{set, 1}},
        .group_count = 1,
        .range = store_walk_ids(l->order[0].descending),
        .ordered = true,
        .exact = !filters && !req->latest_per_partition,
        .id = "a.id",
        .filter = store_artifact_filter,
    };
    return CODE_OK;
}

enum code ArtifactService_ListArtifacts(struct ctx *cx, const ArtifactListArtifactsRequest *req,
                                        ArtifactListArtifactsResponse *rsp)
{
    struct service_list l;
    struct service_walk walk;
    struct store_artifact *rows;
    uint64_t scope_id, *ids;
    service_list_init(cx, &l);
    TRY(version_scope(cx, req, &l, &scope_id));
    TRY(service_list_request(cx, &l, &version_list, req->request));
    if (req->latest_per_partition)
        TRY(newest_of_partition(cx, &l, req->request));
    l.limit = l.limit < VERSIONS_MAX ? l.limit : VERSIONS_MAX;
    TRY(service_list_done(cx, &l));
    TRY(version_walk(cx, req, scope_id, &l, &walk));
    TRY(service_walk_page(cx, &l, &walk, &ids, &rsp->artifacts.n, &rsp->token));
    TRY(store_artifact_list_ids(cx, ids, rsp->artifacts.n, &rows));
    return service_artifact_messages(cx, rows, rsp->artifacts.n, req->project_id->organization, &rsp->artifacts.p);
}

/* ---- names ------------------------------------------------------------------------------------------------------- */

static const struct service_list_field name_fields[] = {
    {"name", "n.name", SERVICE_LIST_TEXT, NULL},
};

static const struct service_list_spec name_list = {.fields = name_fields, .field_count = 1, .by_id = "n.latest_id"};

static CorePartitions_ValueEntry partition(struct ctx *cx, const struct store_artifact_partition *p)
{
    CoreLabelValue *v = pb_new(cx->mem, CoreLabelValue);
    v->value_case = CoreLabelValue_static_value_tag;
    v->static_value = p->value;
    return (CorePartitions_ValueEntry){p->key, v};
}

/* What its versions have at the newest time. */
static enum code latest_partitions(struct ctx *cx, const struct store_artifact_name *n, ArtifactArtifactGroup *g)
{
    struct store_artifact_partition *rows;
    CorePartitions *p = NULL;
    int64_t time_ns;
    size_t count;
    bool has;
    TRY(store_artifact_latest_time(cx, n->id, &time_ns, &has));
    if (!has)
        return CODE_OK;
    g->latest_time_partition = pb_new(cx->mem, GoogleProtobufTimestamp);
    g->latest_time_partition->seconds = time_ns / NS_PER_S; /* whole ones, also 1970 */
    TRY(store_artifact_partitions_at(cx, n->id, time_ns, LATEST_MAX, &rows, &count));
    g->latest_partitions.p = arena_new_array(cx->mem, CorePartitions *, LATEST_MAX);
    for (size_t i = 0; i < count; i++) {
        if (!p || rows[i].artifact_id != rows[i - 1].artifact_id) {
            p = g->latest_partitions.p[g->latest_partitions.n++] = pb_new(cx->mem, CorePartitions);
            p->value.p = arena_new_array(cx->mem, CorePartitions_ValueEntry, count - i);
        }
        p->value.p[p->value.n++] = partition(cx, &rows[i]);
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
