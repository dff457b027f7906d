/* Copies of a database that is in use. */
#ifndef STORE_BACKUP_H
#define STORE_BACKUP_H

#include "base/ctx.h"

/* Writes the state of one moment to path: readers and writers go on meanwhile. The file appears whole and synced, or
 * not at all; an existing one is replaced. Also from another process. Errors: NOT_FOUND (no database),
 * RESOURCE_EXHAUSTED (disk full), UNAVAILABLE, FAILED_PRECONDITION (in-memory database). */
must_check_ enum code store_backup(struct ctx *cx, str url, str path);

#endif
