/* Filters, sorting and paging for all List RPCs. Pure but for the arena. */
#include "service/list.h"

#include "base/time.h"
#include "service/token.h"

#define WHERE_MAX ((size_t)64 * 1024)
/* Values of what a page comes after. */
#define AFTER_MAX (2 * SERVICE_LIST_TERMS_MAX)

void service_list_init(struct ctx *cx, struct service_list *l)
{
    *l = (struct service_list){.limit = SERVICE_LIST_DEFAULT};
    buf_init_arena(&l->where, cx->mem, WHERE_MAX);
    l->args = arena_new_array(cx->mem, struct db_value, SERVICE_LIST_ARGS_MAX + AFTER_MAX);
}

/* A value's number, in *to. */
static void add_value(struct service_list *l, buf *to, const struct db_value *value)
{
    l->args[l->arg_count++] = *value;
    buf_printf(to, "$%zu", l->arg_count);
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
        if (used == n)
            return fail(cx, CODE_INTERNAL, "no value for %s", sql);
        if (l->arg_count == SERVICE_LIST_ARGS_MAX)
            return fail(cx, CODE_INVALID_ARGUMENT, "filters: more than %d values", SERVICE_LIST_ARGS_MAX);
        add_value(l, &l->where, &values[used++]);
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
    bool text; /* for texts only */
} functions[] = {
    {COMMON_FILTER_FUNCTION_EQUAL, ONE, "@ = ?", false},
    {COMMON_FILTER_FUNCTION_NOT_EQUAL, ONE, "@ <> ?", false},
    {COMMON_FILTER_FUNCTION_GREATER_THAN, ONE, "@ > ?", false},
    {COMMON_FILTER_FUNCTION_GREATER_THAN_OR_EQUAL, ONE, "@ >= ?", false},
    {COMMON_FILTER_FUNCTION_LESS_THAN, ONE, "@ < ?", false},
    {COMMON_FILTER_FUNCTION_LESS_THAN_OR_EQUAL, ONE, "@ <= ?", false},
    {COMMON_FILTER_FUNCTION_CONTAINS, ONE, "instr(@, ?) > 0", true},
    {COMMON_FILTER_FUNCTION_CONTAINS_CASE_INSENSITIVE, ONE, "instr(lower(@), lower(?)) > 0", true},
    {COMMON_FILTER_FUNCTION_ENDS_WITH, ONE, "substr(@, length(@) - length(?1) + 1) = ?1", true},
    {COMMON_FILTER_FUNCTION_NOT_ENDS_WITH, ONE, "substr(@, length(@) - length(?1) + 1) <> ?1", true},
    {COMMON_FILTER_FUNCTION_VALUE_IN, MANY, "@ IN (", false},
    {COMMON_FILTER_FUNCTION_VALUE_NOT_IN, MANY, "@ NOT IN (", false},
    {COMMON_FILTER_FUNCTION_EXISTS, NONE, "@ IS NOT NULL", false},
    {COMMON_FILTER_FUNCTION_NOT_EXISTS, NONE, "@ IS NULL", false},
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

const struct service_list_field *service_list_find(const struct service_list_spec *spec, str name)
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

enum code service_list_values(struct ctx *cx, const struct service_list_field *field, const CommonFilter *f,
                              struct db_value *out, size_t *n)
{
    bool one = f->function != COMMON_FILTER_FUNCTION_VALUE_IN && f->function != COMMON_FILTER_FUNCTION_VALUE_NOT_IN;
    *n = one ? 1 : f->values.n;
    if (f->values.n == 0)
        return fail(cx, CODE_INVALID_ARGUMENT, "filters: " STR_FMT ": a value is required", STR_ARG(f->field));
    if (one && f->values.n > 1 && field->kind == SERVICE_LIST_ENUM)
        return value_of(cx, field, f->field, joined_digits(cx, f), out);
    if (one && f->values.n > 1)
        return fail(cx, CODE_INVALID_ARGUMENT, "filters: " STR_FMT ": this function takes one value",
                    STR_ARG(f->field));
    for (size_t i = 0; i < *n; i++)
        TRY(value_of(cx, field, f->field, f->values.p[i], &out[i]));
    return CODE_OK;
}

static enum code many(struct ctx *cx, struct service_list *l, const struct service_list_field *field, const char *sql,
                      const struct db_value *values, size_t n)
{
    size_t uses;
    TRY(service_list_and(cx, l, with_column(cx, sql, field->column, &uses).p, NULL, 0));
    for (size_t i = 0; i < n; i++)
        TRY(append(cx, l, i ? ", ?" : "?", &values[i], 1));
    buf_char(&l->where, ')');
    return CODE_OK;
}

static enum code add_function(struct ctx *cx, struct service_list *l, const struct service_list_field *field,
                              const CommonFilter *f, size_t i)
{
    size_t uses, n;
    struct db_value *v = arena_new_array(cx->mem, struct db_value, f->values.n + 2);
    if (functions[i].text && field->kind != SERVICE_LIST_TEXT)
        return fail(cx, CODE_INVALID_ARGUMENT, "filters: " STR_FMT ": this function is for texts", STR_ARG(f->field));
    if (functions[i].arity == NONE)
        return service_list_and(cx, l, with_column(cx, functions[i].sql, field->column, &uses).p, NULL, 0);
    TRY(service_list_values(cx, field, f, v, &n));
    if (functions[i].arity == MANY)
        return many(cx, l, field, functions[i].sql, v, n);
    v[1] = v[0];
    str condition = with_column(cx, functions[i].sql, field->column, &uses);
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
    const struct service_list_field *field = service_list_find(spec, f->field);
    const struct service_list_pairs *pairs = find_pairs(spec, f->field);
    if (!field && pairs)
        return pair_filter(cx, l, pairs, f);
    if (!field)
        return fail(cx, CODE_INVALID_ARGUMENT, "invalid filter field: " STR_FMT, STR_ARG(f->field));
    for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++)
        if (functions[i].function == f->function)
            return add_function(cx, l, field, f, i);
    return fail(cx, CODE_INVALID_ARGUMENT, "unsupported filter function %d", (int)f->function);
}

/* ---- order and pages --------------------------------------------------------------------------------------------- */

/* NULL would be neither before nor after anything. */
static str sort_key(struct ctx *cx, const struct service_list_spec *spec, const struct service_list_field *field)
{
    if (spec->indexed && strcmp(field->column, spec->indexed) == 0)
        return str_from(field->column);
    return arena_printf(cx->mem, "coalesce(%s, %s)", field->column, field->kind == SERVICE_LIST_TEXT ? "''" : "0");
}

static enum code add_order(struct ctx *cx, struct service_list *l, const struct service_list_spec *spec,
                           const CommonSort *sort)
{
    const struct service_list_field *field = service_list_find(spec, sort->key);
    if (!field || !spec->tie_break)
        return fail(cx, CODE_INVALID_ARGUMENT, "invalid sort field: " STR_FMT, STR_ARG(sort->key));
    if (l->order_count == SERVICE_LIST_TERMS_MAX - 1)
        return fail(cx, CODE_INVALID_ARGUMENT, "sort_by_fields: at most %d", SERVICE_LIST_TERMS_MAX - 1);
    l->order[l->order_count++] =
        (struct service_list_term){sort_key(cx, spec, field), sort->direction != COMMON_SORT_DIRECTION_ASCENDING};
    return CODE_OK;
}

static void take_default_order(struct service_list *l, const char *sql)
{
    str rest = str_from(sql), term, column, direction;
    while (str_next(&rest, ',', &term)) {
        bool descending = str_cut(str_trim(term), ' ', &column, &direction) && str_eq(direction, STR("DESC"));
        l->order[l->order_count++] = (struct service_list_term){column, descending};
    }
}

static enum code take_id_order(struct ctx *cx, struct service_list *l, const char *id, CommonSort *const *sorts,
                               size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (i || !str_eq(sorts[i]->key, STR("created_at")))
            return fail(cx, CODE_INVALID_ARGUMENT, "invalid sort field: " STR_FMT "; only created_at, once",
                        STR_ARG(sorts[i]->key));
    bool ascending = n && sorts[0]->direction == COMMON_SORT_DIRECTION_ASCENDING;
    l->order[l->order_count++] = (struct service_list_term){str_from(id), !ascending};
    return CODE_OK;
}

static enum code take_order(struct ctx *cx, struct service_list *l, const struct service_list_spec *spec,
                            const CommonListRequest *req)
{
    CommonSort *const *sorts = req ? req->sort_by_fields.p : NULL;
    size_t n = req ? req->sort_by_fields.n : 0;
    if (req && n == 0 && req->sort_by && req->sort_by->key.n) {
        sorts = &req->sort_by;
        n = 1;
    }
    l->order_count = 0;
    if (spec->by_id)
        return take_id_order(cx, l, spec->by_id, sorts, n);
    for (size_t i = 0; i < n; i++)
        TRY(add_order(cx, l, spec, sorts[i]));
    if (!l->order_count) {
        take_default_order(l, spec->default_order);
        return CODE_OK;
    }
    l->order[l->order_count] =
        (struct service_list_term){str_from(spec->tie_break), l->order[l->order_count - 1].descending};
    l->order_count++;
    return CODE_OK;
}

void service_list_from(struct service_list *l, str token)
{
    uint64_t offset;
    if (str_to_u64(token, &offset) && offset <= INT64_MAX)
        l->page.offset = offset;
    else
        l->token = token;
}

enum code service_list_request(struct ctx *cx, struct service_list *l, const struct service_list_spec *spec,
                               const CommonListRequest *req)
{
    TRY(take_order(cx, l, spec, req));
    if (!req)
        return CODE_OK;
    service_list_from(l, req->token);
    l->walked = spec->walked;
    if (req->limit)
        l->limit = req->limit < SERVICE_LIST_MAX ? req->limit : SERVICE_LIST_MAX;
    for (size_t i = 0; i < req->filters.n; i++)
        TRY(service_list_filter(cx, l, spec, req->filters.p[i]));
    return CODE_OK;
}

/* "(k1, k2) > ($1, $2)" where all go the same way, else k1 > $1 OR (k1 = $2 AND (k2 < $3)). */
static void add_after(struct service_list *l, buf *to, const struct db_value *values)
{
    bool same = true;
    for (size_t i = 1; i < l->order_count; i++)
        same = same && l->order[i].descending == l->order[0].descending;
    if (same) {
        buf_printf(to, "(" STR_FMT ") %c (", STR_ARG(l->page.keys), l->order[0].descending ? '<' : '>');
        for (size_t i = 0; i < l->order_count; i++) {
            buf_str(to, i ? STR(", ") : STR(""));
            add_value(l, to, &values[i]);
        }
        buf_char(to, ')');
        return;
    }
    for (size_t i = 0; i < l->order_count; i++) {
        const struct service_list_term *t = &l->order[i];
        buf_printf(to, STR_FMT " %c ", STR_ARG(t->sql), t->descending ? '<' : '>');
        add_value(l, to, &values[i]);
        if (i + 1 == l->order_count)
            break;
        buf_printf(to, " OR (" STR_FMT " = ", STR_ARG(t->sql));
        add_value(l, to, &values[i]);
        buf_str(to, STR(" AND ("));
    }
    for (size_t i = 1; i < l->order_count; i++)
        buf_str(to, STR("))"));
}

enum code service_list_after(struct ctx *cx, struct service_list *l, const struct db_value *values)
{
    buf b;
    buf_init_arena(&b, cx->mem, WHERE_MAX);
    add_after(l, &b, values);
    if (b.failed)
        return fail(cx, CODE_INVALID_ARGUMENT, "sort_by_fields: too long");
    l->page.after = buf_view(&b);
    l->page.arg_count = l->arg_count;
    return CODE_OK;
}

static uint64_t question_of(struct ctx *cx, const struct service_list *l)
{
    buf b;
    buf_init_arena(&b, cx->mem, SIZE_MAX);
    buf_printf(&b, STR_FMT ";" STR_FMT ";", STR_ARG(l->page.where), STR_ARG(l->page.order));
    for (size_t i = 0; i < l->arg_count; i++) {
        bool text = l->args[i].kind == DB_TEXT;
        buf_printf(&b, "%lld:", text ? (long long)l->args[i].s.n : (long long)l->args[i].i);
        buf_str(&b, text ? l->args[i].s : STR(""));
    }
    return str_hash(buf_view(&b));
}

static void write_order(struct ctx *cx, struct service_list *l)
{
    buf keys, order;
    buf_init_arena(&keys, cx->mem, WHERE_MAX);
    buf_init_arena(&order, cx->mem, WHERE_MAX);
    for (size_t i = 0; i < l->order_count; i++) {
        buf_printf(&keys, "%s" STR_FMT, i ? ", " : "", STR_ARG(l->order[i].sql));
        buf_printf(&order, "%s" STR_FMT "%s", i ? ", " : "", STR_ARG(l->order[i].sql),
                   l->order[i].descending ? " DESC" : "");
    }
    l->page.keys = buf_view(&keys);
    l->page.order = buf_view(&order);
}

enum code service_list_done(struct ctx *cx, struct service_list *l)
{
    struct db_value values[SERVICE_TOKEN_VALUES_MAX];
    size_t n = 0;
    if (l->where.failed)
        return fail(cx, CODE_INVALID_ARGUMENT, "filters: too long");
    l->page.where = buf_view(&l->where);
    l->page.args = l->args;
    l->page.arg_count = l->arg_count;
    l->page.limit = l->limit + 1;
    write_order(cx, l);
    l->question = question_of(cx, l);
    l->page.read = &l->read;
    if (!l->token.n || l->walked)
        return CODE_OK;
    TRY(service_token_read(cx, l->question, l->token, values, &n));
    if (n != l->order_count)
        return fail(cx, CODE_INVALID_ARGUMENT, "invalid token: \"" STR_FMT "\"", STR_ARG(l->token));
    return service_list_after(cx, l, values);
}

str service_list_token(struct ctx *cx, const struct service_list *l, size_t *n)
{
    if (*n <= l->limit)
        return STR("");
    *n = l->limit;
    const struct db_value *last = db_row(&l->read, l->limit - 1) + l->read.cols - l->order_count;
    return service_token_make(cx, l->question, last, l->order_count);
}
