/* The sweep that people ask for. */
#ifndef SERVICE_PAGE_GC_INT_H
#define SERVICE_PAGE_GC_INT_H

#include "rpc/page.h"

rpc_page_fn service_page_gc;

#endif
