/* common.ListRequest: filters, sorting and paging, as a store_page.
 *
 * A service says which fields its clients may name (a const table), which scope it adds, and its default order. A page
 * goes on after the last row of the one before (service/token.h), so that what is inserted or deleted meanwhile moves
 * nothing; decimal offsets are taken too. Errors are INVALID_ARGUMENT and name the field. */
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
    const char *default_order; /* "k.created_ns DESC, k.id DESC": never NULL, the last one unique */
    /* A unique column, appended to the client's order in the direction of its last field. NULL: no order but the default. */
    const char *tie_break;
    /* Instead of both, a column of ids in order of creation: newest first, and clients may sort by created_at only. */
    const char *by_id;
    const struct service_list_pairs *pairs;
    size_t pair_count;
    /* The column that an index sorts by, never NULL. Others are sorted by with 0 or "" for NULL. */
    const char *indexed;
    bool walked; /* pages are read by service/walk.h, which reads the tokens */
};

#define SERVICE_LIST_TERMS_MAX 9

struct service_list_term {
    str sql;
    bool descending;
};

#define SERVICE_LIST_ARGS_MAX 200

struct service_list {
    buf where;
    struct db_value *args;
    size_t arg_count;
    struct store_page page;                                 /* complete after service_list_done() */
    size_t limit;                                           /* what the client asked for; page.limit is one more */
    struct service_list_term order[SERVICE_LIST_TERMS_MAX]; /* the last one is unique */
    size_t order_count;
    bool walked;       /* as the spec says */
    str token;         /* as sent, unless it was an offset */
    uint64_t question; /* scope, filters and order as a number, to which tokens belong; set by service_list_done() */
    struct db_rows read;
};

void service_list_init(struct ctx *cx, struct service_list *l);
/* ANDs a condition; each "?" in sql stands for the next of the values. */
must_check_ enum code service_list_and(struct ctx *cx, struct service_list *l, const char *sql,
                                       const struct db_value *values, size_t n);
/* Where the page begins: a token, which service_list_done() reads, or a decimal offset. */
void service_list_from(struct service_list *l, str token);
/* ANDs the client's filters and takes order, limit and token. req may be NULL. */
must_check_ enum code service_list_request(struct ctx *cx, struct service_list *l, const struct service_list_spec *spec,
                                           const CommonListRequest *req);
/* The field of that name, or NULL. */
const struct service_list_field *service_list_find(const struct service_list_spec *spec, str name);
/* The values of a filter as the field's kind wants them; out has room for f->values.n. */
must_check_ enum code service_list_values(struct ctx *cx, const struct service_list_field *field, const CommonFilter *f,
                                          struct db_value *out, size_t *n);
must_check_ enum code service_list_filter(struct ctx *cx, struct service_list *l, const struct service_list_spec *spec,
                                          const CommonFilter *f);
/* Makes the pages go on after a row of which these are the values of l->order. */
must_check_ enum code service_list_after(struct ctx *cx, struct service_list *l, const struct db_value *values);
/* Fills l->page. */
must_check_ enum code service_list_done(struct ctx *cx, struct service_list *l);
/* Cuts *n to the limit; the token of the next page, or "" when this is the last. */
str service_list_token(struct ctx *cx, const struct service_list *l, size_t *n);

#endif
