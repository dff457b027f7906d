/* What the fuzzers of messages share: a bounded arena, the choice of a type, checks that end the process. */
#ifndef FUZZ_H
#define FUZZ_H

#include "base/ctx.h"
#include "pb/table.h"

#include <stdio.h>
#include <stdlib.h>

/* Large inputs cost time, not findings. */
#define FUZZ_MEMORY_MAX ((size_t)64 << 20)

struct fuzz {
    struct arena mem;
    struct ctx cx;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void fuzz_init(struct fuzz *f)
{
    arena_init(&f->mem, FUZZ_MEMORY_MAX);
    ctx_init(&f->cx, &f->mem);
}

static inline void fuzz_done(struct fuzz *f)
{
    arena_done(&f->mem);
}

/* Takes two bytes off the input; NULL when it has none. */
static inline const struct pb_type *fuzz_type(const uint8_t **data, size_t *size)
{
    if (*size < 2)
        return NULL;
    size_t i = ((size_t)((*data)[0] & 127) << 8 | (*data)[1]) % pb_registry_main.type_count;
    *data += 2;
    *size -= 2;
    return pb_registry_main.types[i];
}

#define fuzz_check(condition)                                                                                          \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #condition, f.cx.err.msg);                          \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

#define fuzz_ignore(expr)                                                                                              \
    do {                                                                                                               \
        if ((expr) != CODE_OK)                                                                                         \
            ctx_clear_err(&f.cx);                                                                                      \
    } while (0)

#endif
