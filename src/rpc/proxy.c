/* People that a trusted proxy names. See proxy_int.h.
 *
 * Each is kept as long as the server lives, so that calls of the same person have the same principal, by which equal
 * watchers are known. */
#include "rpc/proxy_int.h"

#include <stdio.h>

#define VALUE_MAX 256
#define PEOPLE_MAX 10000

bool proxy_is_trusted(const struct rpc *r, const struct http_peer *peer)
{
    const struct rpc_proxy *proxy = &r->cfg.proxy;
    for (size_t i = 0; peer->loopback && i < proxy->uid_count; i++)
        if (proxy->uids[i] == peer->uid)
            return true;
    for (size_t i = 0; !peer->loopback && i < proxy->net_count; i++)
        if (cidr_has(&proxy->nets[i], peer->address))
            return true;
    return false;
}

/* C0, DEL, and C1 in UTF-8. */
static bool has_control(str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c < 0x20 || c == 0x7f || (c == 0xc2 && i + 1 < s.n && (unsigned char)s.p[i + 1] < 0xa0))
            return true;
    }
    return false;
}

/* The one header of that name: *out is empty when there is none. */
static enum code read_header(struct ctx *cx, const struct http_request *req, str name, str *out)
{
    bool found = false;
    *out = STR("");
    for (size_t i = 0; name.n && i < req->header_count; i++) {
        if (!str_eq(req->headers[i].name, name))
            continue;
        if (found)
            return fail(cx, CODE_UNAUTHENTICATED, STR_FMT ": sent more than once", STR_ARG(name));
        found = true;
        *out = str_trim(req->headers[i].value);
        if (!out->n || out->n > VALUE_MAX || !str_is_utf8(*out) || has_control(*out))
            return fail(cx, CODE_UNAUTHENTICATED, STR_FMT ": must be 1 to %d bytes of UTF-8 without control characters",
                        STR_ARG(name), VALUE_MAX);
    }
    return CODE_OK;
}

static struct principal *new_person(struct rpc *r, str subject, str email, str name)
{
    struct principal *p = arena_new(&r->mem, struct principal);
    *p = (struct principal){.subject = arena_str(&r->mem, subject),
                            .name = arena_str(&r->mem, name),
                            .email = arena_str(&r->mem, email),
                            .uid = UINT32_MAX,
                            .known = true};
    return p;
}

/* No value has a control byte, so the lines tell them apart. NULL: there are too many. */
static const struct principal *find_person(struct rpc *r, str subject, str email, str name)
{
    char text[3 * VALUE_MAX + 3];
    int n = snprintf(text, sizeof(text), STR_FMT "\n" STR_FMT "\n" STR_FMT, STR_ARG(subject), STR_ARG(email),
                     STR_ARG(name));
    str key = str_make(text, (size_t)n);
    pthread_mutex_lock(&r->lock);
    struct principal *p = map_find(&r->people, key);
    if (!p && r->people.n < PEOPLE_MAX) {
        p = new_person(r, subject, email, name);
        map_put(&r->people, arena_str(&r->mem, key), p);
    }
    pthread_mutex_unlock(&r->lock);
    return p;
}

enum code proxy_find(struct ctx *cx, struct rpc *r, const struct http_request *req, const struct principal **who)
{
    const struct rpc_proxy *proxy = &r->cfg.proxy;
    str subject, email, name;
    TRY(read_header(cx, req, proxy->user_header, &subject));
    if (!subject.n)
        return CODE_OK;
    if (str_starts(subject, STR("uid:")))
        return fail(cx, CODE_UNAUTHENTICATED, STR_FMT ": uid: is how accounts of this machine are named",
                    STR_ARG(proxy->user_header));
    TRY(read_header(cx, req, proxy->email_header, &email));
    TRY(read_header(cx, req, proxy->name_header, &name));
    const struct principal *p = find_person(r, subject, email, name);
    if (!p)
        return fail(cx, CODE_RESOURCE_EXHAUSTED, "the proxy has named more than %d people", PEOPLE_MAX);
    *who = p;
    return CODE_OK;
}
