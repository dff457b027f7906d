/* Files carried inside the binary (tools/embed.py): migrations, scripts, pages. */
#ifndef BASE_EMBED_H
#define BASE_EMBED_H

#include "base/str.h"

struct embed_file {
    const char *name; /* path below src/: "store/migrations/0001_first.sql" */
    const char *data; /* followed by a NUL */
    size_t size;
};

/* Ends with a NULL name; those from src/ are sorted by name. */
extern const struct embed_file embed_files[];

/* Empty (p = NULL) when there is none. */
str embed_find(str name);

#endif
