/* Hexadecimal, base64 and base32: one loop that moves bits between bytes and characters of 4, 6 or 5 bits. */
#include "base/codec.h"

#define HEX "0123456789abcdef"
#define BASE32 "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
#define BASE64 "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
#define BASE64URL "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

/* The value of a character, or -1. */
typedef int value_fn(char c);

int codec_base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    return c == '/' || c == '_' ? 63 : -1;
}

static int base32_value(char c)
{
    if (c >= '2' && c <= '7')
        return c - '2' + 26;
    c = (char)(c & ~32);
    return c >= 'A' && c <= 'Z' ? c - 'A' : -1;
}

/* pad_to: the length is filled with '=' to a multiple of it; 1 = no padding. */
static str encode(struct arena *mem, str bytes, const char *alphabet, unsigned int width, size_t pad_to)
{
    size_t chars = (bytes.n * 8 + width - 1) / width, padded = (chars + pad_to - 1) / pad_to * pad_to;
    char *text = arena_alloc(mem, padded + 1), *to = text;
    uint32_t bits = 0;
    unsigned int held = 0;
    for (size_t i = 0; i < bytes.n; i++) {
        bits = bits << 8 | (unsigned char)bytes.p[i];
        for (held += 8; held >= width; held -= width)
            *to++ = alphabet[bits >> (held - width) & ((1u << width) - 1)];
    }
    if (held)
        *to++ = alphabet[bits << (width - held) & ((1u << width) - 1)];
    while (to < text + padded)
        *to++ = '=';
    return str_make(text, padded);
}

/* block: characters of a group that fills whole bytes; padding, where there is any, must complete it. */
static bool decode(struct arena *mem, str text, value_fn *value, unsigned int width, size_t block, bool strict,
                   str *out)
{
    size_t chars = text.n;
    while (chars && text.p[chars - 1] == '=' && text.n - chars < block)
        chars--;
    if (chars != text.n && (text.n % block || text.n - chars >= block))
        return false;
    if (chars % block * width % 8 >= width) /* a character that adds no byte */
        return false;
    char *bytes = arena_alloc(mem, chars * width / 8 + 1), *to = bytes;
    uint32_t bits = 0;
    unsigned int held = 0;
    for (size_t i = 0; i < chars; i++) {
        int v = value(text.p[i]);
        if (v < 0)
            return false;
        bits = bits << width | (uint32_t)v;
        held += width;
        if (held >= 8) {
            held -= 8;
            *to++ = (char)(bits >> held & 0xff);
        }
    }
    if (strict && (bits & ((1u << held) - 1)))
        return false;
    *out = str_make(bytes, (size_t)(to - bytes));
    return true;
}

str codec_hex_encode(struct arena *mem, str bytes)
{
    return encode(mem, bytes, HEX, 4, 1);
}

bool codec_hex_decode(struct arena *mem, str text, str *out)
{
    return text.n % 2 == 0 && !memchr(text.p ? text.p : "", '=', text.n) &&
           decode(mem, text, codec_hex_digit, 4, 2, true, out);
}

str codec_base64_encode(struct arena *mem, str bytes)
{
    return encode(mem, bytes, BASE64, 6, 4);
}

str codec_base64url_encode(struct arena *mem, str bytes)
{
    return encode(mem, bytes, BASE64URL, 6, 1);
}

bool codec_base64_decode(struct arena *mem, str text, str *out)
{
    return decode(mem, text, codec_base64_digit, 6, 4, false, out);
}

str codec_base32_encode(struct arena *mem, str bytes)
{
    return encode(mem, bytes, BASE32, 5, 1);
}

bool codec_base32_decode(struct arena *mem, str text, str *out)
{
    return decode(mem, text, base32_value, 5, 8, true, out);
}

bool codec_percent_decode(struct arena *mem, str text, bool plus, str *out)
{
    char *to = arena_alloc(mem, text.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (c == '%') {
            int hi = text.n - i > 2 ? codec_hex_digit(text.p[i + 1]) : -1;
            int lo = text.n - i > 2 ? codec_hex_digit(text.p[i + 2]) : -1;
            if (hi < 0 || lo < 0)
                return false;
            c = (char)(hi << 4 | lo);
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        to[n++] = c;
    }
    *out = str_make(to, n);
    return true;
}
