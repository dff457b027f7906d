/* EventsProxyService.Record: a batch of events of an external executor, all or none. Write lane. */
#include "gen/services.h"
#include "service/report.h"

enum code EventsProxyService_Record(struct ctx *cx, const WorkflowRecordRequest *req, WorkflowRecordResponse *rsp)
{
    (void)rsp;
    TRY(service_report_require_role(cx));
    for (size_t i = 0; i < req->events.n; i++)
        TRY(service_report_event(cx, req->events.p[i]));
    return CODE_OK;
}
