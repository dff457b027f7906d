/* common.ListRequest: filters, sorting and paging, as a store_page.
 *
 * A service says which fields its clients may name (a const table), which scope it adds, and its default order. Tokens
 * are decimal offsets; of a list with a cursor the last id, so that pages neither repeat nor lose entries while others are
 * added or removed. Errors are INVALID_ARGUMENT and name the field. */
#ifndef SERVICE_LIST_H
#define SERVICE_LIST_H

#include "base/buf.h"
#include "gen/flyteidl2_common.h"
#include "store/page.h"

#define SERVICE_LIST_DEFAULT 50
#define SERVICE_LIST_MAX 1000

enum service_list_kind {
    SERVICE_LIST_TEXT,
    SERVICE_LIST_INT,
    SERVICE_LIST_TIME, /* nanoseconds in the database; RFC 3339 in filters */
    SERVICE_LIST_ENUM, /* numbers in the database; a number or a name of enum_name in filters */
    SERVICE_LIST_BOOL,
};

struct service_list_field {
    const char *name;
    const char *column; /* an SQL expression over the aliases of the list function */
    enum service_list_kind kind;
    const char *enum_name; /* full name in the IDL */
};

/* Filters by pairs: "labels.<key>". query: "SELECT 1 FROM run_label x WHERE x.run_id = r.id" and so on. */
struct service_list_pairs {
    const char *prefix; /* "labels." */
    const char *query;
};

struct service_list_spec {
    const struct service_list_field *fields;
    size_t field_count;
    const char *default_order; /* SQL */
    const char *tie_break;     /* SQL, appended to the client's order */
    const struct service_list_pairs *pairs;
    size_t pair_count;
    /* A column of ids in order of creation, instead of both orders: newest first, and clients may sort by created_at only. */
    const char *cursor;
};

#define SERVICE_LIST_ARGS_MAX 200

struct service_list {
    buf where;
    struct db_value *args;
    size_t arg_count;
    struct store_page page; /* complete after service_list_done() */
    size_t limit;           /* what the client asked for; page.limit is one more */
    str after;              /* with a cursor: the condition on it, "" on the first page; the list's own to use */
};

void service_list_init(struct ctx *cx, struct service_list *l);
/* ANDs a condition; each "?" in sql stands for the next of the values. */
must_check_ enum code service_list_and(struct ctx *cx, struct service_list *l, const char *sql,
                                       const struct db_value *values, size_t n);
/* ANDs the client's filters and takes order, limit and offset. req may be NULL. */
must_check_ enum code service_list_request(struct ctx *cx, struct service_list *l, const struct service_list_spec *spec,
                                           const CommonListRequest *req);
must_check_ enum code service_list_filter(struct ctx *cx, struct service_list *l, const struct service_list_spec *spec,
                                          const CommonFilter *f);
/* Fills l->page. */
must_check_ enum code service_list_done(struct ctx *cx, struct service_list *l);
/* Cuts *n to the limit; the token of the next page, or "" when this is the last. */
str service_list_token(struct ctx *cx, const struct service_list *l, size_t *n);
/* The same with a cursor: true when there are more pages, whose token is the last row's id: service_list_token_of(). */
bool service_list_cut(const struct service_list *l, size_t *n);
str service_list_token_of(struct ctx *cx, uint64_t id);
/* ANDs the condition on the cursor. */
must_check_ enum code service_list_and_cursor(struct ctx *cx, struct service_list *l);

#endif
