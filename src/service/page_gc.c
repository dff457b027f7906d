/* POST /admin/gc[?dry_run=true]: a sweep now (engine/retention.h), told as a table. For `tern gc`. Work lane. */
#include "service/page_gc_int.h"

#include "app.h"
#include "base/buf.h"
#include "engine/retention.h"
#include "service/audit.h"

static void put_size(buf *b, int64_t bytes)
{
    static const char *const units[] = {"B  ", "KiB", "MiB", "GiB", "TiB"};
    double n = (double)bytes;
    size_t unit = 0;
    for (; n >= 1024 && unit + 1 < sizeof(units) / sizeof(*units); unit++)
        n /= 1024;
    buf_printf(b, "%9.*f %s", unit ? 1 : 0, n, units[unit]);
}

enum code service_page_gc(struct ctx *cx, const struct rpc_page_request *req, struct rpc_page_response *rsp)
{
    bool dry = str_eq(req->query, STR("dry_run=true"));
    struct engine_retention_row rows[ENGINE_RETENTION_KINDS];
    struct engine_retention_row total = {0};
    buf b;
    if (!str_eq(req->method, STR("POST")) || (req->query.n && !dry))
        return fail(cx, CODE_INVALID_ARGUMENT, "POST /admin/gc or /admin/gc?dry_run=true");
    TRY(engine_retention_sweep(cx, cx->app->engine, dry, rows));
    if (!dry)
        TRY(audit_other(cx, STR("tern gc"), STR("")));
    buf_init_arena(&b, cx->mem, 8192);
    buf_printf(&b, "%-14s %9s %13s   %s\n", dry ? "would remove" : "removed", "count", "size    ", "setting");
    for (size_t i = 0; i < ENGINE_RETENTION_KINDS; i++) {
        buf_printf(&b, "%-14s %9llu ", rows[i].what, (unsigned long long)rows[i].count);
        put_size(&b, rows[i].bytes);
        buf_printf(&b, "   %s%s\n", rows[i].setting, rows[i].keep_ns ? "" : " (off)");
        total.count += rows[i].count;
        total.bytes += rows[i].bytes;
    }
    buf_printf(&b, "%-14s %9llu ", "together", (unsigned long long)total.count);
    put_size(&b, total.bytes);
    buf_str(&b, STR("\n"));
    rsp->body = buf_view(&b);
    return CODE_OK;
}
