/* POST /admin/notifications, for `tern notifications --retry`. Private to service/. */
#ifndef SERVICE_PAGE_NOTIFICATIONS_INT_H
#define SERVICE_PAGE_NOTIFICATIONS_INT_H

#include "rpc/page.h"

rpc_page_fn service_page_notifications;

#endif
