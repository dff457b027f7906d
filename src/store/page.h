/* A page of a list: SQL that a service put together from its allow-list of fields. Nothing that came from a client may
 * stand in `where` or `order`: values go into args, as $1, $2, ... in order. */
#ifndef STORE_PAGE_H
#define STORE_PAGE_H

#include "store/db.h"

struct store_page {
    str where; /* condition over the aliases that the list function names; "" = all */
    const struct db_value *args;
    size_t arg_count;
    str after; /* condition besides: what comes after the pages before; its values are among the args */
    str order; /* "r.created_ns DESC, r.id DESC"; "" = unordered */
    size_t limit;
    size_t offset;
    str keys;             /* what the order goes by, "r.created_ns, r.id": read besides; "" = nothing */
    struct db_rows *read; /* not NULL: gets the rows as well, of which the keys are the last columns */
};

/* Runs `select` with `from` (FROM and JOINs) and the page's conditions. */
must_check_ enum code store_page_query(struct ctx *cx, str select, str from, const struct store_page *page,
                                       struct db_rows *out);
/* How many rows the conditions select. `from` begins with FROM. */
must_check_ enum code store_page_count(struct ctx *cx, str from, const struct store_page *page, size_t *out);

#endif
