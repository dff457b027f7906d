/* Look-up of embedded files. Any thread. */
#include "base/embed.h"

str embed_find(str name)
{
    for (const struct embed_file *f = embed_files; f->name; f++)
        if (str_eq(str_from(f->name), name))
            return str_make(f->data, f->size);
    return STR_NONE;
}
