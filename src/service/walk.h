/* Pages of large lists. Rows come from ordered sets of the store (store/walk.h), a piece at a time, and are kept where the
 * filters hold, so that a page costs what it shows and not what there is.
 *
 * Where the list's order is that of the sets, a page is what comes next. Otherwise up to WINDOW rows at a time, the first
 * of the sets, are sorted: the order is exact within such a window, and for lists that fit into one. After WINDOW rows or
 * 250 ms a page ends with what was found, maybe nothing, and a token to go on. Later pages of a window read it again, up to
 * 2 * WINDOW rows, should so many have come meanwhile. */
#ifndef SERVICE_WALK_H
#define SERVICE_WALK_H

#include "service/list.h"
#include "store/walk.h"

#define SERVICE_WALK_SETS_MAX 64
#define SERVICE_WALK_GROUPS_MAX 16

/* Sets that are merged. */
struct service_walk_group {
    struct store_walk *sets;
    size_t n;
};

struct service_walk {
    struct service_walk_group groups[SERVICE_WALK_GROUPS_MAX]; /* one after the other */
    size_t group_count;
    struct store_walk_range range; /* of each group */
    bool ordered;                  /* the list's order is that of the groups; otherwise there is one group */
    bool exact;                    /* every row of the sets is one of the list */
    const char *id;                /* SQL, "r.id" */
    /* Of the rows that page selects: the id that the list gives, then its keys. */
    enum code (*filter)(struct ctx *cx, const struct store_page *page, struct db_rows *out);
};

/* How the pages of this list go, when one was given already: the next has to go the same way. */
enum service_walk_way { SERVICE_WALK_NEW, SERVICE_WALK_IN_ORDER, SERVICE_WALK_SORTED };
must_check_ enum code service_walk_begun(struct ctx *cx, const struct service_list *l, enum service_walk_way *out);
/* Rows that the filters select: the id and the page's keys. They are in cx->mem, and gone when fn returns. */
typedef enum code service_walk_fn(struct ctx *cx, const struct db_rows *rows, void *arg);
/* Tells all rows that the filters select, as far as one page looks: a piece of the first group's sets after the other, in
 * any order within a piece; l is done, and no page was read. */
must_check_ enum code service_walk_each(struct ctx *cx, struct service_list *l, struct service_walk *w,
                                        service_walk_fn *fn, void *arg);
/* How many rows the filters select, as far as one page looks, in any order; l is done, and no page was read. */
must_check_ enum code service_walk_count(struct ctx *cx, struct service_list *l, struct service_walk *w, size_t *out);
/* The ids of one page, in order; l is done. */
must_check_ enum code service_walk_page(struct ctx *cx, struct service_list *l, struct service_walk *w, uint64_t **ids,
                                        size_t *n, str *token);

#endif
