/* gRPC reflection, v1 and v1alpha: what services and types there are. Worker threads. */
#include "rpc/call_int.h"
#include "rpc/descriptors.h"
#include "rpc/stream.h"

#include "base/vec.h"
#include "gen/grpc_reflection_v1.h"
#include "gen/grpc_reflection_v1alpha.h"
#include "gen/services.h"

typedef GrpcReflectionV1ServerReflectionRequest Request;
typedef GrpcReflectionV1ServerReflectionResponse Response;

/* v1alpha is v1 under another name, so one handler serves both. */
_Static_assert(sizeof(Request) == sizeof(GrpcReflectionV1alphaServerReflectionRequest), "v1alpha differs");
_Static_assert(sizeof(Response) == sizeof(GrpcReflectionV1alphaServerReflectionResponse), "v1alpha differs");

static void put_error(struct ctx *cx, Response *rsp, enum code code, str what)
{
    rsp->message_response_case = GrpcReflectionV1ServerReflectionResponse_error_response_tag;
    rsp->error_response = pb_new(cx->mem, GrpcReflectionV1ErrorResponse);
    rsp->error_response->error_code = (int32_t)code;
    rsp->error_response->error_message = arena_printf(cx->mem, "not found: " STR_FMT, STR_ARG(what));
}

static void put_file(struct ctx *cx, Response *rsp, const struct descriptors *d, int file, str what)
{
    if (file == DESCRIPTORS_NONE) {
        put_error(cx, rsp, CODE_NOT_FOUND, what);
        return;
    }
    GrpcReflectionV1FileDescriptorResponse *out = pb_new(cx->mem, GrpcReflectionV1FileDescriptorResponse);
    descriptors_closure(d, file, cx->mem, &out->file_descriptor_proto.p, &out->file_descriptor_proto.n);
    rsp->message_response_case = GrpcReflectionV1ServerReflectionResponse_file_descriptor_response_tag;
    rsp->file_descriptor_response = out;
}

struct numbers {
    struct arena *mem;
    VEC(int32_t) v;
};

static void add_number(void *arg, int32_t number)
{
    struct numbers *n = arg;
    *vec_push(&n->v, n->mem) = number;
}

static void put_numbers(struct ctx *cx, Response *rsp, const struct descriptors *d, str type)
{
    struct numbers n = {.mem = cx->mem};
    if (descriptors_symbol(d, type) == DESCRIPTORS_NONE) {
        put_error(cx, rsp, CODE_NOT_FOUND, type);
        return;
    }
    descriptors_extensions(d, type, add_number, &n);
    GrpcReflectionV1ExtensionNumberResponse *out = pb_new(cx->mem, GrpcReflectionV1ExtensionNumberResponse);
    out->base_type_name = type;
    out->extension_number.p = n.v.p;
    out->extension_number.n = n.v.n;
    rsp->message_response_case = GrpcReflectionV1ServerReflectionResponse_all_extension_numbers_response_tag;
    rsp->all_extension_numbers_response = out;
}

/* The services of the server's table, which is sorted by path. */
static void put_services(struct ctx *cx, Response *rsp)
{
    const struct run *run = cx->call;
    const struct rpc *r = run->call->rpc;
    VEC(GrpcReflectionV1ServiceResponse *) v = {0};
    const char *last = "";
    for (size_t i = 0; i < r->method_count; i++) {
        const char *service = r->methods[i].pb->service;
        if (strcmp(service, last) == 0)
            continue;
        last = service;
        GrpcReflectionV1ServiceResponse *s = pb_new(cx->mem, GrpcReflectionV1ServiceResponse);
        s->name = str_from(service);
        *vec_push(&v, cx->mem) = s;
    }
    rsp->message_response_case = GrpcReflectionV1ServerReflectionResponse_list_services_response_tag;
    rsp->list_services_response = pb_new(cx->mem, GrpcReflectionV1ListServiceResponse);
    rsp->list_services_response->service.p = v.p;
    rsp->list_services_response->service.n = v.n;
}

static void answer(struct ctx *cx, const struct descriptors *d, const Request *req, Response *rsp)
{
    const GrpcReflectionV1ExtensionRequest *x;
    switch (req->message_request_case) {
    case GrpcReflectionV1ServerReflectionRequest_file_by_filename_tag:
        put_file(cx, rsp, d, descriptors_file(d, req->file_by_filename), req->file_by_filename);
        break;
    case GrpcReflectionV1ServerReflectionRequest_file_containing_symbol_tag:
        put_file(cx, rsp, d, descriptors_symbol(d, req->file_containing_symbol), req->file_containing_symbol);
        break;
    case GrpcReflectionV1ServerReflectionRequest_file_containing_extension_tag:
        x = req->file_containing_extension;
        put_file(cx, rsp, d, descriptors_extension(d, x->containing_type, x->extension_number), x->containing_type);
        break;
    case GrpcReflectionV1ServerReflectionRequest_all_extension_numbers_of_type_tag:
        put_numbers(cx, rsp, d, req->all_extension_numbers_of_type);
        break;
    case GrpcReflectionV1ServerReflectionRequest_list_services_tag:
        put_services(cx, rsp);
        break;
    default:
        put_error(cx, rsp, CODE_INVALID_ARGUMENT, STR("the request asks for nothing known"));
    }
}

static enum code reflect(struct ctx *cx, struct stream *st)
{
    const struct descriptors *d = descriptors_idl();
    if (!d)
        return fail(cx, CODE_INTERNAL, "the built-in descriptors are malformed");
    while (stream_writable(st)) {
        void *msg;
        Response rsp = {0};
        TRY(stream_recv(cx, st, &msg));
        if (!msg)
            return stream_recv_done(st) ? CODE_OK : stream_wait(st);
        rsp.original_request = msg;
        rsp.valid_host = rsp.original_request->host;
        answer(cx, d, msg, &rsp);
        TRY(stream_send(cx, st, &rsp));
    }
    return stream_again(st);
}

enum code GrpcReflectionV1ServerReflection_ServerReflectionInfo(struct ctx *cx, const void *none, struct stream *st)
{
    (void)none;
    return reflect(cx, st);
}

enum code GrpcReflectionV1alphaServerReflection_ServerReflectionInfo(struct ctx *cx, const void *none,
                                                                     struct stream *st)
{
    (void)none;
    return reflect(cx, st);
}
