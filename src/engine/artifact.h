/* Artifacts, wherever they come from: requests of clients, or outputs of actions that declare some. */
#ifndef ENGINE_ARTIFACT_H
#define ENGINE_ARTIFACT_H

#include "gen/flyteidl2_artifact.h"
#include "store/artifact.h"

/* Stands for the newest version in requests. */
#define ENGINE_ARTIFACT_LATEST "latest"

/* A version that may be stored. */
struct engine_artifact {
    struct store_artifact row;
    struct store_artifact_parts parts;
    const ArtifactArtifactPartitionSchema *schema; /* what its partitions are */
    const ArtifactArtifactSpec *spec;              /* as it is stored */
};

/* From a request that satisfies the rules of the IDL: checks what these cannot say and brings it into the form that is
 * stored: the value carries the artifact's identity, parents and source are complete, times lie at the beginning of their
 * partition. Pure. Errors: INVALID_ARGUMENT naming the field. */
must_check_ enum code engine_artifact_prepare(struct ctx *cx, const ArtifactCreateArtifactRequest *req,
                                              struct engine_artifact *out);

enum engine_artifact_outcome {
    ENGINE_ARTIFACT_NEW,
    ENGINE_ARTIFACT_SAME,      /* that version was there with this content, whatever its source */
    ENGINE_ARTIFACT_DIFFERENT, /* with another one, which stays */
};

/* Write entry. Stores it, unless the version is there; then a->row is what is stored. The first version decides which
 * partitions the name has. Errors: FAILED_PRECONDITION when a sweep just removes what it names. */
must_check_ enum code engine_artifact_put(struct ctx *cx, struct engine_artifact *a, uint64_t created_by,
                                          enum engine_artifact_outcome *out);

/* Write entry. Says which partitions a name has. *out is what is stored. Errors: INVALID_ARGUMENT; FAILED_PRECONDITION
 * when it has others. */
must_check_ enum code engine_artifact_declare(struct ctx *cx, const ArtifactArtifactName *name,
                                              const ArtifactArtifactPartitionSchema *schema,
                                              const ArtifactArtifactPartitionSchema **out);

#endif
