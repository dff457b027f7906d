/* Prepared statements of a connection, kept by the address of their SQL. */
#ifndef STORE_SQLITE_STMT_INT_H
#define STORE_SQLITE_STMT_INT_H

#include "store/sqlite_int.h"

/* The kept statement of a literal without parameters; the caller steps and resets it. */
must_check_ enum code store_sqlite_stmt_get(struct ctx *cx, const char *sql, sqlite3_stmt **out);
void store_sqlite_stmt_drop_all(struct db *db);

#endif
