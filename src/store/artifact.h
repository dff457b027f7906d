/* Artifacts: names with their partition schema, versions, and the objects these name. Ids of versions grow: newest first
 * is by id. */
#ifndef STORE_ARTIFACT_H
#define STORE_ARTIFACT_H

#include "store/page.h"

struct store_artifact_name {
    uint64_t id, space_id;
    str name;
    str schema; /* encoded artifact.ArtifactPartitionSchema */
    bool declared;
    uint64_t versions;
    uint64_t latest_id; /* 0: only declared */
};

struct store_artifact {
    uint64_t id, name_id, space_id;
    str version;
    str digest; /* of the content */
    str part;   /* digest of the partitions */
    int64_t time_ns;
    bool has_time;
    str time_key;
    str source_run, source_action, source_ref;
    int64_t created_ns;
    uint64_t created_by; /* identity */
    str spec;            /* encoded artifact.ArtifactSpec */
    str mismatch;        /* encoded artifact.PartitionSchemaMismatch; "" = as the schema says */
    /* joined */
    str project, domain, name;
    str created_by_subject, created_by_name;
};

enum store_artifact_pair_kind { STORE_ARTIFACT_METADATA = 1, STORE_ARTIFACT_PARTITION = 2 };

struct store_artifact_pair {
    enum store_artifact_pair_kind kind;
    str key, value;
};

/* *out = NULL when there is none. */
must_check_ enum code store_artifact_name_find(struct ctx *cx, str project, str domain, str name,
                                               struct store_artifact_name **out);
/* Write entry. Sets n->id. */
must_check_ enum code store_artifact_name_insert(struct ctx *cx, struct store_artifact_name *n);
/* Write entry. */
must_check_ enum code store_artifact_name_declare(struct ctx *cx, uint64_t id, str schema);
/* Alias: n. */
must_check_ enum code store_artifact_name_list(struct ctx *cx, const struct store_page *page,
                                               struct store_artifact_name **out, size_t *n);

/* What else a version has. */
struct store_artifact_parts {
    const struct store_artifact_pair *pairs;
    size_t pair_count;
    const str *objects; /* keys of our bucket */
    size_t object_count;
};

/* Write entry. Sets a->id; the name counts it and has it as its latest. */
must_check_ enum code store_artifact_insert(struct ctx *cx, struct store_artifact *a,
                                            const struct store_artifact_parts *parts);
/* *out = NULL when there is none. */
must_check_ enum code store_artifact_find(struct ctx *cx, uint64_t name_id, str version, struct store_artifact **out);
/* Errors: NOT_FOUND. */
must_check_ enum code store_artifact_get(struct ctx *cx, uint64_t id, struct store_artifact **out);
/* Write entry. A name that was not declared goes with its last version. */
must_check_ enum code store_artifact_delete(struct ctx *cx, const struct store_artifact *a);
/* Those versions, in that order. */
must_check_ enum code store_artifact_list_ids(struct ctx *cx, const uint64_t *ids, size_t n,
                                              struct store_artifact **out);
/* The ids of those that page selects. Aliases: a artifact, n artifact_name. */
must_check_ enum code store_artifact_filter(struct ctx *cx, const struct store_page *page, struct db_rows *out);

/* The newest time partition of a name; *has = false when it has none. */
must_check_ enum code store_artifact_latest_time(struct ctx *cx, uint64_t name_id, int64_t *time_ns, bool *has);
struct store_artifact_partition {
    uint64_t artifact_id;
    str key, value;
};
/* Of the newest version of each partition at that time, at most max versions, newest first: the partitions besides the
 * time. */
must_check_ enum code store_artifact_partitions_at(struct ctx *cx, uint64_t name_id, int64_t time_ns, size_t max,
                                                   struct store_artifact_partition **out, size_t *n);

/* Keys of user_metadata, each once, sorted: of a name, or of a space when name_id is 0. */
must_check_ enum code store_artifact_metadata_keys(struct ctx *cx, uint64_t space_id, uint64_t name_id, size_t max,
                                                   str **out, size_t *n);
/* Values of a partition, each once. Aliases: p artifact_pair, a its artifact. */
must_check_ enum code store_artifact_values(struct ctx *cx, const struct store_page *page, str **out, size_t *n);

/* ---- objects, for retention ---- */

/* Keys below `folder` (without a / at the end) that artifacts name, sorted, after the last one of the piece before. */
must_check_ enum code store_artifact_objects(struct ctx *cx, str folder, str after, size_t max, str **out, size_t *n);
/* Whether an artifact names the folder, or one above it. */
must_check_ enum code store_artifact_covers(struct ctx *cx, str folder, bool *out);
/* Either. */
must_check_ enum code store_artifact_names_object(struct ctx *cx, str folder, bool *out);
/* Write entry. The run with that folder goes, what artifacts name stays; at most max rows; *more when some are left. */
must_check_ enum code store_artifact_outlives(struct ctx *cx, str folder, size_t max, bool *more);
/* What no artifact names any more, although it outlived its run for one. */
struct store_artifact_left {
    uint64_t id;
    str key;
};
must_check_ enum code store_artifact_list_left(struct ctx *cx, uint64_t after, size_t max,
                                               struct store_artifact_left **out, size_t *n);
/* Write entry. */
must_check_ enum code store_artifact_forget_left(struct ctx *cx, uint64_t id);

#endif
