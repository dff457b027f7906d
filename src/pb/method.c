/* Finding RPCs by their path. Const data, any thread. */
#include "pb/table.h"

static const struct pb_method *find(const struct pb_registry *r, str path)
{
    size_t lo = 0, hi = r->method_count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int order = str_cmp(path, str_from(r->methods[mid].path));
        if (order == 0)
            return &r->methods[mid];
        if (order < 0)
            hi = mid;
        else
            lo = mid + 1;
    }
    return NULL;
}

const struct pb_method *pb_method_find(str path)
{
    const struct pb_method *m = find(&pb_registry_main, path);
    return m || !&pb_registry_extra ? m : find(&pb_registry_extra, path);
}
