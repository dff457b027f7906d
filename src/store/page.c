/* Lists with conditions: puts the statement together. Any lane with a database connection. */
#include "store/page.h"

#include "base/buf.h"

#define SQL_MAX ((size_t)128 * 1024)

static void add_condition(buf *b, const char *word, str sql)
{
    if (sql.n)
        buf_printf(b, " %s (" STR_FMT ")", word, STR_ARG(sql));
}

enum code store_page_query(struct ctx *cx, str select, str from, const struct store_page *page, struct db_rows *out)
{
    buf b;
    buf_init_arena(&b, cx->mem, SQL_MAX);
    buf_str(&b, select);
    if (page->keys.n)
        buf_printf(&b, ", " STR_FMT, STR_ARG(page->keys));
    buf_str(&b, from);
    add_condition(&b, "WHERE", page->where);
    add_condition(&b, page->where.n ? "AND" : "WHERE", page->after);
    if (page->order.n)
        buf_printf(&b, " ORDER BY " STR_FMT, STR_ARG(page->order));
    buf_printf(&b, " LIMIT %zu", page->limit);
    if (page->offset)
        buf_printf(&b, " OFFSET %zu", page->offset);
    if (b.failed)
        return fail(cx, CODE_INVALID_ARGUMENT, "the filter is too long");
    TRY(db_query_dynamic(cx, buf_view(&b), page->args, page->arg_count, out));
    if (page->read)
        *page->read = *out;
    return CODE_OK;
}

enum code store_page_count(struct ctx *cx, str from, const struct store_page *page, size_t *out)
{
    buf b;
    struct db_rows rows;
    buf_init_arena(&b, cx->mem, SQL_MAX);
    buf_str(&b, STR("SELECT count(*) "));
    buf_str(&b, from);
    add_condition(&b, "WHERE", page->where);
    if (b.failed)
        return fail(cx, CODE_INVALID_ARGUMENT, "the filter is too long");
    TRY(db_query_dynamic(cx, buf_view(&b), page->args, page->arg_count, &rows));
    *out = (size_t)db_row(&rows, 0)[0].i;
    return CODE_OK;
}
