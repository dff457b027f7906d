/* The tree of a run's actions. See page_run_int.h. The bars are SVG whose numbers are attributes: the page's
 * Content-Security-Policy allows no style in the text. */
#include "service/page_run_int.h"

#include "base/time.h"
#include "service/html_int.h"

#define DEPTH_MAX 12
#define ERROR_BYTES 160

static int64_t end_of(const struct page_run *p, const struct store_action *a)
{
    return a->ended_ns ? a->ended_ns : p->now_ns;
}

/* When the action was open, on a line as long as the run. */
static void time_bar(buf *b, const struct page_run *p, const struct store_action *a)
{
    int64_t from = p->actions[0].created_ns, whole = end_of(p, &p->actions[0]) - from;
    double unit = 100.0 / (double)(whole > 0 ? whole : 1);
    double x = (double)(a->created_ns - from) * unit, width = (double)(end_of(p, a) - a->created_ns) * unit;
    x = x < 0 ? 0 : x > 99 ? 99 : x;
    width = width < 1 ? 1 : width > 100 - x ? 100 - x : width;
    buf_printf(
        b,
        "<svg class=\"bar p%d\" aria-hidden=\"true\"><rect x=\"%.1f%%\" width=\"%.1f%%\" height=\"8\" rx=\"2\"/></svg>",
        (int)a->phase, x, width);
}

/* The first line of the error, cut where it gets long. */
static void short_error(buf *b, const struct store_action *a)
{
    size_t line = str_find_char(a->error, '\n');
    str text = str_trim(str_head_utf8(a->error, line < ERROR_BYTES ? line : ERROR_BYTES));
    if (!text.n)
        return;
    buf_str(b, STR("<div class=\"why\">"));
    html_text(b, text);
    buf_str(b, text.n < a->error.n ? STR("&hellip;</div>") : STR("</div>"));
}

static void name_cell(buf *b, const struct page_run *p, const struct store_action *a)
{
    buf_printf(b, "<tr%s><td class=\"name d%u\"><a href=\"?action=", a == p->shown ? " class=\"shown\"" : "",
               a->depth < DEPTH_MAX ? a->depth : DEPTH_MAX);
    html_url(b, a->name);
    buf_str(b, STR("#action\">"));
    html_text(b, a->function_name.n ? a->function_name : a->name);
    buf_str(b, STR("</a> <small>"));
    html_text(b, a->name);
    buf_str(b, STR("</small>"));
    if (a->group_name.n) {
        buf_str(b, STR(" <span class=\"group\">"));
        html_text(b, a->group_name);
        buf_str(b, STR("</span>"));
    }
    short_error(b, a);
    buf_str(b, STR("</td><td>"));
}

static void action_row(buf *b, const struct page_run *p, const struct store_action *a)
{
    name_cell(b, p, a);
    html_phase(b, a->phase);
    buf_str(b, STR("</td><td class=\"num\">"));
    if (a->attempt > 1)
        buf_printf(b, "%u attempts", a->attempt);
    buf_str(b, STR("</td><td class=\"num\">"));
    html_clock(b, a->created_ns);
    buf_str(b, STR("</td><td class=\"num\">"));
    html_duration(b, end_of(p, a) - a->created_ns);
    buf_str(b, STR("</td><td class=\"time\">"));
    time_bar(b, p, a);
    buf_str(b, STR("</td></tr>"));
}

/* Children follow their parent: first[i] is the first child of action i, next[i] its next sibling; SIZE_MAX ends. */
static void rows(struct ctx *cx, buf *b, const struct page_run *p)
{
    size_t *first = arena_new_array(cx->mem, size_t, p->n), *last = arena_new_array(cx->mem, size_t, p->n);
    size_t *next = arena_new_array(cx->mem, size_t, p->n), *stack = arena_new_array(cx->mem, size_t, p->n + 1);
    size_t depth = 0;
    for (size_t i = 0; i < p->n; i++) {
        first[i] = next[i] = SIZE_MAX;
        uint64_t at = p->actions[i].parent_id - p->actions[0].id; /* ordinals are places, unless rows were deleted */
        if (i == 0 || at >= i || p->actions[at].id != p->actions[i].parent_id)
            continue;
        if (first[at] == SIZE_MAX)
            first[at] = i;
        else
            next[last[at]] = i;
        last[at] = i;
    }
    if (p->n)
        stack[depth++] = 0;
    while (depth) {
        size_t i = stack[--depth];
        action_row(b, p, &p->actions[i]);
        if (next[i] != SIZE_MAX)
            stack[depth++] = next[i];
        if (first[i] != SIZE_MAX)
            stack[depth++] = first[i];
    }
}

void page_tree_put(struct ctx *cx, buf *b, const struct page_run *p)
{
    buf_str(
        b,
        STR("<div class=\"card\"><table class=\"tree\"><thead><tr><th>Action</th><th>Phase</th><th></th>"
            "<th class=\"num\">Started</th><th class=\"num\">Took</th><th class=\"time\"></th></tr></thead><tbody>"));
    rows(cx, b, p);
    buf_str(b, STR("</tbody></table></div>"));
}
