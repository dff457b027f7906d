/* TLS through OpenSSL on the connection's own descriptor. See tls_int.h. */
#include "net/tls_int.h"

#include "base/mem.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

struct tls_context {
    SSL_CTX *ctx;
};

struct tls {
    SSL *ssl;
    bool handshaken, want_write, closed;
};

static enum code fail_ssl(struct ctx *cx, const char *what, const char *file)
{
    char text[160] = "unknown error";
    unsigned long e = ERR_get_error();
    if (e)
        ERR_error_string_n(e, text, sizeof(text));
    ERR_clear_error();
    return fail(cx, CODE_INVALID_ARGUMENT, "%s %s: %s", what, file, text);
}

static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_n, const unsigned char *in,
                           unsigned in_n, void *arg)
{
    static const unsigned char ours[] = "\x02h2\x08http/1.1";
    (void)ssl;
    (void)arg;
    if (SSL_select_next_proto((unsigned char **)(uintptr_t)out, out_n, ours, sizeof(ours) - 1, in, in_n) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    return SSL_TLSEXT_ERR_OK;
}

static enum code use_client_ca(struct ctx *cx, SSL_CTX *s, const char *file)
{
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(file);
    if (!names || SSL_CTX_load_verify_locations(s, file, NULL) != 1) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        return fail_ssl(cx, "client CA file", file);
    }
    SSL_CTX_set_client_CA_list(s, names);
    SSL_CTX_set_verify(s, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    return CODE_OK;
}

static enum code set_up(struct ctx *cx, SSL_CTX *s, str cert_file, str key_file, str client_ca_file)
{
    static const unsigned char id[] = "tern";
    const char *cert = arena_cstr(cx->mem, cert_file), *key = arena_cstr(cx->mem, key_file);
    SSL_CTX_set_min_proto_version(s, TLS1_2_VERSION);
    SSL_CTX_set_options(s, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(s, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_alpn_select_cb(s, choose_protocol, NULL);
    SSL_CTX_set_session_id_context(s, id, sizeof(id) - 1);
    if (SSL_CTX_use_certificate_chain_file(s, cert) != 1)
        return fail_ssl(cx, "TLS certificate file", cert);
    if (SSL_CTX_use_PrivateKey_file(s, key, SSL_FILETYPE_PEM) != 1 || SSL_CTX_check_private_key(s) != 1)
        return fail_ssl(cx, "TLS key file", key);
    return client_ca_file.n ? use_client_ca(cx, s, arena_cstr(cx->mem, client_ca_file)) : CODE_OK;
}

enum code tls_context_new(struct ctx *cx, str cert_file, str key_file, str client_ca_file, struct tls_context **out)
{
    SSL_CTX *s = SSL_CTX_new(TLS_server_method());
    if (!s)
        return fail_ssl(cx, "TLS", "set-up");
    enum code code = set_up(cx, s, cert_file, key_file, client_ca_file);
    if (code != CODE_OK) {
        SSL_CTX_free(s);
        return code;
    }
    struct tls_context *t = mem_new(struct tls_context);
    t->ctx = s;
    *out = t;
    return CODE_OK;
}

void tls_context_free(struct tls_context *t)
{
    if (!t)
        return;
    SSL_CTX_free(t->ctx);
    mem_free(t);
}

struct tls *tls_new(struct tls_context *t, int fd)
{
    struct tls *s = mem_new(struct tls);
    s->ssl = SSL_new(t->ctx);
    if (!s->ssl || SSL_set_fd(s->ssl, fd) != 1)
        s->closed = true;
    else
        SSL_set_accept_state(s->ssl);
    return s;
}

void tls_free(struct tls *t)
{
    if (!t)
        return;
    SSL_free(t->ssl);
    mem_free(t);
}

/* What a call that did not succeed means. */
static ssize_t outcome(struct tls *t, int rc)
{
    switch (SSL_get_error(t->ssl, rc)) {
    case SSL_ERROR_WANT_READ:
        t->want_write = false;
        return TLS_AGAIN;
    case SSL_ERROR_WANT_WRITE:
        t->want_write = true;
        return TLS_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return TLS_EOF;
    default:
        t->closed = true;
        ERR_clear_error();
        return TLS_BROKEN;
    }
}

static ssize_t handshake(struct tls *t)
{
    if (t->closed)
        return TLS_BROKEN;
    if (t->handshaken)
        return 1;
    ERR_clear_error();
    int rc = SSL_accept(t->ssl);
    if (rc != 1)
        return outcome(t, rc);
    t->handshaken = true;
    t->want_write = false;
    return 1;
}

ssize_t tls_read(struct tls *t, void *p, size_t n)
{
    ssize_t ready = handshake(t);
    if (ready <= 0)
        return ready;
    size_t got = 0;
    ERR_clear_error();
    int rc = SSL_read_ex(t->ssl, p, n, &got);
    return rc == 1 ? (ssize_t)got : outcome(t, rc);
}

ssize_t tls_write(struct tls *t, const void *p, size_t n)
{
    ssize_t ready = handshake(t);
    if (ready <= 0)
        return ready;
    size_t sent = 0;
    ERR_clear_error();
    int rc = SSL_write_ex(t->ssl, p, n, &sent);
    if (rc == 1)
        return (ssize_t)sent;
    ssize_t result = outcome(t, rc);
    t->want_write = false; /* the connection knows by itself that it is blocked */
    return result == TLS_EOF ? TLS_BROKEN : result;
}

bool tls_has_pending(const struct tls *t)
{
    return !t->closed && t->handshaken && SSL_has_pending(t->ssl);
}

bool tls_wants_write(const struct tls *t)
{
    return t->want_write;
}

bool tls_is_h2(const struct tls *t)
{
    const unsigned char *p = NULL;
    unsigned n = 0;
    if (t->closed)
        return false;
    SSL_get0_alpn_selected(t->ssl, &p, &n);
    return n == 2 && memcmp(p, "h2", 2) == 0;
}

void tls_shutdown(struct tls *t)
{
    if (t->closed || !t->handshaken)
        return;
    ERR_clear_error();
    SSL_shutdown(t->ssl);
}
