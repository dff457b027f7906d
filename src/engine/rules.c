/* See rules.h. */
#include "engine/rules.h"

#include "engine/engine_int.h"
#include "exec/exec.h"
#include "lane/lane.h"
#include "store/queue.h"

#define NAME_BYTES_MAX ((size_t)128)
#define LIMIT_MAX 1000000
#define PRIORITY_MAX 1000
#define WEIGHT_MAX 1000

/* ---- telling the executor ---------------------------------------------------------------------------------------- */

struct listing {
    struct store_queue *p;
    size_t n;
};

static enum code list(struct ctx *cx, void *arg)
{
    struct listing *l = arg;
    return store_queue_list(cx, &l->p, &l->n);
}

enum code engine_rules_tell(struct ctx *cx, struct app *app)
{
    struct listing l = {0};
    TRY(lane_read(cx, app->lanes, list, &l));
    struct exec_rule *rules = arena_new_array(cx->mem, struct exec_rule, l.n);
    for (size_t i = 0; i < l.n; i++)
        rules[i] = (struct exec_rule){.project = l.p[i].project,
                                      .name = l.p[i].name,
                                      .limit = l.p[i].max_working,
                                      .priority = l.p[i].priority,
                                      .weight = l.p[i].weight,
                                      .paused = l.p[i].paused};
    exec_set_rules(app->exec, rules, l.n);
    return CODE_OK;
}

/* ---- changes ----------------------------------------------------------------------------------------------------- */

enum verb { SET, PAUSE, RESUME, REMOVE };

/* What is not given stays. */
struct change {
    enum verb verb;
    bool project;
    str name;
    int64_t limit, priority, weight; /* of the members that `given` names */
    unsigned given;
};

static const struct {
    const char *name;
    size_t offset;
    int64_t min, max;
    bool of_queue, of_project;
} members[] = {
    {"limit", offsetof(struct change, limit), 0, LIMIT_MAX, true, true},
    {"priority", offsetof(struct change, priority), -PRIORITY_MAX, PRIORITY_MAX, true, false},
    {"weight", offsetof(struct change, weight), 1, WEIGHT_MAX, false, true},
};
#define MEMBERS (sizeof(members) / sizeof(*members))
enum { LIMIT = 1, PRIORITY = 2, WEIGHT = 4 }; /* bits by the order of members */

static enum code parse_verb(struct ctx *cx, str word, enum verb *out)
{
    static const char *const verbs[] = {"set", "pause", "resume", "remove"};
    for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++)
        if (str_eq(word, str_from(verbs[i]))) {
            *out = (enum verb)i;
            return CODE_OK;
        }
    return fail(cx, CODE_INVALID_ARGUMENT, "\"" STR_FMT "\": one of set, pause, resume, remove",
                STR_ARG(str_head(word, word.n < 64 ? word.n : 64)));
}

static enum code check_name(struct ctx *cx, str name)
{
    for (size_t i = 0; i < name.n; i++)
        if ((unsigned char)name.p[i] < ' ' || name.p[i] == 0x7f)
            return fail(cx, CODE_INVALID_ARGUMENT, "the name has a control character");
    if (!name.n || name.n > NAME_BYTES_MAX)
        return fail(cx, CODE_INVALID_ARGUMENT, "the name has to have 1 to %zu bytes", NAME_BYTES_MAX);
    return CODE_OK;
}

static enum code parse_member(struct ctx *cx, str word, struct change *c)
{
    size_t eq = str_find_char(word, '=');
    str key = str_head(word, eq == SIZE_MAX ? word.n : eq);
    for (size_t i = 0; i < MEMBERS && eq != SIZE_MAX; i++) {
        int64_t *to = (int64_t *)(void *)((char *)c + members[i].offset);
        if (!str_eq(key, str_from(members[i].name)))
            continue;
        if (!(c->project ? members[i].of_project : members[i].of_queue))
            return fail(cx, CODE_INVALID_ARGUMENT, "%s: a %s has none", members[i].name,
                        c->project ? "project" : "queue");
        if (!str_to_i64(str_skip(word, eq + 1), to) || *to < members[i].min || *to > members[i].max)
            return fail(cx, CODE_INVALID_ARGUMENT, "%s: a number from %lld to %lld", members[i].name,
                        (long long)members[i].min, (long long)members[i].max);
        c->given |= 1u << i;
        return CODE_OK;
    }
    return fail(cx, CODE_INVALID_ARGUMENT, "\"" STR_FMT "\": %s", STR_ARG(str_head(word, word.n < 64 ? word.n : 64)),
                c->project ? "a project has limit=N and weight=N" : "a queue has limit=N and priority=N");
}

static enum code parse(struct ctx *cx, str words, struct change *c)
{
    str word = STR("");
    (void)str_next(&words, ' ', &word);
    TRY(parse_verb(cx, word, &c->verb));
    (void)str_next(&words, ' ', &c->name);
    c->project = str_eq(c->name, STR("project"));
    if (c->project) {
        c->name = STR("");
        (void)str_next(&words, ' ', &c->name);
    }
    TRY(check_name(cx, c->name));
    if (c->verb == SET && !words.n)
        return fail(cx, CODE_INVALID_ARGUMENT, "set: nothing to set; %s",
                    c->project ? "limit=N, weight=N" : "limit=N, priority=N");
    if (c->verb != SET && words.n)
        return fail(cx, CODE_INVALID_ARGUMENT, "only set takes more than a name");
    while (words.n && str_next(&words, ' ', &word))
        TRY(parse_member(cx, word, c));
    return CODE_OK;
}

static struct store_queue *find(const struct listing *l, const struct change *c)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->p[i].project == c->project && str_eq(l->p[i].name, c->name))
            return &l->p[i];
    return NULL;
}

static void apply(const struct change *c, struct store_queue *q)
{
    if (c->given & LIMIT)
        q->max_working = (uint32_t)c->limit;
    if (c->given & PRIORITY)
        q->priority = (int32_t)c->priority;
    if (c->given & WEIGHT)
        q->weight = (uint32_t)c->weight;
    if (c->verb != SET)
        q->paused = c->verb == PAUSE;
}

static enum code remove_rule(struct ctx *cx, const struct change *c)
{
    bool found;
    TRY(store_queue_delete(cx, c->project, c->name, &found));
    return found ? CODE_OK
                 : fail(cx, CODE_NOT_FOUND, "nothing was said of %s " STR_FMT, c->project ? "project" : "queue",
                        STR_ARG(c->name));
}

static enum code write(struct ctx *cx, void *arg)
{
    const struct change *c = arg;
    struct listing l;
    if (c->verb == REMOVE)
        return remove_rule(cx, c);
    TRY(list(cx, &l));
    struct store_queue fresh = {.project = c->project, .name = c->name, .weight = 1}, *q = find(&l, c);
    if (!q && l.n >= ENGINE_RULES_MAX)
        return fail(cx, CODE_RESOURCE_EXHAUSTED, "there are %zu queues and projects with limits; remove one",
                    ENGINE_RULES_MAX);
    q = q ? q : &fresh;
    apply(c, q);
    return store_queue_put(cx, q);
}

/* One at a time: the executor is told last what was written last. */
static enum code change_and_tell(struct ctx *cx, struct app *app, struct change *c)
{
    TRY(lane_write(cx, app->lanes, write, c));
    return engine_rules_tell(cx, app);
}

enum code engine_rules_change(struct ctx *cx, struct app *app, str words)
{
    struct change c = {0};
    TRY(parse(cx, words, &c));
    pthread_mutex_lock(&app->engine->rules);
    enum code code = change_and_tell(cx, app, &c);
    pthread_mutex_unlock(&app->engine->rules);
    return code;
}
