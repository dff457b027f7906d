/* Time of rows. See clock.h. Pure but for engine_clock_read(). */
#include "engine/clock.h"

#include "base/time.h"

void engine_clock_read(struct engine_clock *c, uint64_t boot)
{
    *c = (struct engine_clock){.wall_ns = time_wall_ns(), .up_ns = time_now_ns(), .boot = boot};
}

int64_t engine_clock_of(const struct engine_clock *c, const struct store_action *a)
{
    if (a->boot == c->boot && a->boot && c->up_ns >= a->updated_up_ns)
        return a->updated_ns + (c->up_ns - a->updated_up_ns);
    return c->wall_ns > a->updated_ns ? c->wall_ns : a->updated_ns;
}

void engine_clock_stamp(const struct engine_clock *c, struct store_action *a)
{
    a->updated_up_ns = c->up_ns;
    a->boot = c->boot;
}
