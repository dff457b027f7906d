/* Rows and columns: a table file lists its columns once, as COLUMNS(X) with X(number, column, kind), and takes its
 * SELECT, INSERT, UPDATE and decoding from that list. The struct's fields are named like the columns.
 *
 * Kinds: I integer; N integer, 0 is NULL; S text; T text, "" is NULL; B blob, empty is NULL. */
#ifndef STORE_ROW_INT_H
#define STORE_ROW_INT_H

#include "store/db.h"

#define ROW_NAME(n, col, kind) #col ","
#define ROW_NAME_OF(alias, col) alias "." #col ","
#define ROW_PLACE(n, col, kind) "$" #n ","
#define ROW_SET(n, col, kind) #col "=$" #n ","

#define ROW_READ_I(field, v) (field) = (__typeof__(field))(v).i
#define ROW_READ_N(field, v) (field) = (__typeof__(field))(v).i
#define ROW_READ_S(field, v) (field) = (v).s
#define ROW_READ_T(field, v) (field) = (v).s
#define ROW_READ_B(field, v) (field) = (v).s

#define ROW_ARG_I(x) DB_I(x)
#define ROW_ARG_N(x) ((x) ? DB_I(x) : DB_N)
#define ROW_ARG_S(x) DB_S(x)
#define ROW_ARG_T(x) DB_S_OR_NULL(x)
#define ROW_ARG_B(x) ((x).n ? DB_B(x) : DB_N)

/* A row decoded from a select that begins with these columns: `row` and `v` are in scope. */
#define ROW_READ(n, col, kind) ROW_READ_##kind(row->col, v[(n)-1]);
#define ROW_ARG(n, col, kind) ROW_ARG_##kind(row->col),

/* Texts of a row that was copied from elsewhere, copied too: `row` and `mem` are in scope. */
#define ROW_KEEP_I(field)
#define ROW_KEEP_N(field)
#define ROW_KEEP_S(field) row_keep(mem, &(field));
#define ROW_KEEP_T(field) row_keep(mem, &(field));
#define ROW_KEEP_B(field) row_keep(mem, &(field));
#define ROW_KEEP(n, col, kind) ROW_KEEP_##kind(row->col)

static inline void row_keep(struct arena *mem, str *s)
{
    if (s->n)
        *s = arena_str(mem, *s);
}

#endif
