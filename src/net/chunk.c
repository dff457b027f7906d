/* Decoder of chunked bodies. See chunk_int.h. */
#include "net/chunk_int.h"

#include "base/codec.h"

#define DIGITS_MAX 15
#define EXTENSION_MAX 256

enum { SIZE, EXTENSION, SIZE_LF, DATA, DATA_CR, DATA_LF };

void chunk_init(struct chunk *k)
{
    *k = (struct chunk){.state = SIZE};
}

/* A byte of the line that holds the size. False: refused. */
static bool size_byte(struct chunk *k, char c)
{
    int digit = k->state == SIZE ? codec_hex_digit(c) : -1;
    if (digit >= 0) {
        k->left = k->left << 4 | (uint64_t)digit;
        return ++k->digits <= DIGITS_MAX;
    }
    if (!k->digits)
        return false;
    if (c == '\r') {
        k->state = SIZE_LF;
        return true;
    }
    if (k->state == SIZE && c != ';')
        return false;
    k->state = EXTENSION;
    return ++k->extension <= EXTENSION_MAX && (c == '\t' || (unsigned char)c >= ' ') && c != 0x7f;
}

static bool step(struct chunk *k, char c, bool *end)
{
    switch (k->state) {
    case SIZE:
    case EXTENSION:
        return size_byte(k, c);
    case SIZE_LF:
        *end = k->left == 0;
        k->state = DATA;
        return c == '\n';
    case DATA_CR:
        k->state = DATA_LF;
        return c == '\r';
    default: /* DATA_LF */
        chunk_init(k);
        return c == '\n';
    }
}

size_t chunk_feed(struct chunk *k, str in, str *data, bool *end)
{
    *data = STR_NONE;
    *end = false;
    for (size_t at = 0; at < in.n; at++) {
        if (k->state == DATA) {
            *data = str_head(str_skip(in, at), k->left < in.n ? (size_t)k->left : in.n);
            k->left -= data->n;
            if (!k->left)
                k->state = DATA_CR;
            return at + data->n;
        }
        if (!step(k, in.p[at], end))
            return SIZE_MAX;
        if (*end)
            return at + 1;
    }
    return in.n;
}
