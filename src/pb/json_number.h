/* Numbers as JSON text. Nothing here ends in NUL; each returns how many bytes it wrote. */
#ifndef PB_JSON_NUMBER_H
#define PB_JSON_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Room that any number needs. */
#define PB_JSON_NUMBER_MAX 32

size_t pb_json_number_u64(char *to, uint64_t v);
size_t pb_json_number_i64(char *to, int64_t v);
/* v is finite; single: it came from a float, so that 0.1f is written 0.1. */
size_t pb_json_number_real(char to[PB_JSON_NUMBER_MAX], double v, bool single);

#endif
