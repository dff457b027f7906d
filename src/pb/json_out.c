/* The text that the JSON encoder writes. Any thread; the arena belongs to the call. */
#include "pb/json_out_int.h"

#include "pb/pb_int.h"

char *pb_json_out_grow(struct json_out *o, size_t n)
{
    size_t cap = o->cap ? o->cap * 2 : 512;
    if (cap - o->n < n)
        cap = o->n + n;
    if (o->full || o->n + n > PB_SIZE_MAX || (o->mem->cap && o->mem->used + cap > o->mem->cap)) {
        o->full = true;
        return NULL;
    }
    o->p = arena_grow(o->mem, o->p, o->cap, cap);
    o->cap = cap;
    return o->p + o->n;
}

/* Bytes from p on that need no escape: printable ASCII but for the quote and the backslash. */
static size_t plain_run(const char *p, size_t n)
{
    const uint64_t ones = 0x0101010101010101u, high = 0x8080808080808080u;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t w;
        memcpy(&w, p + i, 8);
        uint64_t quote = w ^ (ones * '"'), slash = w ^ (ones * '\\');
        uint64_t odd = (w - ones * 0x20) | (quote - ones) | (slash - ones) | w;
        if (odd & high)
            break;
    }
    while (i < n && (uint8_t)p[i] >= 0x20 && (uint8_t)p[i] < 0x80 && p[i] != '"' && p[i] != '\\')
        i++;
    return i;
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

bool pb_json_out_string(struct json_out *o, str s)
{
    json_out_char(o, '"');
    while (s.n) {
        size_t n = plain_run(s.p, s.n);
        json_out_str(o, str_head(s, n));
        s = str_skip(s, n);
        if (!s.n)
            break;
        n = 1;
        if ((uint8_t)*s.p < 0x80)
            put_escape(o, (uint8_t)*s.p);
        else if ((n = str_utf8_len(s)))
            json_out_str(o, str_head(s, n));
        else
            return false;
        s = str_skip(s, n);
    }
    json_out_char(o, '"');
    return true;
}
