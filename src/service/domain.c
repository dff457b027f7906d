/* The fixed list of domains. */
#include "service/domain.h"

const struct service_domain service_domains[] = {
    {"development", "Development"},
    {"production", "Production"},
    {"staging", "Staging"},
};
const size_t service_domain_count = sizeof(service_domains) / sizeof(*service_domains);
