/* ProjectService: projects are rows; all have the same domains (control-plane facts, section 11.1). */
#include "base/buf.h"
#include "base/time.h"
#include "engine/create.h"
#include "gen/flyteidl2_common.h"
#include "gen/flyteidl2_project.h"
#include "gen/services.h"
#include "service/list.h"
#include "store/domain.h"
#include "store/project.h"

#define ID_MAX 63
#define DESCRIPTION_MAX 300
#define ARGS_MAX 100
#define LIST_MAX 10000

struct domains {
    ProjectDomain **p;
    size_t n;
};

static enum code read_domains(struct ctx *cx, struct domains *out)
{
    struct store_domain *rows;
    TRY(store_domain_list(cx, &rows, &out->n));
    out->p = arena_new_array(cx->mem, ProjectDomain *, out->n);
    for (size_t i = 0; i < out->n; i++) {
        out->p[i] = pb_new(cx->mem, ProjectDomain);
        out->p[i]->id = rows[i].id;
        out->p[i]->name = rows[i].name;
    }
    return CODE_OK;
}

static ProjectProject *project_message(struct ctx *cx, const struct store_project *p, const struct domains *domains)
{
    ProjectProject *m = pb_new(cx->mem, ProjectProject);
    void *labels;
    m->id = p->id;
    m->name = p->name;
    m->description = p->description;
    m->state = p->state;
    if (p->labels.n && pb_decode(cx, &TaskLabels_type, p->labels, &labels) == CODE_OK)
        m->labels = labels;
    m->domains.p = domains->p;
    m->domains.n = domains->n;
    return m;
}

static enum code project_row(struct ctx *cx, const ProjectProject *m, struct store_project *out)
{
    if (!m || m->id.n == 0)
        return fail(cx, CODE_INVALID_ARGUMENT, "project.id is required");
    if (m->id.n > ID_MAX)
        return fail(cx, CODE_INVALID_ARGUMENT, "project.id: at most %d characters", ID_MAX);
    if (m->description.n > DESCRIPTION_MAX)
        return fail(cx, CODE_INVALID_ARGUMENT, "project.description: at most %d bytes", DESCRIPTION_MAX);
    *out = (struct store_project){
        .id = m->id, .name = m->name.n ? m->name : m->id, .description = m->description, .state = m->state};
    out->created_ns = out->updated_ns = time_wall_ns();
    if (m->labels)
        TRY(pb_encode(cx, &TaskLabels_type, m->labels, &out->labels));
    return CODE_OK;
}

enum code ProjectService_CreateProject(struct ctx *cx, const ProjectCreateProjectRequest *req,
                                       ProjectCreateProjectResponse *rsp)
{
    struct store_project row;
    (void)rsp;
    TRY(project_row(cx, req->project, &row));
    TRY(engine_create_check_name(cx, "project.id", row.id, ID_MAX)); /* it becomes a part of paths and of URIs */
    return store_project_insert(cx, &row);
}

enum code ProjectService_UpdateProject(struct ctx *cx, const ProjectUpdateProjectRequest *req,
                                       ProjectUpdateProjectResponse *rsp)
{
    struct store_project row;
    (void)rsp;
    TRY(project_row(cx, req->project, &row));
    return store_project_update(cx, &row);
}

enum code ProjectService_GetProject(struct ctx *cx, const ProjectGetProjectRequest *req, ProjectGetProjectResponse *rsp)
{
    struct store_project *row;
    struct domains domains;
    if (req->id.n == 0)
        return fail(cx, CODE_INVALID_ARGUMENT, "id is required");
    TRY(store_project_find(cx, req->id, &row));
    if (!row)
        return fail(cx, CODE_NOT_FOUND, "project not found: " STR_FMT, STR_ARG(req->id));
    TRY(read_domains(cx, &domains));
    rsp->project = project_message(cx, row, &domains);
    return CODE_OK;
}

/* ---- the filter language of ListProjects: fn(field,value) joined by "+" ------------------------------------------ */

static const char *column_of(str name)
{
    static const struct {
        const char *name, *column;
    } columns[] = {
        {"identifier", "p.id"},
        {"name", "p.name"},
        {"description", "p.description"},
        {"labels", "coalesce(p.labels, '')"}, /* NULL would compare with nothing */
        {"state", "p.state"},
        {"created_at", "p.created_ns"},
        {"updated_at", "p.updated_ns"},
    };
    for (size_t i = 0; i < sizeof(columns) / sizeof(*columns); i++)
        if (str_eq(name, str_from(columns[i].name)))
            return columns[i].column;
    return NULL;
}

struct filters {
    buf where;
    struct db_value args[ARGS_MAX];
    size_t n;
};

/* Numbers compare as numbers although clients send text. */
static enum code add_arg(struct ctx *cx, struct filters *f, const char *column, str text)
{
    int64_t i;
    bool number = strcmp(column, "p.state") == 0 || str_ends(str_from(column), STR("_ns"));
    if (f->n == ARGS_MAX)
        return fail(cx, CODE_INVALID_ARGUMENT, "filters: more than %d values", ARGS_MAX);
    f->args[f->n++] = number && str_to_i64(text, &i) ? DB_I(i) : DB_S(text);
    return CODE_OK;
}

static enum code add_values(struct ctx *cx, struct filters *f, const char *column, str values)
{
    str piece;
    bool first = true;
    buf_printf(&f->where, "%s IN (", column);
    while (str_next(&values, ';', &piece)) {
        TRY(add_arg(cx, f, column, str_trim(piece)));
        buf_str(&f->where, first ? STR("?") : STR(", ?"));
        first = false;
    }
    buf_char(&f->where, ')');
    return CODE_OK;
}

static enum code add_filter(struct ctx *cx, struct filters *f, str text)
{
    static const struct {
        const char *name, *before, *between, *after;
    } functions[] = {{"eq", "", " = ", ""}, {"ne", "", " != ", ""}, {"contains", "instr(", ", ", ") > 0"}};
    str name, args, field, value;
    text = str_trim(text);
    if (!str_cut(text, '(', &name, &args) || !str_ends(args, STR(")")) ||
        !str_cut(str_head(args, args.n - 1), ',', &field, &value))
        return fail(cx, CODE_INVALID_ARGUMENT, "filters: \"" STR_FMT "\" is not fn(field,value)", STR_ARG(text));
    name = str_trim(name);
    const char *column = column_of(str_trim(field));
    if (!column)
        return fail(cx, CODE_INVALID_ARGUMENT, "filters: unknown field \"" STR_FMT "\"", STR_ARG(str_trim(field)));
    if (f->n)
        buf_str(&f->where, STR(" AND "));
    if (str_eq_nocase(name, STR("value_in")))
        return add_values(cx, f, column, value);
    for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++)
        if (str_eq_nocase(name, str_from(functions[i].name))) {
            TRY(add_arg(cx, f, column, str_trim(value)));
            buf_printf(&f->where, "%s%s%s?%s", functions[i].before, column, functions[i].between, functions[i].after);
            return CODE_OK;
        }
    return fail(cx, CODE_INVALID_ARGUMENT, "filters: unknown function \"" STR_FMT "\"", STR_ARG(name));
}

static enum code parse_filters(struct ctx *cx, str text, struct service_list *l)
{
    struct filters *f = arena_new(cx->mem, struct filters);
    str piece;
    if (text.n == 0) /* archived ones are hidden unless asked for */
        return service_list_and(cx, l, "p.state != 1", NULL, 0);
    buf_init_arena(&f->where, cx->mem, 1 << 16);
    while (str_next(&text, '+', &piece))
        TRY(add_filter(cx, f, piece));
    if (f->where.failed)
        return fail(cx, CODE_INVALID_ARGUMENT, "filters: too long");
    return service_list_and(cx, l, buf_view(&f->where).p, f->args, f->n);
}

static enum code list_page(struct ctx *cx, const ProjectListProjectsRequest *req, struct service_list *l)
{
    service_list_init(cx, l);
    service_list_from(l, req->token);
    l->limit = req->limit && req->limit < LIST_MAX ? req->limit : LIST_MAX;
    bool descending = req->sort_by && req->sort_by->direction == COMMON_SORT_DIRECTION_DESCENDING;
    if (req->sort_by && req->sort_by->key.n) {
        const char *column = column_of(req->sort_by->key);
        if (!column)
            return fail(cx, CODE_INVALID_ARGUMENT, "sort_by.key: unknown \"" STR_FMT "\"", STR_ARG(req->sort_by->key));
        l->order[l->order_count++] = (struct service_list_term){str_from(column), descending};
    }
    l->order[l->order_count] = (struct service_list_term){STR("p.id"), l->order_count && descending};
    l->order_count++;
    TRY(parse_filters(cx, req->filters, l));
    return service_list_done(cx, l);
}

enum code ProjectService_ListProjects(struct ctx *cx, const ProjectListProjectsRequest *req,
                                      ProjectListProjectsResponse *rsp)
{
    struct service_list l;
    struct store_project *rows;
    struct domains domains;
    size_t n;
    TRY(list_page(cx, req, &l));
    TRY(store_project_list(cx, &l.page, &rows, &n));
    TRY(read_domains(cx, &domains));
    rsp->projects = pb_new(cx->mem, ProjectProjects);
    rsp->projects->token = service_list_token(cx, &l, &n);
    rsp->projects->projects.n = n;
    rsp->projects->projects.p = arena_new_array(cx->mem, ProjectProject *, n);
    for (size_t i = 0; i < n; i++)
        rsp->projects->projects.p[i] = project_message(cx, &rows[i], &domains);
    return CODE_OK;
}
