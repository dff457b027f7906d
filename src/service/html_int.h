/* Writing pages: everything that comes from users goes through html_text(). Private to service/. */
#ifndef SERVICE_HTML_INT_H
#define SERVICE_HTML_INT_H

#include "base/buf.h"
#include "base/ctx.h"
#include "rpc/page.h"

/* Escapes & < > " ' and drops control bytes other than tab and newline. */
void html_text(buf *b, str s);
/* The same of what was written for a terminal: its escape sequences are left out. */
void html_terminal(buf *b, str s);
/* Percent-encodes what a path segment or a query value cannot hold. */
void html_url(buf *b, str s);
/* "2026-01-31 12:00:00 UTC", or a dash for 0. */
void html_time(buf *b, int64_t ns);
/* "12:00:00" with the date as its tooltip. */
void html_clock(buf *b, int64_t ns);
/* "1.25 s", "3 min 20 s" */
void html_duration(buf *b, int64_t ns);
/* The coloured name of a phase, e.g. Succeeded. */
void html_phase(buf *b, int32_t phase);

/* The head of a page up to the opening of <main>; refresh_s = 0: never reloads itself. */
void html_begin(buf *b, str title, int refresh_s);
/* Ends the page and sets type, body and security headers. frame: an origin that may be framed, or ""; form: a form of the
 * page may be sent to this server. */
must_check_ enum code html_end(struct ctx *cx, buf *b, str frame, bool form, struct rpc_page_response *rsp);

#endif
