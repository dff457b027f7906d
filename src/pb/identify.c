/* What a message is about, for people: found by the names of fields and types, since the IDL says it in no other way.
 * Any thread. */
#include "pb/pb.h"

#include "pb/pb_int.h"

/* Messages inside the outermost one that are looked into. */
#define DEPTH_MAX 5

static bool is_one_of(str name, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(name, str_from(names[i])))
            return true;
    return false;
}

/* ProjectIdentifier, RunIdentifier, TriggerName ... */
static bool is_identifier(const struct pb_type *t)
{
    str name = {t->name, t->name_len};
    return str_ends(name, STR("Identifier")) || str_ends(name, STR("Name")) || str_ends(name, STR("Key"));
}

/* The organization is the same everywhere. */
static bool is_organization(str name)
{
    return str_eq(name, STR("org")) || str_eq(name, STR("organization"));
}

static void add(buf *b, str text)
{
    if (b->n && text.n)
        buf_char(b, '/');
    buf_str(b, text);
}

static bool is_single(const struct pb_field *f, const void *msg)
{
    return f->shape != PB_REPEATED && f->shape != PB_MAP && pb_present(f, msg);
}

/* The submessage of a field, the first of several; NULL when there is none. */
static const void *message_of(const struct pb_field *f, const void *msg)
{
    if (f->kind != PB_MESSAGE || f->shape == PB_MAP || !pb_present(f, msg))
        return NULL;
    if (f->shape != PB_REPEATED)
        return *(const void *const *)pb_slot_const(f, msg);
    const struct pb_array *a = pb_slot_const(f, msg);
    return *(const void *const *)a->p;
}

/* Where a text stands among those of its identifier. */
enum place { PLACE_PROJECT, PLACE_DOMAIN, PLACE_OTHERS, PLACES_ };

static enum place place_of(const struct pb_type *t, str name)
{
    bool is_project = str_ends((str){t->name, t->name_len}, STR(".ProjectIdentifier"));
    if (str_eq(name, STR("project")) || (is_project && str_eq(name, STR("name"))))
        return PLACE_PROJECT;
    return str_eq(name, STR("domain")) ? PLACE_DOMAIN : PLACE_OTHERS;
}

static void add_identifier(buf *b, const struct pb_type *t, const void *msg, int depth)
{
    for (enum place place = PLACE_PROJECT; place < PLACES_; place++) {
        for (const struct pb_field *f = t->fields, *end = f + t->n; f < end; f++) {
            const void *sub = message_of(f, msg);
            str name = pb_field_name(t, f);
            if (place_of(t, name) != place || is_organization(name))
                continue;
            if (sub && depth < DEPTH_MAX)
                add_identifier(b, f->type, sub, depth + 1);
            else if (f->kind == PB_STRING && is_single(f, msg))
                add(b, *(const str *)pb_slot_const(f, msg));
        }
    }
}

static bool find_identifier(buf *b, const struct pb_type *t, const void *msg, int depth)
{
    if (is_identifier(t)) {
        add_identifier(b, t, msg, depth);
        return b->n > 0;
    }
    for (const struct pb_field *f = t->fields, *end = f + t->n; f < end; f++) {
        const void *sub = message_of(f, msg);
        if (sub && depth < DEPTH_MAX && find_identifier(b, f->type, sub, depth + 1))
            return true;
    }
    return false;
}

/* Without an identifier: the fields that usually make one. */
static bool find_names(buf *b, const struct pb_type *t, const void *msg, int depth)
{
    static const char *const names[] = {"project", "domain", "id", "key", "filename"};
    for (const struct pb_field *f = t->fields, *end = f + t->n; f < end; f++)
        if (f->kind == PB_STRING && is_single(f, msg) &&
            is_one_of(pb_field_name(t, f), names, sizeof(names) / sizeof(*names)))
            add(b, *(const str *)pb_slot_const(f, msg));
    for (const struct pb_field *f = t->fields, *end = f + t->n; !b->n && f < end; f++) {
        const void *sub = message_of(f, msg);
        if (sub && depth < DEPTH_MAX)
            find_names(b, f->type, sub, depth + 1);
    }
    return b->n > 0;
}

bool pb_identify(const struct pb_type *type, const void *msg, buf *b)
{
    return find_identifier(b, type, msg, 0);
}

bool pb_identify_by_names(const struct pb_type *type, const void *msg, buf *b)
{
    return find_names(b, type, msg, 0);
}
