/* The text that the JSON encoder writes: grows in the arena within its cap; once it has failed, writing does nothing.
 */
#ifndef PB_JSON_OUT_INT_H
#define PB_JSON_OUT_INT_H

#include "base/ctx.h"

struct json_out {
    struct arena *mem;
    char *p;
    size_t n, cap;
    bool full; /* the arena's cap was reached */
};

/* Room for n more bytes, or NULL. */
char *pb_json_out_grow(struct json_out *o, size_t n);
/* Quoted and escaped. False when s is not UTF-8. */
bool pb_json_out_string(struct json_out *o, str s);

static inline char *json_out_room(struct json_out *o, size_t n)
{
    return __builtin_expect(o->cap - o->n >= n, 1) ? o->p + o->n : pb_json_out_grow(o, n);
}

static inline void json_out_char(struct json_out *o, char c)
{
    char *to = json_out_room(o, 1);
    if (to) {
        *to = c;
        o->n++;
    }
}

static inline void json_out_str(struct json_out *o, str s)
{
    char *to = json_out_room(o, s.n);
    if (to && s.n) {
        memcpy(to, s.p, s.n);
        o->n += s.n;
    }
}

/* Removes a comma that nothing followed. */
static inline void json_out_drop_comma(struct json_out *o)
{
    if (o->n && o->p[o->n - 1] == ',')
        o->n--;
}

#endif
