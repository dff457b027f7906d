/* Boots. See boot.h. */
#include "store/boot.h"

#include "base/time.h"
#include "store/db.h"

enum code store_boot_put(struct ctx *cx, uint64_t *out)
{
    struct db_rows rows;
    TRY(db_query(cx,
                 "INSERT INTO boot (uuid) VALUES ($1) ON CONFLICT (uuid) DO UPDATE SET uuid=excluded.uuid"
                 " RETURNING id",
                 DB_ARGS(DB_S(time_boot_id())), &rows));
    *out = (uint64_t)db_row(&rows, 0)[0].i;
    return CODE_OK;
}
