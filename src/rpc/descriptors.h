/* An index of a FileDescriptorSet, read with a few lines of wire format: which file has what. For reflection. */
#ifndef RPC_DESCRIPTORS_H
#define RPC_DESCRIPTORS_H

#include "base/arena.h"

#include <stdint.h>

struct descriptors;

/* The file's index; -1 = none. */
#define DESCRIPTORS_NONE (-1)

/* Of the IDL that is built in: made at the first call, then shared by all threads for the life of the process. NULL
 * when the set is malformed, which a test excludes. */
const struct descriptors *descriptors_idl(void);
/* Of any set; lives in mem and borrows set. */
const struct descriptors *descriptors_index(struct arena *mem, str set);

int descriptors_file(const struct descriptors *d, str name);
/* The file that declares a message, enum, service or method, or what such a thing contains. */
int descriptors_symbol(const struct descriptors *d, str full_name);
int descriptors_extension(const struct descriptors *d, str extendee, int32_t number);
/* Calls fn with the number of each extension of that message. */
void descriptors_extensions(const struct descriptors *d, str extendee, void (*fn)(void *arg, int32_t number),
                            void *arg);
/* The serialized FileDescriptorProto, and the files it imports, directly or through others, it first; *files is in mem.
 */
void descriptors_closure(const struct descriptors *d, int file, struct arena *mem, str **files, size_t *n);

#endif
