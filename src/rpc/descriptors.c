/* Which file of a FileDescriptorSet declares what. See descriptors.h. */
#include "rpc/descriptors.h"

#include "base/vec.h"
#include "pb/pb.h"

#include <pthread.h>
#include <stdlib.h>

struct symbol {
    str name;
    int file;
};

struct extension {
    str extendee;
    int32_t number;
    int file;
};

struct file {
    str name, bytes;
};

struct descriptors {
    VEC(struct file) files;
    VEC(struct symbol) symbols; /* sorted by name */
    VEC(struct extension) extensions;
    bool malformed;
};

/* ---- wire format ------------------------------------------------------------------------------------------------- */

struct field {
    uint32_t number;
    uint64_t value; /* varints */
    str bytes;      /* length-delimited ones */
};

static bool read_varint(str *s, uint64_t *out)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < 10 && i < s->n; i++) {
        v |= (uint64_t)(s->p[i] & 127) << (7 * i);
        if (!(s->p[i] & 128)) {
            *s = str_skip(*s, i + 1);
            *out = v;
            return true;
        }
    }
    return false;
}

static bool skip(str *s, size_t n)
{
    if (n > s->n)
        return false;
    *s = str_skip(*s, n);
    return true;
}

/* False at the end, or when the rest is malformed (then s is not empty). */
static bool next_field(str *s, struct field *f)
{
    uint64_t tag, n;
    if (!s->n || !read_varint(s, &tag))
        return false;
    *f = (struct field){.number = (uint32_t)(tag >> 3)};
    switch (tag & 7) {
    case 0:
        return read_varint(s, &f->value);
    case 1:
        return skip(s, 8);
    case 2:
        if (!read_varint(s, &n) || n > s->n)
            return false;
        f->bytes = str_head(*s, (size_t)n);
        return skip(s, (size_t)n);
    case 5:
        return skip(s, 4);
    default:
        return false;
    }
}

/* The first field of that number, as bytes. */
static str find_bytes(str message, uint32_t number)
{
    struct field f;
    while (next_field(&message, &f))
        if (f.number == number)
            return f.bytes;
    return STR_NONE;
}

/* ---- building ---------------------------------------------------------------------------------------------------- */

enum {
    FILE_NAME = 1,
    FILE_PACKAGE = 2,
    FILE_IMPORT = 3,
    FILE_MESSAGE = 4,
    FILE_ENUM = 5,
    FILE_SERVICE = 6,
    FILE_EXTENSION = 7
};
enum { MESSAGE_NESTED = 3, MESSAGE_ENUM = 4, MESSAGE_EXTENSION = 6 };
enum { SERVICE_METHOD = 2 };
enum { FIELD_EXTENDEE = 2, FIELD_NUMBER = 3 };

static str add_symbol(struct descriptors *d, struct arena *mem, str scope, str declaration)
{
    str name = find_bytes(declaration, 1);
    struct symbol *s = vec_push(&d->symbols, mem);
    s->name = scope.n ? arena_printf(mem, STR_FMT "." STR_FMT, STR_ARG(scope), STR_ARG(name)) : name;
    s->file = (int)d->files.n - 1;
    return s->name;
}

static void add_extension(struct descriptors *d, struct arena *mem, str field)
{
    struct extension *e = vec_push(&d->extensions, mem);
    str rest = field;
    struct field f;
    e->file = (int)d->files.n - 1;
    while (next_field(&rest, &f)) {
        if (f.number == FIELD_NUMBER)
            e->number = (int32_t)f.value;
        else if (f.number == FIELD_EXTENDEE)
            e->extendee = str_starts(f.bytes, STR(".")) ? str_skip(f.bytes, 1) : f.bytes;
    }
}

static void add_service(struct descriptors *d, struct arena *mem, str package, str service)
{
    str name = add_symbol(d, mem, package, service);
    struct field f;
    while (next_field(&service, &f))
        if (f.number == SERVICE_METHOD)
            add_symbol(d, mem, name, f.bytes);
    d->malformed |= service.n != 0;
}

/* Messages nest; those of the set are the compiler's own and not deep. */
static void add_message(struct descriptors *d, struct arena *mem, str scope, str message)
{
    str name = add_symbol(d, mem, scope, message);
    struct field f;
    while (next_field(&message, &f)) {
        if (f.number == MESSAGE_NESTED)
            add_message(d, mem, name, f.bytes);
        else if (f.number == MESSAGE_ENUM)
            add_symbol(d, mem, name, f.bytes);
        else if (f.number == MESSAGE_EXTENSION)
            add_extension(d, mem, f.bytes);
    }
    d->malformed |= message.n != 0;
}

static void add_file(struct descriptors *d, struct arena *mem, str bytes)
{
    struct file *file = vec_push(&d->files, mem);
    str package = find_bytes(bytes, FILE_PACKAGE);
    struct field f;
    *file = (struct file){find_bytes(bytes, FILE_NAME), bytes};
    while (next_field(&bytes, &f)) {
        if (f.number == FILE_MESSAGE)
            add_message(d, mem, package, f.bytes);
        else if (f.number == FILE_ENUM)
            add_symbol(d, mem, package, f.bytes);
        else if (f.number == FILE_SERVICE)
            add_service(d, mem, package, f.bytes);
        else if (f.number == FILE_EXTENSION)
            add_extension(d, mem, f.bytes);
    }
    d->malformed |= bytes.n != 0;
}

static int by_name(const void *a, const void *b)
{
    const struct symbol *x = a, *y = b;
    return str_cmp(x->name, y->name);
}

const struct descriptors *descriptors_index(struct arena *mem, str set)
{
    struct descriptors *d = arena_new(mem, struct descriptors);
    struct field f;
    while (next_field(&set, &f))
        if (f.number == 1)
            add_file(d, mem, f.bytes);
    if (set.n || d->malformed)
        return NULL;
    if (d->symbols.n)
        qsort(d->symbols.p, d->symbols.n, sizeof(*d->symbols.p), by_name);
    return d;
}

static const struct descriptors *idl;

static void index_idl(void)
{
    static struct arena mem; /* for the life of the process */
    idl = descriptors_index(&mem, pb_descriptor_set());
}

const struct descriptors *descriptors_idl(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, index_idl);
    return idl;
}

/* ---- asking ------------------------------------------------------------------------------------------------------ */

int descriptors_file(const struct descriptors *d, str name)
{
    for (size_t i = 0; i < d->files.n; i++)
        if (str_eq(d->files.p[i].name, name))
            return (int)i;
    return DESCRIPTORS_NONE;
}

static int find_symbol(const struct descriptors *d, str full_name)
{
    struct symbol key = {.name = full_name};
    const struct symbol *s = d->symbols.n ? bsearch(&key, d->symbols.p, d->symbols.n, sizeof(key), by_name) : NULL;
    return s ? s->file : DESCRIPTORS_NONE;
}

int descriptors_symbol(const struct descriptors *d, str full_name)
{
    int file = find_symbol(d, full_name);
    size_t dot = str_rfind_char(full_name, '.');
    /* Fields and values of enums are not listed: what holds them is. */
    return file == DESCRIPTORS_NONE && dot != SIZE_MAX ? find_symbol(d, str_head(full_name, dot)) : file;
}

int descriptors_extension(const struct descriptors *d, str extendee, int32_t number)
{
    for (size_t i = 0; i < d->extensions.n; i++)
        if (d->extensions.p[i].number == number && str_eq(d->extensions.p[i].extendee, extendee))
            return d->extensions.p[i].file;
    return DESCRIPTORS_NONE;
}

void descriptors_extensions(const struct descriptors *d, str extendee, void (*fn)(void *arg, int32_t number), void *arg)
{
    for (size_t i = 0; i < d->extensions.n; i++)
        if (str_eq(d->extensions.p[i].extendee, extendee))
            fn(arg, d->extensions.p[i].number);
}

void descriptors_closure(const struct descriptors *d, int file, struct arena *mem, str **files, size_t *n)
{
    bool *seen = arena_new_array(mem, bool, d->files.n);
    int *queue = arena_new_array(mem, int, d->files.n);
    size_t have = 0;
    queue[have++] = file;
    seen[file] = true;
    *files = arena_new_array(mem, str, d->files.n);
    for (size_t i = 0; i < have; i++) {
        str rest = d->files.p[queue[i]].bytes;
        struct field f;
        (*files)[i] = rest;
        while (next_field(&rest, &f)) {
            int import = f.number == FILE_IMPORT ? descriptors_file(d, f.bytes) : DESCRIPTORS_NONE;
            if (import == DESCRIPTORS_NONE || seen[import])
                continue;
            seen[import] = true;
            queue[have++] = import;
        }
    }
    *n = have;
}
