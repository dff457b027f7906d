/* DomainService: the stages that every project has. */
#include "base/time.h"
#include "gen/flyteidl2_org.h"
#include "gen/services.h"
#include "service/convert.h"
#include "store/domain.h"

#define DOMAINS_MAX ((size_t)100)

static OrgDomain *domain_message(struct ctx *cx, const struct store_domain *row, str org)
{
    OrgDomain *m = pb_new(cx->mem, OrgDomain);
    m->id = row->id;
    m->org = org;
    m->friendly_name = row->name;
    m->created_at = service_timestamp(cx, row->created_ns);
    return m;
}

enum code DomainService_ListDomains(struct ctx *cx, const OrgListDomainsRequest *req, OrgListDomainsResponse *rsp)
{
    struct store_domain *rows;
    TRY(store_domain_list(cx, &rows, &rsp->domains.n));
    rsp->domains.p = arena_new_array(cx->mem, OrgDomain *, rsp->domains.n);
    for (size_t i = 0; i < rsp->domains.n; i++)
        rsp->domains.p[i] = domain_message(cx, &rows[i], req->org);
    return CODE_OK;
}

enum code DomainService_GetDomain(struct ctx *cx, const OrgGetDomainRequest *req, OrgGetDomainResponse *rsp)
{
    struct store_domain *row;
    TRY(store_domain_get(cx, req->id, &row));
    rsp->domain = domain_message(cx, row, req->org);
    return CODE_OK;
}

enum code DomainService_CreateDomain(struct ctx *cx, const OrgCreateDomainRequest *req, OrgCreateDomainResponse *rsp)
{
    struct store_domain *all, row = {.id = req->id, .name = req->friendly_name, .created_ns = time_wall_ns()};
    size_t n;
    TRY(store_domain_list(cx, &all, &n));
    if (n >= DOMAINS_MAX)
        return fail(cx, CODE_FAILED_PRECONDITION, "there are %zu domains already, which is the most", n);
    if (!row.name.n)
        row.name = row.id;
    TRY(store_domain_insert(cx, &row));
    rsp->domain = domain_message(cx, &row, req->org);
    return CODE_OK;
}

enum code DomainService_UpdateDomain(struct ctx *cx, const OrgUpdateDomainRequest *req, OrgUpdateDomainResponse *rsp)
{
    struct store_domain *row;
    TRY(store_domain_get(cx, req->id, &row));
    row->name = req->friendly_name.n ? req->friendly_name : row->id;
    TRY(store_domain_update(cx, row));
    rsp->domain = domain_message(cx, row, req->org);
    return CODE_OK;
}

enum code DomainService_DeleteDomain(struct ctx *cx, const OrgDeleteDomainRequest *req, OrgDeleteDomainResponse *rsp)
{
    (void)rsp;
    return store_domain_delete(cx, req->id);
}
