/* Filters, sorting and paging for all List RPCs. Pure but for the arena. */
#include "service/list.h"

#include "base/time.h"

#define WHERE_MAX ((size_t)64 * 1024)

void service_list_init(struct ctx *cx, struct service_list *l)
{
    *l = (struct service_list){.limit = SERVICE_LIST_DEFAULT};
    buf_init_arena(&l->where, cx->mem, WHERE_MAX);
    l->args = arena_new_array(cx->mem, struct db_value, SERVICE_LIST_ARGS_MAX);
}

/* Appends sql with each "?" replaced by the number of the value it stands for. */
static enum code append(struct ctx *cx, struct service_list *l, const char *sql, const struct db_value *values,
                        size_t n)
{
    size_t used = 0;
    for (const char *p = sql; *p; p++) {
        if (*p != '?') {
            buf_char(&l->where, *p);
            continue;
        }
        if (l->arg_count == SERVICE_LIST_ARGS_MAX || used == n)
            return fail(cx, CODE_INVALID_ARGUMENT, "filters: more than %d values", SERVICE_LIST_ARGS_MAX);
        l->args[l->arg_count++] = values[used++];
        buf_printf(&l->where, "$%zu", l->arg_count);
    }
    return CODE_OK;
}

enum code service_list_and(struct ctx *cx, struct service_list *l, const char *sql, const struct db_value *values,
                           size_t n)
{
    if (l->where.n)
        buf_str(&l->where, STR(" AND "));
    return append(cx, l, sql, values, n);
}

/* ---- values ------------------------------------------------------------------------------------------------------ */

static enum code bad_value(struct ctx *cx, str field, str text, const char *what)
{
    return fail(cx, CODE_INVALID_ARGUMENT, "filters: " STR_FMT ": \"" STR_FMT "\" is not %s", STR_ARG(field),
                STR_ARG(text), what);
}

static bool enum_number(const char *enum_name, str text, int64_t *out)
{
    if (str_to_i64(text, out))
        return true;
    for (int32_t v = 0; v < 32; v++) {
        str name = pb_enum_name(str_from(enum_name), v);
        /* The full name, or its end: "ACTION_PHASE_RUNNING" or "running". */
        if (name.n && (str_eq_nocase(name, text) || (text.n && name.n > text.n && name.p[name.n - text.n - 1] == '_' &&
                                                     str_eq_nocase(str_skip(name, name.n - text.n), text)))) {
            *out = v;
            return true;
        }
    }
    return false;
}

static enum code value_of(struct ctx *cx, const struct service_list_field *field, str name, str text,
                          struct db_value *out)
{
    int64_t i = 0, seconds;
    int32_t nanos;
    switch (field->kind) {
    case SERVICE_LIST_TEXT:
        *out = DB_S(text);
        return CODE_OK;
    case SERVICE_LIST_INT:
        if (!str_to_i64(text, &i))
            return bad_value(cx, name, text, "a number");
        break;
    case SERVICE_LIST_ENUM:
        if (!enum_number(field->enum_name, text, &i))
            return bad_value(cx, name, text, "a number or a name of the enum");
        break;
    case SERVICE_LIST_BOOL:
        if (!str_eq_nocase(text, STR("true")) && !str_eq_nocase(text, STR("false")))
            return bad_value(cx, name, text, "true or false");
        i = str_eq_nocase(text, STR("true"));
        break;
    case SERVICE_LIST_TIME:
        if (!time_parse_rfc3339(text, &seconds, &nanos) || seconds > INT64_MAX / NS_PER_S / 2 ||
            seconds < -(INT64_MAX / NS_PER_S / 2))
            return bad_value(cx, name, text, "a time in RFC 3339");
        i = seconds * NS_PER_S + nanos;
        break;
    }
    *out = DB_I(i);
    return CODE_OK;
}

/* ---- functions --------------------------------------------------------------------------------------------------- */

enum arity { NONE, ONE, MANY };

/* "@" stands for the column, "?" for the value; MANY repeats for each value inside the brackets. */
static const struct {
    int32_t function;
    enum arity arity;
    const char *sql;
} functions[] = {
    {COMMON_FILTER_FUNCTION_EQUAL, ONE, "@ = ?"},
    {COMMON_FILTER_FUNCTION_NOT_EQUAL, ONE, "@ IS NOT ?"},
    {COMMON_FILTER_FUNCTION_GREATER_THAN, ONE, "@ > ?"},
    {COMMON_FILTER_FUNCTION_GREATER_THAN_OR_EQUAL, ONE, "@ >= ?"},
    {COMMON_FILTER_FUNCTION_LESS_THAN, ONE, "@ < ?"},
    {COMMON_FILTER_FUNCTION_LESS_THAN_OR_EQUAL, ONE, "@ <= ?"},
    {COMMON_FILTER_FUNCTION_CONTAINS, ONE, "instr(@, ?) > 0"},
    {COMMON_FILTER_FUNCTION_CONTAINS_CASE_INSENSITIVE, ONE, "instr(lower(@), lower(?)) > 0"},
    {COMMON_FILTER_FUNCTION_ENDS_WITH, ONE, "substr(@, -length(?1)) = ?1"},
    {COMMON_FILTER_FUNCTION_NOT_ENDS_WITH, ONE, "substr(@, -length(?1)) <> ?1"},
    {COMMON_FILTER_FUNCTION_VALUE_IN, MANY, "@ IN ("},
    {COMMON_FILTER_FUNCTION_VALUE_NOT_IN, MANY, "@ NOT IN ("},
    {COMMON_FILTER_FUNCTION_EXISTS, NONE, "@ IS NOT NULL"},
    {COMMON_FILTER_FUNCTION_NOT_EXISTS, NONE, "@ IS NULL"},
};

/* The function's SQL with the column put in; "?1" becomes "?" (the value is given once for each). */
static str with_column(struct ctx *cx, const char *sql, const char *column, size_t *uses)
{
    buf b;
    buf_init_arena(&b, cx->mem, 4096);
    *uses = 0;
    for (const char *p = sql; *p; p++) {
        if (*p == '@')
            buf_str(&b, str_from(column));
        else
            buf_char(&b, *p);
        if (*p == '?') {
            ++*uses;
            p += p[1] == '1';
        }
    }
    return buf_view(&b);
}

static const struct service_list_field *find_field(const struct service_list_spec *spec, str name)
{
    for (size_t i = 0; i < spec->field_count; i++)
        if (str_eq_nocase(name, str_from(spec->fields[i].name)))
            return &spec->fields[i];
    return NULL;
}

/* A number given as several one-digit strings: a client that set a repeated field from text "10" sends "1", "0". */
static str joined_digits(struct ctx *cx, const CommonFilter *f)
{
    str all = f->values.p[0];
    for (size_t i = 1; i < f->values.n; i++)
        all = arena_concat(cx->mem, all, f->values.p[i]);
    return all;
}

static enum code many(struct ctx *cx, struct service_list *l, const struct service_list_field *field, const char *sql,
                      const CommonFilter *f)
{
    size_t uses;
    struct db_value v;
    TRY(service_list_and(cx, l, with_column(cx, sql, field->column, &uses).p, NULL, 0));
    for (size_t i = 0; i < f->values.n; i++) {
        TRY(value_of(cx, field, f->field, f->values.p[i], &v));
        TRY(append(cx, l, i ? ", ?" : "?", &v, 1));
    }
    buf_char(&l->where, ')');
    return CODE_OK;
}

static enum code one(struct ctx *cx, struct service_list *l, const struct service_list_field *field, const char *sql,
                     const CommonFilter *f)
{
    size_t uses;
    struct db_value v[2];
    str text = f->values.p[0];
    if (f->values.n > 1 && field->kind == SERVICE_LIST_ENUM)
        text = joined_digits(cx, f);
    else if (f->values.n > 1)
        return fail(cx, CODE_INVALID_ARGUMENT, "filters: " STR_FMT ": this function takes one value",
                    STR_ARG(f->field));
    TRY(value_of(cx, field, f->field, text, &v[0]));
    v[1] = v[0];
    str condition = with_column(cx, sql, field->column, &uses);
    return service_list_and(cx, l, condition.p, v, uses);
}

static enum code pair_values(struct ctx *cx, struct service_list *l, const CommonFilter *f)
{
    if (!f->values.n || (f->values.n > 1 && f->function == COMMON_FILTER_FUNCTION_EQUAL))
        return fail(cx, CODE_INVALID_ARGUMENT, "filters: " STR_FMT ": one value is required", STR_ARG(f->field));
    buf_str(&l->where, STR(" AND x.value IN ("));
    for (size_t i = 0; i < f->values.n; i++)
        TRY(append(cx, l, i ? ", ?" : "?", &DB_S(f->values.p[i]), 1));
    buf_char(&l->where, ')');
    return CODE_OK;
}

static enum code pair_filter(struct ctx *cx, struct service_list *l, const struct service_list_pairs *pairs,
                             const CommonFilter *f)
{
    const struct db_value key = DB_S(str_skip(f->field, strlen(pairs->prefix)));
    bool value = f->function == COMMON_FILTER_FUNCTION_EQUAL || f->function == COMMON_FILTER_FUNCTION_VALUE_IN;
    bool absent = f->function == COMMON_FILTER_FUNCTION_NOT_EXISTS;
    if (!value && !absent && f->function != COMMON_FILTER_FUNCTION_EXISTS)
        return fail(cx, CODE_INVALID_ARGUMENT, "filters: " STR_FMT " knows EQUAL, VALUE_IN, EXISTS and NOT_EXISTS",
                    STR_ARG(f->field));
    str sql = arena_printf(cx->mem, "%sEXISTS (%s AND x.key = ?", absent ? "NOT " : "", pairs->query);
    TRY(service_list_and(cx, l, sql.p, &key, 1));
    if (value)
        TRY(pair_values(cx, l, f));
    buf_char(&l->where, ')');
    return CODE_OK;
}

static const struct service_list_pairs *find_pairs(const struct service_list_spec *spec, str name)
{
    for (size_t i = 0; i < spec->pair_count; i++)
        if (str_starts(name, str_from(spec->pairs[i].prefix)))
            return &spec->pairs[i];
    return NULL;
}

enum code service_list_filter(struct ctx *cx, struct service_list *l, const struct service_list_spec *spec,
                              const CommonFilter *f)
{
    const struct service_list_field *field = find_field(spec, f->field);
    const struct service_list_pairs *pairs = find_pairs(spec, f->field);
    if (!field && pairs)
        return pair_filter(cx, l, pairs, f);
    if (!field)
        return fail(cx, CODE_INVALID_ARGUMENT, "invalid filter field: " STR_FMT, STR_ARG(f->field));
    for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++) {
        if (functions[i].function != f->function)
            continue;
        if (functions[i].arity == NONE) {
            size_t uses;
            return service_list_and(cx, l, with_column(cx, functions[i].sql, field->column, &uses).p, NULL, 0);
        }
        if (f->values.n == 0)
            return fail(cx, CODE_INVALID_ARGUMENT, "filters: " STR_FMT ": a value is required", STR_ARG(f->field));
        return functions[i].arity == MANY ? many(cx, l, field, functions[i].sql, f)
                                          : one(cx, l, field, functions[i].sql, f);
    }
    return fail(cx, CODE_INVALID_ARGUMENT, "unsupported filter function %d", (int)f->function);
}

/* ---- order and pages --------------------------------------------------------------------------------------------- */

static enum code add_order(struct ctx *cx, buf *order, const struct service_list_spec *spec, const CommonSort *sort)
{
    const struct service_list_field *field = find_field(spec, sort->key);
    if (!field)
        return fail(cx, CODE_INVALID_ARGUMENT, "invalid sort field: " STR_FMT, STR_ARG(sort->key));
    buf_printf(order, "%s %s, ", field->column, sort->direction == COMMON_SORT_DIRECTION_ASCENDING ? "ASC" : "DESC");
    return CODE_OK;
}

static enum code take_order(struct ctx *cx, struct service_list *l, const struct service_list_spec *spec,
                            const CommonListRequest *req)
{
    buf order;
    buf_init_arena(&order, cx->mem, 4096);
    for (size_t i = 0; req && i < req->sort_by_fields.n; i++)
        TRY(add_order(cx, &order, spec, req->sort_by_fields.p[i]));
    if (req && req->sort_by_fields.n == 0 && req->sort_by && req->sort_by->key.n)
        TRY(add_order(cx, &order, spec, req->sort_by));
    buf_str(&order, str_from(order.n ? spec->tie_break : spec->default_order));
    if (order.failed)
        return fail(cx, CODE_INVALID_ARGUMENT, "sort_by_fields: too many");
    l->page.order = buf_view(&order);
    return CODE_OK;
}

/* The order is that of the cursor, one way or the other. */
static enum code take_cursor(struct ctx *cx, struct service_list *l, const struct service_list_spec *spec,
                             const CommonListRequest *req, uint64_t token)
{
    const CommonSort *sort = NULL;
    if (req && (req->sort_by_fields.n || (req->sort_by && req->sort_by->key.n)))
        sort = req->sort_by_fields.n ? req->sort_by_fields.p[0] : req->sort_by;
    if (sort && (!str_eq(sort->key, STR("created_at")) || req->sort_by_fields.n > 1))
        return fail(cx, CODE_INVALID_ARGUMENT, "invalid sort field: " STR_FMT "; only created_at", STR_ARG(sort->key));
    bool up = sort && sort->direction == COMMON_SORT_DIRECTION_ASCENDING;
    l->page.order = arena_printf(cx->mem, "%s %s", spec->cursor, up ? "ASC" : "DESC");
    l->after =
        token ? arena_printf(cx->mem, "%s %c %llu", spec->cursor, up ? '>' : '<', (unsigned long long)token) : STR("");
    return CODE_OK;
}

enum code service_list_request(struct ctx *cx, struct service_list *l, const struct service_list_spec *spec,
                               const CommonListRequest *req)
{
    uint64_t token = 0;
    if (req && req->token.n && (!str_to_u64(req->token, &token) || token > INT64_MAX))
        return fail(cx, CODE_INVALID_ARGUMENT, "invalid token: \"" STR_FMT "\"", STR_ARG(req->token));
    if (spec->cursor) {
        TRY(take_cursor(cx, l, spec, req, token));
    } else {
        TRY(take_order(cx, l, spec, req));
        l->page.offset = token;
    }
    if (!req)
        return CODE_OK;
    if (req->limit)
        l->limit = req->limit < SERVICE_LIST_MAX ? req->limit : SERVICE_LIST_MAX;
    for (size_t i = 0; i < req->filters.n; i++)
        TRY(service_list_filter(cx, l, spec, req->filters.p[i]));
    return CODE_OK;
}

enum code service_list_and_cursor(struct ctx *cx, struct service_list *l)
{
    return l->after.n ? service_list_and(cx, l, l->after.p, NULL, 0) : CODE_OK;
}

enum code service_list_done(struct ctx *cx, struct service_list *l)
{
    if (l->where.failed)
        return fail(cx, CODE_INVALID_ARGUMENT, "filters: too long");
    l->page.where = buf_view(&l->where);
    l->page.args = l->args;
    l->page.arg_count = l->arg_count;
    l->page.limit = l->limit + 1;
    return CODE_OK;
}

str service_list_token(struct ctx *cx, const struct service_list *l, size_t *n)
{
    if (*n <= l->limit)
        return STR("");
    *n = l->limit;
    return arena_printf(cx->mem, "%zu", l->page.offset + l->limit);
}

bool service_list_cut(const struct service_list *l, size_t *n)
{
    bool more = *n > l->limit;
    if (more)
        *n = l->limit;
    return more;
}

str service_list_token_of(struct ctx *cx, uint64_t id)
{
    return arena_printf(cx->mem, "%llu", (unsigned long long)id);
}
