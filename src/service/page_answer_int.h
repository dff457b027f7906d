/* /answer/ID-TOKEN: what a condition's webhook is told, for who answers it. Private to service/. */
#ifndef SERVICE_PAGE_ANSWER_INT_H
#define SERVICE_PAGE_ANSWER_INT_H

#include "rpc/page.h"

rpc_page_fn service_page_answer;

#endif
