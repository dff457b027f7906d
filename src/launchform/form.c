/* Forms from tasks and from literals. */
#include "launchform/launchform_int.h"

#include <stdlib.h>

/* Where things are in a form, as values: the root, its properties, a field, a field's default. */
#define FIELD_DEPTH (2 * LAUNCHFORM_IN_OBJECT)
#define DEFAULT_DEPTH (3 * LAUNCHFORM_IN_OBJECT)
#define NAME_SHOWN ((size_t)64)

/* ---- finding things by name -------------------------------------------------------------------------------------- */

struct named {
    str name;
    const void *thing;
};

struct index {
    struct named *p;
    size_t n;
};

static int by_name(const void *a, const void *b)
{
    return str_cmp(((const struct named *)a)->name, ((const struct named *)b)->name);
}

static enum code index_sort(struct launchform *f, const char *what, struct index *x)
{
    if (x->n)
        qsort(x->p, x->n, sizeof(*x->p), by_name);
    for (size_t i = 1; i < x->n; i++)
        if (str_eq(x->p[i].name, x->p[i - 1].name))
            return fail(f->cx, CODE_INVALID_ARGUMENT, "%s: \"" STR_FMT "\" is there twice", what,
                        STR_ARG(str_head(x->p[i].name, NAME_SHOWN)));
    return CODE_OK;
}

static const void *index_find(const struct index *x, str name)
{
    struct named key = {.name = name};
    const struct named *hit = x->n ? bsearch(&key, x->p, x->n, sizeof(*x->p), by_name) : NULL;
    return hit ? hit->thing : NULL;
}

static enum code index_open(struct launchform *f, size_t n, struct index *x)
{
    TRY(launchform_step(f, 0, n * sizeof(*x->p)));
    x->n = 0;
    x->p = arena_new_array(f->cx->mem, struct named, n);
    return CODE_OK;
}

static void index_add(struct index *x, str name, const void *thing)
{
    x->p[x->n++] = (struct named){name, thing};
}

static enum code check_variables(struct launchform *f, const CoreVariableMap *variables)
{
    struct index x;
    TRY(index_open(f, variables->variables.n, &x));
    for (size_t i = 0; i < variables->variables.n; i++)
        index_add(&x, variables->variables.p[i]->key, variables->variables.p[i]);
    return index_sort(f, "variables", &x);
}

/* ---- one field --------------------------------------------------------------------------------------------------- */

struct form {
    GoogleProtobufValue *root, *properties, *required;
};

/* Of an object that was made here, and so is not sorted; NULL when it is none or not there. */
static GoogleProtobufStruct *made(GoogleProtobufStruct *object, str key)
{
    for (size_t i = 0; object && i < object->fields.n; i++)
        if (str_eq(object->fields.p[i].key, key) &&
            object->fields.p[i].value->kind_case == GoogleProtobufValue_struct_value_tag)
            return object->fields.p[i].value->struct_value;
    return NULL;
}

/* A file's parts are three fields of the form, so each has its default. */
static void set_blob_default(struct arena *mem, GoogleProtobufStruct *schema, const GoogleProtobufStruct *blob)
{
    GoogleProtobufStruct *properties = made(schema, STR("properties"));
    for (size_t i = 0; i < blob->fields.n; i++) {
        GoogleProtobufStruct *part = made(properties, blob->fields.p[i].key);
        if (part)
            launchform_set(mem, part, STR("default"), blob->fields.p[i].value);
    }
}

static bool allows_none(const CoreLiteralType *t)
{
    if (!t || t->type_case != CoreLiteralType_union_type_tag)
        return false;
    for (size_t i = 0; i < t->union_type->variants.n; i++)
        if (launchform_is_simple(t->union_type->variants.p[i], CORE_NONE))
            return true;
    return false;
}

/* Which variant the literal says it is: two types may have the same values in JSON, such as text and times. SIZE_MAX when
 * none has its tag and kind. */
static size_t variant_of(const CoreLiteral *l, const CoreLiteralType *t)
{
    const CoreScalar *s = l && l->value_case == CoreLiteral_scalar_tag ? l->scalar : NULL;
    const CoreLiteralType *have = s && s->value_case == CoreScalar_union_tag ? s->union_->type : NULL;
    if (!have || !have->structure || !t || t->type_case != CoreLiteralType_union_type_tag)
        return SIZE_MAX;
    size_t like = SIZE_MAX;
    for (size_t i = t->union_type->variants.n; i-- > 0;) {
        const CoreLiteralType *v = t->union_type->variants.p[i];
        if (pb_equal(&CoreLiteralType_type, v, have))
            return i;
        if (v->structure && str_eq(v->structure->tag, have->structure->tag) && v->type_case == have->type_case)
            like = i;
    }
    return like;
}

static void set_default(struct arena *mem, GoogleProtobufStruct *schema, const CoreLiteralType *t, const CoreLiteral *l,
                        GoogleProtobufValue *v)
{
    const GoogleProtobufStruct *object = launchform_as_object(v);
    size_t variant = variant_of(l, t);
    str uri;
    if (t && t->type_case == CoreLiteralType_blob_tag && launchform_get_text(object, STR("uri"), &uri)) {
        set_blob_default(mem, schema, object);
        return;
    }
    launchform_set(mem, schema, STR("default"), v);
    if (variant != SIZE_MAX)
        launchform_set(mem, schema, STR("variant"), launchform_integer(mem, (int64_t)variant));
}

/* literal: NULL = no default. */
static enum code add_field(struct launchform *f, struct form *form, str name, const CoreVariable *variable,
                           const CoreLiteral *literal, bool optional)
{
    struct arena *mem = f->cx->mem;
    const CoreLiteralType *t = variable ? variable->type : NULL;
    struct launchform_path properties = {NULL, STR("properties")}, path = {&properties, name};
    GoogleProtobufValue *field = launchform_object(mem), *v = NULL;
    f->path = &path;
    TRY(launchform_schema(f, t, FIELD_DEPTH, &field->struct_value));
    if (literal) {
        TRY(launchform_value(f, literal, DEFAULT_DEPTH, &v));
        set_default(mem, field->struct_value, t, literal, v);
    }
    if (variable && variable->description.n && !str_eq(variable->description, name))
        launchform_set(mem, field->struct_value, STR("description"), launchform_text(mem, variable->description));
    launchform_put_key(mem, form->properties->struct_value, name, field);
    if (!optional && !allows_none(t) && !(v && launchform_is_simple(t, CORE_NONE)))
        launchform_append(mem, form->required, launchform_text(mem, name));
    return CODE_OK;
}

static void form_init(struct arena *mem, struct form *form)
{
    form->root = launchform_object(mem);
    form->properties = launchform_object(mem);
    form->required = launchform_array(mem);
    launchform_put(mem, form->root, "type", launchform_text(mem, STR("object")));
    launchform_put(mem, form->root, "title", launchform_text(mem, STR("Launch Form")));
    launchform_put(mem, form->root, "properties", form->properties);
    launchform_put(mem, form->root, "required", form->required);
}

/* ---- from a task ------------------------------------------------------------------------------------------------- */

static enum code add_task_field(struct launchform *f, struct form *form, const CoreVariableEntry *e,
                                const struct index *parameters)
{
    const CoreParameter *p = index_find(parameters, e->key);
    int32_t behavior = p ? p->behavior_case : 0;
    const CoreLiteral *literal = behavior == CoreParameter_default_tag ? p->default_ : NULL;
    return add_field(f, form, e->key, e->value, literal,
                     literal || (behavior == CoreParameter_required_tag && !p->required));
}

static enum code index_parameters(struct launchform *f, const TaskTaskSpec *task, struct index *x)
{
    TRY(index_open(f, task->default_inputs.n, x));
    for (size_t i = 0; i < task->default_inputs.n; i++)
        index_add(x, task->default_inputs.p[i]->name, task->default_inputs.p[i]->parameter);
    return index_sort(f, "default_inputs", x);
}

enum code launchform_from_task(struct ctx *cx, const TaskTaskSpec *task, const struct launchform_source *source,
                               GoogleProtobufStruct **out)
{
    struct launchform f = {.cx = cx, .source = source};
    const CoreTypedInterface *interface = task && task->task_template ? task->task_template->interface : NULL;
    struct index parameters;
    struct form form;
    form_init(cx->mem, &form);
    *out = form.root->struct_value;
    if (!interface || !interface->inputs)
        return CODE_OK;
    TRY(check_variables(&f, interface->inputs));
    TRY(index_parameters(&f, task, &parameters));
    for (size_t i = 0; i < interface->inputs->variables.n; i++) {
        const CoreVariableEntry *e = interface->inputs->variables.p[i];
        if (add_task_field(&f, &form, e, &parameters) != CODE_OK)
            return fail_wrap(cx, STR_FMT, STR_ARG(str_head(e->key, NAME_SHOWN)));
    }
    return CODE_OK;
}

/* ---- from literals ----------------------------------------------------------------------------------------------- */

static enum code index_literals(struct launchform *f, const struct launchform_literals *literals, struct index *x)
{
    TRY(index_open(f, literals->n, x));
    for (size_t i = 0; i < literals->n; i++)
        index_add(x, literals->p[i]->name, literals->p[i]);
    return index_sort(f, "literals", x);
}

enum code launchform_from_literals(struct ctx *cx, const CoreVariableMap *variables,
                                   const struct launchform_literals *literals, const struct launchform_source *source,
                                   GoogleProtobufStruct **out)
{
    struct launchform f = {.cx = cx, .source = source};
    struct index by_literal;
    struct form form;
    form_init(cx->mem, &form);
    *out = form.root->struct_value;
    if (!variables)
        return CODE_OK;
    TRY(check_variables(&f, variables));
    TRY(index_literals(&f, literals, &by_literal));
    for (size_t i = 0; i < variables->variables.n; i++) {
        const CoreVariableEntry *e = variables->variables.p[i];
        const TaskNamedLiteral *l = index_find(&by_literal, e->key);
        static const CoreLiteral none;
        if (l && add_field(&f, &form, e->key, e->value, l->value ? l->value : &none, false) != CODE_OK)
            return fail_wrap(cx, STR_FMT, STR_ARG(str_head(e->key, NAME_SHOWN)));
    }
    return CODE_OK;
}
