/* TLS on a connection's socket, through OpenSSL: TLS 1.2 or newer, ALPN h2 and http/1.1. Loop thread of the connection
 * only; a context is shared by all threads. */
#ifndef NET_TLS_INT_H
#define NET_TLS_INT_H

#include "base/ctx.h"

#include <sys/types.h>

struct tls;
struct tls_context;

/* client_ca_file empty: clients need no certificate; else they must show one that it signed. Errors: INVALID_ARGUMENT
 * naming the file. */
must_check_ enum code tls_context_new(struct ctx *cx, str cert_file, str key_file, str client_ca_file,
                                      struct tls_context **out);
void tls_context_free(struct tls_context *t);

struct tls *tls_new(struct tls_context *t, int fd);
/* Accepts NULL. */
void tls_free(struct tls *t);
enum { TLS_AGAIN = 0, TLS_BROKEN = -1, TLS_EOF = -2 };
/* Bytes read, or TLS_AGAIN, TLS_BROKEN, TLS_EOF. Does the handshake first. */
ssize_t tls_read(struct tls *t, void *p, size_t n);
/* Bytes written, or TLS_AGAIN, TLS_BROKEN. After TLS_AGAIN the same bytes must be offered again. */
ssize_t tls_write(struct tls *t, const void *p, size_t n);
/* Decrypted or received bytes wait inside, which epoll cannot see. */
bool tls_has_pending(const struct tls *t);
/* The handshake waits until the socket takes bytes. */
bool tls_wants_write(const struct tls *t);
/* The client chose h2. */
bool tls_is_h2(const struct tls *t);
/* Tells the peer that nothing more comes. */
void tls_shutdown(struct tls *t);

#endif
