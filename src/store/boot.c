/* Boots. See boot.h. */
#include "store/boot.h"

#include "base/time.h"
#include "store/db.h"

enum code store_boot_put(struct ctx *cx, uint64_t *out)
{
    struct db_rows rows;
    str uuid = time_boot_id();
    TRY(db_query(cx, "SELECT id FROM boot WHERE uuid=$1", DB_ARGS(DB_S(uuid)), &rows));
    if (!rows.n)
        TRY(db_query(cx, "INSERT INTO boot (uuid) VALUES ($1) RETURNING id", DB_ARGS(DB_S(uuid)), &rows));
    *out = (uint64_t)db_row(&rows, 0)[0].i;
    return CODE_OK;
}
