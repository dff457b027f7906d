/* Tokens of JSON text (RFC 8259), strictly: for the ProtoJSON decoder. */
#ifndef PB_JSON_SCAN_H
#define PB_JSON_SCAN_H

#include "base/ctx.h"

/* A position in a text. Functions return false after setting `problem`; `code` is then INVALID_ARGUMENT, or
 * RESOURCE_EXHAUSTED when the arena's cap was reached. */
struct pb_json_scan {
    const char *p, *start, *end;
    struct arena *mem;
    const char *problem;
    enum code code;
};

/* Sets the problem and returns false. */
bool pb_json_scan_fail(struct pb_json_scan *s, const char *problem);
bool pb_json_scan_full(struct pb_json_scan *s);

/* Skips white space; the character behind it, or 0. */
char pb_json_scan_space(struct pb_json_scan *s);
/* The next character that is no white space, not consumed; 0 at the end of the text. */
static inline char pb_json_scan_peek(struct pb_json_scan *s)
{
    return __builtin_expect(s->p < s->end && (uint8_t)*s->p > ' ', 1) ? *s->p : pb_json_scan_space(s);
}
/* Consumes c, or fails. */
bool pb_json_scan_expect(struct pb_json_scan *s, char c);
/* true, false or null. */
bool pb_json_scan_word(struct pb_json_scan *s, str word);
/* A string, unescaped, in UTF-8: borrowed from the text when it has no escapes, else in the arena. */
bool pb_json_scan_string(struct pb_json_scan *s, str *out);
/* A number as it is written. */
bool pb_json_scan_number(struct pb_json_scan *s, str *out);
/* Any value, of at most `depth` nested arrays and objects. */
bool pb_json_scan_skip(struct pb_json_scan *s, int depth);
/* Consumes the comma before the next member or element, or the closing character: *more says which. */
bool pb_json_scan_next(struct pb_json_scan *s, char close, bool *more);
/* The opening character, and the closing one when nothing is between: *more = false. */
bool pb_json_scan_open(struct pb_json_scan *s, char open, char close, bool *more);
/* The whole of s is a number as JSON writes it. */
bool pb_json_scan_is_number(str s);

#endif
