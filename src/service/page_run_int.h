/* The page of one run, /v2/domain/D/project/P/runs/R, and its parts. Private to service/. */
#ifndef SERVICE_PAGE_RUN_INT_H
#define SERVICE_PAGE_RUN_INT_H

#include "base/buf.h"
#include "rpc/page.h"
#include "store/attempt.h"
#include "store/event.h"
#include "store/run.h"

/* What a request of the page asked for, and what was found; everything in cx->mem. */
struct page_run {
    str domain, project, name;
    str action;       /* empty = a0 */
    uint32_t attempt; /* 0 = the last */
    struct store_run *run;
    struct store_action *actions; /* in order of creation; the first is the root */
    size_t n;
    struct store_action *shown; /* NULL = there is no action of that name */
    struct store_attempt *attempts;
    size_t attempt_count;
    const struct store_attempt *shown_attempt; /* NULL = there is none of that number */
    struct store_event *events;                /* of the shown action and attempt, newest first */
    size_t event_count;
    int64_t now_ns; /* wall clock: the end of what has not ended */
};

/* Appends the path of the run's page. */
void service_page_run_url(buf *b, const struct store_run *run);
/* Work lane: it reads log files. */
rpc_page_fn service_page_run;

/* page_tree.c: the actions as a table, children below their parent, with a bar of time each. */
void page_tree_put(struct ctx *cx, buf *b, const struct page_run *p);
/* page_action.c: the shown action: error, attempts, events, report, log. */
void page_action_put(struct ctx *cx, buf *b, const struct page_run *p);

#endif
