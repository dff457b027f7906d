/* Named places where a test may end, stop or fail the process. Compiled in only with -DTERN_FAULTS (make MODE=fault).
 *
 *     fault_point("lane.before_commit");                      a moment
 *     if (fault_point("object.put")) return fail(...);        a call that may fail
 *
 * TERN_FAULT="name[@other][:n]=kill|stop|fail", several separated by commas: at the n-th pass (1 when absent; with
 * "@other": of those after the first pass of that point) the process kills itself (SIGKILL), stops itself (SIGSTOP), or
 * fault_point() returns true, from then on at every pass with ":n+". */
#ifndef BASE_FAULT_H
#define BASE_FAULT_H

#include <stdbool.h>

#ifdef TERN_FAULTS
/* Any thread. */
bool fault_point(const char *name);
#else
static inline bool fault_point(const char *name)
{
    (void)name;
    return false;
}
#endif

#endif
