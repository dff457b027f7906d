/* Parts of an artifact, for the files artifact*.c. Pure. */
#ifndef ENGINE_ARTIFACT_INT_H
#define ENGINE_ARTIFACT_INT_H

#include "engine/artifact.h"

/* Checks the partitions of a spec and brings them into the form that is stored; adds them to the row and its pairs, which
 * have room for ENGINE_ARTIFACT_PARTITIONS_MAX more. */
#define ENGINE_ARTIFACT_PARTITIONS_MAX 17
must_check_ enum code engine_artifact_partitions(struct ctx *cx, ArtifactArtifactSpec *spec,
                                                 struct engine_artifact *out, struct store_artifact_pair *pairs);
/* A declaration as it is stored. Errors: INVALID_ARGUMENT. */
must_check_ enum code engine_artifact_schema(struct ctx *cx, const ArtifactArtifactPartitionSchema *schema,
                                             const ArtifactArtifactPartitionSchema **out);
/* The order of the keys does not matter. */
bool engine_artifact_schema_equal(const ArtifactArtifactPartitionSchema *a, const ArtifactArtifactPartitionSchema *b);
/* "date (day), region"; "none" */
str engine_artifact_schema_text(struct ctx *cx, const ArtifactArtifactPartitionSchema *s);

/* The keys of our bucket that the value and the card name, each once: objects or folders. What is written inside bytes
 * counts by its run or upload. Errors: INVALID_ARGUMENT for too many. */
must_check_ enum code engine_artifact_objects(struct ctx *cx, const ArtifactArtifactSpec *spec,
                                              struct store_artifact_parts *out);

#endif
