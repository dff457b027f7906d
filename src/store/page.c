/* Lists with conditions: puts the statement together. Any lane with a database connection. */
#include "store/page.h"

#include "base/buf.h"

#define SQL_MAX ((size_t)64 * 1024)

static void add_where(buf *b, const struct store_page *page)
{
    if (page->where.n) {
        buf_str(b, STR(" WHERE "));
        buf_str(b, page->where);
    }
}

enum code store_page_query(struct ctx *cx, str select, const struct store_page *page, struct db_rows *out)
{
    buf b;
    buf_init_arena(&b, cx->mem, SQL_MAX);
    buf_str(&b, select);
    add_where(&b, page);
    if (page->order.n) {
        buf_str(&b, STR(" ORDER BY "));
        buf_str(&b, page->order);
    }
    buf_str(&b, STR(" LIMIT "));
    buf_u64(&b, page->limit);
    if (page->offset) {
        buf_str(&b, STR(" OFFSET "));
        buf_u64(&b, page->offset);
    }
    if (b.failed)
        return fail(cx, CODE_INVALID_ARGUMENT, "the filter is too long");
    return db_query_dynamic(cx, buf_view(&b), page->args, page->arg_count, out);
}

enum code store_page_count(struct ctx *cx, str from, const struct store_page *page, size_t *out)
{
    buf b;
    struct db_rows rows;
    buf_init_arena(&b, cx->mem, SQL_MAX);
    buf_str(&b, STR("SELECT count(*) "));
    buf_str(&b, from);
    add_where(&b, page);
    if (b.failed)
        return fail(cx, CODE_INVALID_ARGUMENT, "the filter is too long");
    TRY(db_query_dynamic(cx, buf_view(&b), page->args, page->arg_count, &rows));
    *out = (size_t)db_row(&rows, 0)[0].i;
    return CODE_OK;
}
