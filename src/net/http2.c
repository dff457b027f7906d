/* HTTP/2 connections. Not there yet: they are closed. */
#include "net/http2_int.h"

#include "net/conn_int.h"

void http2_start(struct conn *c, str in)
{
    (void)in;
    conn_break(c);
}
