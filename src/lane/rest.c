/* When the writer rests: docs/decisions/0007. A pure function of the times it is told. See lane_int.h. */
#include "lane/lane_int.h"

#include "base/time.h"

/* So many commits within so long, of so few entries, are worth grouping: below, resting would only make people wait. */
#define WINDOW_NS (100 * NS_PER_MS)
#define WINDOW_COMMITS 32
#define ENTRIES_FEW 8
/* From one commit to the next batch. */
#define REST_NS (20 * NS_PER_MS)
/* Rests in a row in which nobody came, and for how long there are none then. */
#define STRIKES 3
#define OFF_NS (1 * NS_PER_S)

void lane_rest_commit(struct rest *r, int64_t now_ns, size_t entries)
{
    if (now_ns - r->window_ns >= WINDOW_NS) {
        r->window_ns = now_ns;
        r->commits = r->entries = 0;
    }
    r->commits++;
    r->entries += entries;
    r->last_ns = now_ns;
    if (r->commits >= WINDOW_COMMITS && r->entries <= r->commits * ENTRIES_FEW && now_ns >= r->off_until_ns)
        r->on = true;
}

int64_t lane_rest_until(struct rest *r, int64_t now_ns)
{
    if (!r->on)
        return 0;
    if (now_ns - r->last_ns < REST_NS)
        return r->last_ns + REST_NS;
    *r = (struct rest){.off_until_ns = r->off_until_ns}; /* they no longer come in masses */
    return 0;
}

void lane_rest_ended(struct rest *r, int64_t now_ns, bool alone)
{
    r->strikes = alone ? r->strikes + 1 : 0;
    if (r->strikes < STRIKES)
        return;
    *r = (struct rest){.off_until_ns = now_ns + OFF_NS};
}
