/* Queues and projects: what was said of them, and what they do now. */
#ifndef SERVICE_PAGE_QUEUES_INT_H
#define SERVICE_PAGE_QUEUES_INT_H

#include "rpc/page.h"

rpc_page_fn service_page_queues;

#endif
