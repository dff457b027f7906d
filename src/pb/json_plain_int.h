/* Finding the end of plain text inside a JSON string, sixteen bytes at a time: the hot loop of reading and writing. */
#ifndef PB_JSON_PLAIN_INT_H
#define PB_JSON_PLAIN_INT_H

#include "base/str.h"

typedef uint8_t json_bytes __attribute__((vector_size(16)));

/* The first byte at or behind p that is a quote, a backslash or a control character, or end. *ascii tells whether all
 * before it are below 128. (A multi-byte character holds none of those bytes.) */
static inline const char *json_plain_end(const char *p, const char *end, bool *ascii)
{
    uint64_t seen = 0;
    for (; end - p >= 16; p += 16) {
        json_bytes v;
        uint64_t hit[2], word[2];
        memcpy(&v, p, 16);
        memcpy(word, p, 16);
        json_bytes odd = (json_bytes)(v == '"') | (json_bytes)(v == '\\') | (json_bytes)(v < 0x20);
        memcpy(hit, &odd, 16);
        if (hit[0] | hit[1]) {
            /* Of the word that has the hit only the bytes before it count. */
            bool second = !hit[0];
            int bits = __builtin_ctzll(hit[second]) & ~7;
            seen |= (second ? word[0] : 0) | (bits ? word[second] << (64 - bits) : 0);
            *ascii = !(seen & 0x8080808080808080u);
            return p + 8 * second + bits / 8;
        }
        seen |= word[0] | word[1];
    }
    for (; p < end && (uint8_t)*p >= 0x20 && *p != '"' && *p != '\\'; p++)
        seen |= (uint8_t)*p;
    *ascii = !(seen & 0x8080808080808080u);
    return p;
}

#endif
