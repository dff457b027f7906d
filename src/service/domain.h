/* The domains that every project has; fixed, in this order. */
#ifndef SERVICE_DOMAIN_H
#define SERVICE_DOMAIN_H

#include <stddef.h>

struct service_domain {
    const char *id, *name;
};

extern const struct service_domain service_domains[];
extern const size_t service_domain_count;

#endif
