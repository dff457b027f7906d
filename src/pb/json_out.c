/* The text that the JSON encoder writes. Any thread; the arena belongs to the call. */
#include "pb/json_out_int.h"

#include "pb/json_plain_int.h"
#include "pb/pb_int.h"

char *pb_json_out_grow(struct json_out *o, size_t n)
{
    size_t cap = o->cap ? o->cap * 2 : 512;
    if (cap - o->n < n)
        cap = o->n + n;
    if (o->full || o->n + n > PB_SIZE_MAX || !arena_fits(o->mem, cap)) {
        o->full = true;
        return NULL;
    }
    o->p = arena_grow_raw(o->mem, o->p, o->cap, cap);
    o->cap = cap;
    return o->p + o->n;
}

static void put_escape(struct json_out *o, unsigned char c)
{
    static const char hex[] = "0123456789abcdef", names[] = "btn\0fr";
    char text[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
    if (c == '"' || c == '\\')
        text[1] = (char)c;
    else if (c >= 8 && c <= 13 && c != 11)
        text[1] = names[c - 8];
    json_out_str(o, (str){text, text[1] == 'u' ? 6 : 2});
}

/* True when no byte of w is a quote, a backslash, a control character or not ASCII. */
static inline bool word_is_plain(uint64_t w)
{
    const uint64_t ones = 0x0101010101010101u, high = 0x8080808080808080u;
    uint64_t quote = w ^ (ones * '"'), slash = w ^ (ones * '\\');
    return (((w - ones * 0x20) | (quote - ones) | (slash - ones) | w) & high) == 0;
}

static inline uint64_t load(const char *p, size_t n)
{
    uint64_t w = 0;
    memcpy(&w, p, n);
    return w;
}

/* Nothing to escape and all ASCII, as nearly every string is; the last word overlaps the one before it. */
static inline bool is_plain(str s)
{
    if (s.n >= 8) {
        bool plain = word_is_plain(load(s.p + s.n - 8, 8));
        for (size_t i = 0; plain && i + 8 < s.n; i += 8)
            plain = word_is_plain(load(s.p + i, 8));
        return plain;
    }
    if (s.n >= 4)
        return word_is_plain(load(s.p, 4) | load(s.p + s.n - 4, 4) << 32);
    for (size_t i = 0; i < s.n; i++) {
        if (!word_is_plain((uint64_t)(uint8_t)s.p[i] | 0x2020202020202000u))
            return false;
    }
    return true;
}

static bool put_escaped(struct json_out *o, str s)
{
    const char *p = s.p, *end = p + s.n;
    bool ascii;
    json_out_char(o, '"');
    while (p < end) {
        const char *stop = json_plain_end(p, end, &ascii);
        str run = {p, (size_t)(stop - p)};
        if (!ascii && !str_is_utf8(run))
            return false;
        json_out_str(o, run);
        p = stop;
        if (p < end)
            put_escape(o, (uint8_t)*p++);
    }
    json_out_char(o, '"');
    return true;
}

bool pb_json_out_string(struct json_out *o, str s)
{
    if (!is_plain(s))
        return put_escaped(o, s);
    char *to = json_out_room(o, s.n + 2);
    if (to) {
        *to = '"';
        if (s.n)
            memcpy(to + 1, s.p, s.n);
        to[s.n + 1] = '"';
        o->n += s.n + 2;
    }
    return true;
}
