/* Small conversions between rows and messages that several services share. */
#ifndef SERVICE_CONVERT_H
#define SERVICE_CONVERT_H

#include "base/ctx.h"
#include "gen/flyteidl2_common.h"
#include "gen/flyteidl2_workflow.h"
#include "gen/google_protobuf.h"
#include "store/event.h"

/* From nanoseconds since 1970; NULL for 0 (= not yet). */
GoogleProtobufTimestamp *service_timestamp(struct ctx *cx, int64_t ns);
GoogleProtobufDuration *service_duration(struct ctx *cx, int64_t ns);
/* Saturates; absent = 0. */
int64_t service_timestamp_ns(const GoogleProtobufTimestamp *t);
int64_t service_duration_ns(const GoogleProtobufDuration *d);

/* NULL for an empty subject. */
CommonEnrichedIdentity *service_identity(struct ctx *cx, str subject, str name);
WorkflowClusterEvent *service_cluster_event(struct ctx *cx, const struct store_event *e);

#endif
