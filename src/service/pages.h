/* The pages of the API port: what people see of Tern in a browser until there is a console. */
#ifndef SERVICE_PAGES_H
#define SERVICE_PAGES_H

#include "rpc/page.h"

extern const struct rpc_page service_pages[];
extern const size_t service_page_count;

#endif
