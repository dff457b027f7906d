/* The columns of an action for statements that join it: aliases a, p, s, t as in action.h. */
#ifndef STORE_ACTION_INT_H
#define STORE_ACTION_INT_H

#include "store/action.h"

/* Columns that change; numbered as in the UPDATE. */
#define STORE_ACTION_CHANGING(X)                                                                                       \
    X(1, phase, I)                                                                                                     \
    X(2, attempt, I)                                                                                                   \
    X(3, user_failures, I)                                                                                             \
    X(4, system_failures, I)                                                                                           \
    X(5, queued_ns, I)                                                                                                 \
    X(6, started_ns, N)                                                                                                \
    X(7, ended_ns, N)                                                                                                  \
    X(8, updated_ns, I)                                                                                                \
    X(9, updated_up_ns, I)                                                                                             \
    X(10, boot, I)                                                                                                     \
    X(11, cache_status, I)                                                                                             \
    X(12, recovered_id, N)                                                                                             \
    X(13, abort_ns, N)                                                                                                 \
    X(14, abort_by, N)                                                                                                 \
    X(15, error_kind, I)                                                                                               \
    X(16, recoverable, I)                                                                                              \
    X(17, output_uri, T)                                                                                               \
    X(18, abort_reason, T)                                                                                             \
    X(19, error_code, T)                                                                                               \
    X(20, error, T)                                                                                                    \
    X(21, value, B)                                                                                                    \
    X(22, value_by, N)

/* Columns that never change, after the others. */
#define STORE_ACTION_FIXED(X)                                                                                          \
    X(23, run_id, I)                                                                                                   \
    X(24, parent_id, N)                                                                                                \
    X(25, type, I)                                                                                                     \
    X(26, depth, I)                                                                                                    \
    X(27, spec_id, I)                                                                                                  \
    X(28, created_ns, I)                                                                                               \
    X(29, external, I)                                                                                                 \
    X(30, name, S)                                                                                                     \
    X(31, group_name, T)                                                                                               \
    X(32, queue, T)                                                                                                    \
    X(33, input_uri, T)                                                                                                \
    X(34, cache_key, B)                                                                                                \
    X(35, cache_text, T)

#define STORE_ACTION_NAME_(n, col, kind) "a." #col ","
#define STORE_ACTION_SELECTED                                                                                          \
    STORE_ACTION_CHANGING(STORE_ACTION_NAME_)                                                                          \
    STORE_ACTION_FIXED(STORE_ACTION_NAME_)                                                                             \
    "a.id,a.seq,p.name,s.kind,t.project,t.domain,s.version,s.name,s.short_name,s.task_type,s.environment"

#define STORE_ACTION_FROM                                                                                              \
    " FROM action a LEFT JOIN action p ON p.id=a.parent_id LEFT JOIN spec s ON s.id=a.spec_id"                         \
    " LEFT JOIN task_name t ON t.id=s.task_name_id "

/* v begins with STORE_ACTION_SELECTED. */
void store_action_decode_(const struct db_value *v, struct store_action *row);

#endif
