/* The other end of a connection. The account of a loopback peer comes from the kernel: a sock_diag request for exactly
 * that socket, or /proc/net/tcp where netlink is not to be had.
 *
 * A socket that its owner has closed is listed with uid 0 and no inode. Taking that uid would make every account root
 * that sends a request and closes at once, so a socket without inode counts as unknown. */
#include "net/peer_int.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static uint16_t port_of(const union address *a)
{
    return a->any.sa_family == AF_INET ? a->v4.sin_port : a->v6.sin6_port;
}

static bool is_loopback(const union address *a)
{
    if (a->any.sa_family == AF_INET)
        return ntohl(a->v4.sin_addr.s_addr) >> 24 == 127;
    return IN6_IS_ADDR_LOOPBACK(&a->v6.sin6_addr);
}

/* ---- sock_diag --------------------------------------------------------------------------------------------------- */

struct question {
    struct nlmsghdr head;
    struct inet_diag_req_v2 req;
};

static void put_address(__be32 *to, const union address *a)
{
    if (a->any.sa_family == AF_INET)
        memcpy(to, &a->v4.sin_addr, 4);
    else
        memcpy(to, &a->v6.sin6_addr, 16);
}

/* Seen from the peer: its address is the source. */
static void ask(struct question *q, const union address *peer, const union address *ours)
{
    static _Atomic uint32_t seq;
    *q = (struct question){
        .head = {.nlmsg_len = sizeof(*q),
                 .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                 .nlmsg_flags = NLM_F_REQUEST,
                 .nlmsg_seq = ++seq},
        .req = {.sdiag_family = (uint8_t)peer->any.sa_family,
                .sdiag_protocol = IPPROTO_TCP,
                .idiag_states = UINT32_MAX,
                .id = {.idiag_sport = port_of(peer),
                       .idiag_dport = port_of(ours),
                       .idiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE}}},
    };
    put_address(q->req.id.idiag_src, peer);
    put_address(q->req.id.idiag_dst, ours);
}

int peer_source(void)
{
    return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
}

/* The kernel answers inside send(). An answer to an earlier question, which nobody has taken, is passed over. */
static bool converse(int source, const struct question *q, char *answer, size_t max)
{
    const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)answer;
    if (send(source, q, sizeof(*q), 0) != sizeof(*q))
        return false;
    ssize_t n;
    do
        n = recv(source, answer, max, MSG_DONTWAIT);
    while (n >= (ssize_t)sizeof(*h) && h->nlmsg_seq != q->head.nlmsg_seq);
    return n >= (ssize_t)sizeof(*h) && h->nlmsg_len <= (size_t)n;
}

/* False: netlink did not answer. True with UINT32_MAX: it answered, and nobody is known to hold the socket. */
static bool uid_by_netlink(int source, const union address *peer, const union address *ours, uint32_t *uid)
{
    struct question q;
    _Alignas(struct nlmsghdr) char answer[1024];
    const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)answer;
    ask(&q, peer, ours);
    if (!converse(source, &q, answer, sizeof(answer)))
        return false;
    if (h->nlmsg_type == NLMSG_ERROR) {
        const struct nlmsgerr *e = (const struct nlmsgerr *)(const void *)(h + 1);
        *uid = UINT32_MAX;
        return h->nlmsg_len >= NLMSG_LENGTH(sizeof(*e)) && e->error == -2; /* ENOENT: no such socket */
    }
    if (h->nlmsg_type != SOCK_DIAG_BY_FAMILY || h->nlmsg_len < NLMSG_LENGTH(sizeof(struct inet_diag_msg)))
        return false;
    const struct inet_diag_msg *m = (const struct inet_diag_msg *)(const void *)(h + 1);
    *uid = m->idiag_inode ? m->idiag_uid : UINT32_MAX;
    return true;
}

/* ---- /proc/net/tcp ----------------------------------------------------------------------------------------------- */

/* "0100007F:1F90": each group of four bytes is printed as a number of this machine. */
static void proc_name(const union address *a, bool v6, char out[48])
{
    uint32_t w[4] = {0, 0, htonl(0xffff), 0};
    if (a->any.sa_family == AF_INET)
        w[v6 ? 3 : 0] = a->v4.sin_addr.s_addr;
    else
        memcpy(w, &a->v6.sin6_addr, 16);
    int n = 0;
    for (int i = 0; i < (v6 ? 4 : 1); i++)
        n += snprintf(out + n, 48 - (size_t)n, "%08X", (unsigned)w[i]);
    snprintf(out + n, 48 - (size_t)n, ":%04X", (unsigned)ntohs(port_of(a)));
}

static uint32_t uid_in_table(const char *path, const union address *peer, const union address *ours, bool v6)
{
    char from[48], to[48], line[512], local[64], remote[64];
    uint32_t found = UINT32_MAX;
    FILE *f = fopen(path, "re");
    if (!f)
        return UINT32_MAX;
    proc_name(peer, v6, from);
    proc_name(ours, v6, to);
    while (found == UINT32_MAX && fgets(line, sizeof(line), f)) {
        unsigned uid;
        unsigned long inode;
        if (sscanf(line, "%*s %63s %63s %*s %*s %*s %*s %u %*s %lu", local, remote, &uid, &inode) == 4 && inode &&
            strcmp(local, from) == 0 && strcmp(remote, to) == 0)
            found = uid;
    }
    fclose(f);
    return found;
}

static uint32_t uid_by_proc(const union address *peer, const union address *ours)
{
    uint32_t uid = peer->any.sa_family == AF_INET ? uid_in_table("/proc/net/tcp", peer, ours, false) : UINT32_MAX;
    return uid != UINT32_MAX ? uid : uid_in_table("/proc/net/tcp6", peer, ours, true);
}

/* ------------------------------------------------------------------------------------------------------------------ */

void peer_find(int source, int fd, struct peer *out)
{
    union address peer = {0}, ours = {0};
    socklen_t peer_n = sizeof(peer), ours_n = sizeof(ours);
    out->known = (struct http_peer){.address = STR(""), .uid = UINT32_MAX};
    if (getpeername(fd, &peer.any, &peer_n) < 0 || getsockname(fd, &ours.any, &ours_n) < 0)
        return;
    if (peer.any.sa_family != AF_INET && peer.any.sa_family != AF_INET6)
        return;
    const void *raw =
        peer.any.sa_family == AF_INET ? (const void *)&peer.v4.sin_addr : (const void *)&peer.v6.sin6_addr;
    if (inet_ntop(peer.any.sa_family, raw, out->text, sizeof(out->text)))
        out->known.address = str_from(out->text);
    out->known.port = ntohs(port_of(&peer));
    out->known.loopback = is_loopback(&peer);
    if (out->known.loopback && !uid_by_netlink(source, &peer, &ours, &out->known.uid))
        out->known.uid = uid_by_proc(&peer, &ours);
}
