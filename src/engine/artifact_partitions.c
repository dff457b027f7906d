/* Partitions of artifacts: at most one point in time and some texts, by key. See artifact_int.h. */
#include "base/time.h"
#include "engine/artifact_int.h"

#include <openssl/sha.h>

#define KEYS_MAX ((size_t)16)
#define KEY_BYTES ((size_t)64)
#define VALUE_BYTES ((size_t)255)
/* So far from 1970 that nanoseconds still fit. */
#define SECONDS_MAX INT64_C(9000000000)

/* ---- time -------------------------------------------------------------------------------------------------------- */

static int64_t floor_time(int64_t seconds, int32_t granularity)
{
    struct time_civil c;
    time_to_civil(seconds, &c);
    switch (granularity) {
    case CORE_MINUTE:
        return time_from_civil(c.year, c.month, c.day, c.hour, c.minute, 0);
    case CORE_HOUR:
        return time_from_civil(c.year, c.month, c.day, c.hour, 0, 0);
    case CORE_MONTH:
        return time_from_civil(c.year, c.month, 1, 0, 0, 0);
    case CORE_WEEK: /* begins on Monday */
        return time_from_civil(c.year, c.month, c.day, 0, 0, 0) - (c.weekday + 6) % 7 * INT64_C(86400);
    default:
        return time_from_civil(c.year, c.month, c.day, 0, 0, 0);
    }
}

/* Clients take what they do not know for days. */
static int32_t known_granularity(int32_t g)
{
    return g >= CORE_MINUTE && g <= CORE_WEEK ? g : CORE_DAY;
}

static enum code take_time(struct ctx *cx, const CoreTimePartition *from, CoreTimePartition **out)
{
    const CoreLabelValue *v = from->value;
    CoreTimePartition *t = pb_new(cx->mem, CoreTimePartition);
    if (!v || v->value_case != CoreLabelValue_time_value_tag)
        return fail(cx, CODE_INVALID_ARGUMENT, "spec.time_partition.value: time_value is required");
    if (v->time_value->seconds > SECONDS_MAX || v->time_value->seconds < -SECONDS_MAX)
        return fail(cx, CODE_INVALID_ARGUMENT, "spec.time_partition.value: a time between 1685 and 2255 is required");
    *t = *from;
    t->granularity = known_granularity(from->granularity);
    if (!t->key.n)
        t->key = t->granularity == CORE_HOUR ? STR("hour") : STR("date");
    t->value = pb_new(cx->mem, CoreLabelValue);
    t->value->value_case = CoreLabelValue_time_value_tag;
    t->value->time_value = pb_new(cx->mem, GoogleProtobufTimestamp);
    t->value->time_value->seconds = floor_time(v->time_value->seconds, t->granularity);
    *out = t;
    return CODE_OK;
}

/* ---- a version's ------------------------------------------------------------------------------------------------- */

static enum code check_text(struct ctx *cx, const CorePartitions_ValueEntry *e, str time_key)
{
    if (!e->key.n || e->key.n > KEY_BYTES)
        return fail(cx, CODE_INVALID_ARGUMENT, "spec.partitions: keys have 1 to %zu bytes", KEY_BYTES);
    if (str_eq(e->key, time_key))
        return fail(cx, CODE_INVALID_ARGUMENT, "spec.partitions: " STR_FMT ": the time partition has this key",
                    STR_ARG(e->key));
    if (!e->value || e->value->value_case != CoreLabelValue_static_value_tag)
        return fail(cx, CODE_INVALID_ARGUMENT, "spec.partitions: " STR_FMT ": a static_value is required",
                    STR_ARG(e->key));
    if (e->value->static_value.n > VALUE_BYTES)
        return fail(cx, CODE_INVALID_ARGUMENT, "spec.partitions: " STR_FMT ": at most %zu bytes", STR_ARG(e->key),
                    VALUE_BYTES);
    return CODE_OK;
}

/* Lengths go before the texts, so that no two lists of pairs look alike. */
static void digest_pairs(struct ctx *cx, struct engine_artifact *out, const struct store_artifact_pair *pairs, size_t n)
{
    unsigned char *digest = arena_alloc(cx->mem, SHA256_DIGEST_LENGTH);
    buf b;
    buf_init_arena(&b, cx->mem, SIZE_MAX / 2);
    for (size_t i = 0; i < n; i++)
        buf_printf(&b, "%zu:" STR_FMT "%zu:" STR_FMT, pairs[i].key.n, STR_ARG(pairs[i].key), pairs[i].value.n,
                   STR_ARG(pairs[i].value));
    SHA256((const unsigned char *)b.p, b.n, digest);
    out->row.part = str_make((char *)digest, SHA256_DIGEST_LENGTH);
}

enum code engine_artifact_partitions(struct ctx *cx, ArtifactArtifactSpec *spec, struct engine_artifact *out,
                                     struct store_artifact_pair *pairs)
{
    ArtifactArtifactPartitionSchema *schema = pb_new(cx->mem, ArtifactArtifactPartitionSchema);
    size_t texts = spec->partitions ? spec->partitions->value.n : 0, n = 0;
    if (texts > KEYS_MAX)
        return fail(cx, CODE_INVALID_ARGUMENT, "spec.partitions: at most %zu", KEYS_MAX);
    if (!texts)
        spec->partitions = NULL;
    schema->partition_keys.p = arena_new_array(cx->mem, str, texts);
    if (spec->time_partition) {
        char text[TIME_RFC3339_MAX];
        TRY(take_time(cx, spec->time_partition, &spec->time_partition));
        schema->time_partition = pb_new(cx->mem, ArtifactTimePartitionKey);
        schema->time_partition->key = spec->time_partition->key;
        schema->time_partition->granularity = spec->time_partition->granularity;
        int64_t seconds = spec->time_partition->value->time_value->seconds;
        out->row.time_ns = seconds * NS_PER_S;
        out->row.has_time = true;
        out->row.time_key = spec->time_partition->key;
        time_format_rfc3339(seconds, 0, text);
        pairs[n++] = (struct store_artifact_pair){STORE_ARTIFACT_PARTITION, spec->time_partition->key,
                                                  arena_str(cx->mem, str_from(text))};
    }
    for (size_t i = 0; i < texts; i++) {
        const CorePartitions_ValueEntry *e = &spec->partitions->value.p[i];
        TRY(check_text(cx, e, schema->time_partition ? schema->time_partition->key : STR("")));
        schema->partition_keys.p[schema->partition_keys.n++] = e->key;
        pairs[n++] = (struct store_artifact_pair){STORE_ARTIFACT_PARTITION, e->key, e->value->static_value};
    }
    digest_pairs(cx, out, pairs, n);
    out->parts.pair_count += n;
    out->schema = schema;
    return CODE_OK;
}

/* ---- a name's ---------------------------------------------------------------------------------------------------- */

static bool has_key(const ArtifactArtifactPartitionSchema *s, size_t n, str key)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(s->partition_keys.p[i], key))
            return true;
    return false;
}

enum code engine_artifact_schema(struct ctx *cx, const ArtifactArtifactPartitionSchema *from,
                                 const ArtifactArtifactPartitionSchema **out)
{
    ArtifactArtifactPartitionSchema *s = pb_new(cx->mem, ArtifactArtifactPartitionSchema);
    *s = *from;
    for (size_t i = 0; i < s->partition_keys.n; i++) {
        str key = s->partition_keys.p[i];
        if (has_key(s, i, key) || (s->time_partition && str_eq(s->time_partition->key, key)))
            return fail(cx, CODE_INVALID_ARGUMENT, "partition_schema: the key \"" STR_FMT "\" is there twice",
                        STR_ARG(key));
    }
    if (s->time_partition) {
        s->time_partition = pb_new(cx->mem, ArtifactTimePartitionKey);
        *s->time_partition = *from->time_partition;
        s->time_partition->granularity = known_granularity(from->time_partition->granularity);
    }
    *out = s;
    return CODE_OK;
}

bool engine_artifact_schema_equal(const ArtifactArtifactPartitionSchema *a, const ArtifactArtifactPartitionSchema *b)
{
    const ArtifactTimePartitionKey *x = a->time_partition, *y = b->time_partition;
    if (!x != !y || (x && (!str_eq(x->key, y->key) || x->granularity != y->granularity)))
        return false;
    if (a->partition_keys.n != b->partition_keys.n)
        return false;
    for (size_t i = 0; i < a->partition_keys.n; i++)
        if (!has_key(b, b->partition_keys.n, a->partition_keys.p[i]))
            return false;
    return true;
}

str engine_artifact_schema_text(struct ctx *cx, const ArtifactArtifactPartitionSchema *s)
{
    buf b;
    buf_init_arena(&b, cx->mem, 4096);
    if (s->time_partition) {
        str g = pb_enum_name(STR("flyteidl2.core.Granularity"), s->time_partition->granularity);
        buf_printf(&b, STR_FMT " (" STR_FMT ")", STR_ARG(s->time_partition->key), STR_ARG(arena_lower(cx->mem, g)));
    }
    for (size_t i = 0; i < s->partition_keys.n; i++)
        buf_printf(&b, "%s" STR_FMT, b.n ? ", " : "", STR_ARG(s->partition_keys.p[i]));
    return b.n ? buf_view(&b) : STR("none");
}
