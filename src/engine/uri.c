/* URIs of actions. See uri.h. */
#include "engine/uri.h"

#include "object/object.h"

str engine_uri_attempt(struct arena *mem, const struct store_run *run, str action, uint32_t attempt)
{
    return arena_printf(mem, STR_FMT "/" STR_FMT "/%u", STR_ARG(run->base_uri), STR_ARG(action), attempt);
}

str engine_uri_inputs(struct arena *mem, str input_uri)
{
    return object_uri_file(mem, input_uri, STR("inputs.pb"));
}

enum code engine_uri_get(struct ctx *cx, struct app *app, str uri, size_t max, str *out)
{
    str bucket, key;
    TRY(object_uri_parse(cx, "uri", uri, &bucket, &key));
    return object_get(cx, app->objects, bucket, key, max, out);
}

enum code engine_uri_exists(struct ctx *cx, struct app *app, str uri, bool *out)
{
    str bucket, key;
    struct object_info info;
    TRY(object_uri_parse(cx, "uri", uri, &bucket, &key));
    enum code c = object_stat(cx, app->objects, bucket, key, &info);
    if (c != CODE_OK && c != CODE_NOT_FOUND)
        return c;
    *out = c == CODE_OK;
    ctx_clear_err(cx);
    return CODE_OK;
}

enum code engine_uri_put(struct ctx *cx, struct app *app, str uri, str bytes)
{
    return engine_uri_put_many(cx, app, &(struct engine_uri_object){uri, bytes}, 1);
}

enum code engine_uri_put_many(struct ctx *cx, struct app *app, const struct engine_uri_object *list, size_t n)
{
    struct object_new *objects = arena_new_array(cx->mem, struct object_new, n);
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        if (!list[i].uri.n)
            continue;
        struct object_new *o = &objects[count++];
        TRY(object_uri_parse(cx, "uri", list[i].uri, &o->bucket, &o->key));
        o->bytes = list[i].bytes;
    }
    return count ? object_put_many(cx, app->objects, STR("application/octet-stream"), objects, count) : CODE_OK;
}
