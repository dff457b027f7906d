/* Random bytes straight from the kernel: nothing is kept, so nothing can be shared by a fork. */
#include "base/random.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

void random_bytes(void *out, size_t n)
{
    char *p = out;
    while (n) {
        ssize_t got = getrandom(p, n, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            perror("tern: getrandom");
            abort();
        }
        p += got;
        n -= (size_t)got;
    }
}

uint64_t random_u64(void)
{
    uint64_t v;
    random_bytes(&v, sizeof(v));
    return v;
}

uint64_t random_below(uint64_t bound)
{
    uint64_t skew = (0 - bound) % bound; /* 2^64 mod bound: the first values that would come up once too often */
    uint64_t v;
    do
        v = random_u64();
    while (v < skew);
    return v % bound;
}

void random_text(char *out, size_t n, str alphabet)
{
    unsigned char draw[64];
    size_t at = sizeof(draw);
    unsigned int fair = 256 - 256 % (unsigned int)alphabet.n; /* bytes from here on would be unfair */
    for (size_t i = 0; i < n;) {
        if (at == sizeof(draw)) {
            random_bytes(draw, sizeof(draw));
            at = 0;
        }
        unsigned char b = draw[at++];
        if (b < fair)
            out[i++] = alphabet.p[b % alphabet.n];
    }
    out[n] = 0;
}

void random_uuid(char out[37])
{
    static const char hex[] = "0123456789abcdef";
    unsigned char b[16];
    char *p = out;
    random_bytes(b, sizeof(b));
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *p++ = '-';
        *p++ = hex[b[i] >> 4];
        *p++ = hex[b[i] & 15];
    }
    *p = 0;
}
