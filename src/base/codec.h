/* Bytes as text: hexadecimal, base64 (RFC 4648 sections 4 and 5), base32 (section 6), percent-encoding. Pure functions, any thread.
 * Encoders return NUL-terminated strings in the arena; decoders return false for text that is none and then leave *out
 * untouched. */
#ifndef BASE_CODEC_H
#define BASE_CODEC_H

#include "base/arena.h"

/* The value of a hexadecimal digit in either case; -1 = it is none. */
static inline int codec_hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}
/* Lower case. */
str codec_hex_encode(struct arena *mem, str bytes);
/* Either case. */
bool codec_hex_decode(struct arena *mem, str text, str *out);

/* Standard alphabet, padded. */
str codec_base64_encode(struct arena *mem, str bytes);
/* URL alphabet, not padded. */
str codec_base64url_encode(struct arena *mem, str bytes);
/* Both alphabets, padded or not, as ProtoJSON reads bytes; unused bits of the last character are ignored. */
bool codec_base64_decode(struct arena *mem, str text, str *out);
/* The value of a digit of either alphabet; -1 = it is none. */
int codec_base64_digit(char c);

/* Upper case, not padded. */
str codec_base32_encode(struct arena *mem, str bytes);
/* Either case, padded or not; unused bits must be zero, so that a byte string has one text only (but for its case). */
bool codec_base32_decode(struct arena *mem, str text, str *out);

/* Undoes %XX, and in forms and queries (plus) "+" for a space. */
bool codec_percent_decode(struct arena *mem, str text, bool plus, str *out);

#endif
