/* grpc.health.v1: a server that answers is serving, until it drains. Worker threads. */
#include "rpc/call_int.h"
#include "rpc/stream.h"

#include "gen/grpc_health_v1.h"
#include "gen/services.h"

static bool is_service(const struct rpc *r, str name)
{
    if (!name.n)
        return true;
    for (size_t i = 0; i < r->method_count; i++)
        if (str_eq(str_from(r->methods[i].pb->service), name))
            return true;
    return false;
}

static const struct rpc *rpc_of(const struct ctx *cx)
{
    const struct run *run = cx->call;
    return run->call->rpc;
}

enum code Health_Check(struct ctx *cx, const GrpcHealthV1HealthCheckRequest *req, GrpcHealthV1HealthCheckResponse *rsp)
{
    if (!is_service(rpc_of(cx), req->service))
        return fail(cx, CODE_NOT_FOUND, "no service %.100s", arena_cstr(cx->mem, req->service));
    rsp->status = GRPC_HEALTH_V1_HEALTH_CHECK_RESPONSE_SERVING_STATUS_SERVING;
    return CODE_OK;
}

/* The status does not change while the stream lives: a draining server ends it. */
enum code Health_Watch(struct ctx *cx, const GrpcHealthV1HealthCheckRequest *req, struct stream *st)
{
    bool *told = stream_state(st, sizeof(*told));
    GrpcHealthV1HealthCheckResponse rsp = {
        .status = is_service(rpc_of(cx), req->service)
                      ? GRPC_HEALTH_V1_HEALTH_CHECK_RESPONSE_SERVING_STATUS_SERVING
                      : GRPC_HEALTH_V1_HEALTH_CHECK_RESPONSE_SERVING_STATUS_SERVICE_UNKNOWN};
    if (!*told)
        TRY(stream_send(cx, st, &rsp));
    *told = true;
    return stream_wait(st);
}
