/* Artifacts as messages. */
#ifndef SERVICE_ARTIFACT_MESSAGE_H
#define SERVICE_ARTIFACT_MESSAGE_H

#include "gen/flyteidl2_artifact.h"
#include "store/artifact.h"

/* org: as the client calls it; there are no organizations here. */
must_check_ enum code service_artifact_message(struct ctx *cx, const struct store_artifact *a, str org,
                                               ArtifactArtifact **out);
must_check_ enum code service_artifact_messages(struct ctx *cx, const struct store_artifact *rows, size_t n, str org,
                                                ArtifactArtifact ***out);
must_check_ enum code service_artifact_schema(struct ctx *cx, const struct store_artifact_name *n,
                                              ArtifactArtifactPartitionSchema **out);

#endif
