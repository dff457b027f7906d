/* The page of one run: /v2/domain/D/project/P/runs/R. Private to service/. */
#ifndef SERVICE_PAGE_RUN_INT_H
#define SERVICE_PAGE_RUN_INT_H

#include "base/buf.h"
#include "rpc/page.h"
#include "store/run.h"

/* Appends the path of the run's page. */
void service_page_run_url(buf *b, const struct store_run *run);
/* Work lane: it reads log files. */
rpc_page_fn service_page_run;

#endif
