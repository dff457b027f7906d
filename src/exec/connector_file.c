/* See connector_file.h. */
#include "exec/connector_file.h"

#include "base/codec.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/vec.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

/* In base64, and the texts. */
#define FILE_MAX (2 * (EXEC_CONNECTOR_META_MAX + EXEC_CONNECTOR_SEALED_MAX))

static str folder(struct ctx *cx, str data_dir)
{
    return arena_concat(cx->mem, data_dir, STR("/run/connectors"));
}

static str path_of(struct ctx *cx, str data_dir, struct exec_key key)
{
    return arena_printf(cx->mem, "%s/%" PRIu64 "-%u", folder(cx, data_dir).p, key.action_id, key.attempt);
}

static void put_text(buf *b, const char *key, str value)
{
    buf_printf(b, "\"%s\":", key);
    json_put_str(b, value);
    buf_char(b, ',');
}

enum code exec_connector_file_write(struct ctx *cx, str data_dir, const struct exec_connector_record *r)
{
    buf b;
    buf_init_arena(&b, cx->mem, FILE_MAX);
    buf_str(&b, STR("{"));
    put_text(&b, "connector", r->connector);
    put_text(&b, "type", r->type);
    put_text(&b, "output_prefix", r->output_prefix);
    put_text(&b, "meta", codec_base64_encode(cx->mem, r->meta));
    put_text(&b, "sealed", codec_base64_encode(cx->mem, r->sealed));
    buf_printf(&b, "\"version\":%d,\"has_outputs\":%s}\n", r->version, r->has_outputs ? "true" : "false");
    if (b.failed)
        return fail(cx, CODE_RESOURCE_EXHAUSTED, "what is to be kept of the job is larger than %zu bytes", FILE_MAX);
    TRY(file_mkdirs(cx, folder(cx, data_dir).p, 0700));
    return file_write(cx, path_of(cx, data_dir, r->key).p, buf_view(&b), 0600);
}

void exec_connector_file_remove(struct ctx *cx, str data_dir, struct exec_key key)
{
    str path = path_of(cx, data_dir, key);
    if (unlink(path.p) != 0 && errno != ENOENT)
        log_warn(cx, "the record of a connector's job stays", LOG_STR("file", path), LOG_CSTR("why", strerror(errno)));
}

static bool read_bytes(struct ctx *cx, const struct json *doc, str key, str *out)
{
    return codec_base64_decode(cx->mem, json_text(json_get(doc, key), STR("")), out);
}

static enum code read_one(struct ctx *cx, str data_dir, struct exec_connector_record *r)
{
    str path = path_of(cx, data_dir, r->key), text;
    struct json *doc;
    TRY(file_read(cx, path.p, FILE_MAX, &text));
    if (json_parse(cx, text, &doc) != CODE_OK || !read_bytes(cx, doc, STR("meta"), &r->meta) ||
        !read_bytes(cx, doc, STR("sealed"), &r->sealed))
        return fail(cx, CODE_DATA_LOSS, "%s cannot be read; remove it to forget the job", path.p);
    r->connector = json_text(json_get(doc, STR("connector")), STR(""));
    r->type = json_text(json_get(doc, STR("type")), STR(""));
    r->version = (int32_t)json_i64(json_get(doc, STR("version")), 0);
    r->output_prefix = json_text(json_get(doc, STR("output_prefix")), STR(""));
    r->has_outputs = json_bool(json_get(doc, STR("has_outputs")), false);
    return CODE_OK;
}

/* Other names are what a write left that was cut off. */
static bool parse_name(str name, struct exec_key *out)
{
    str id, number;
    uint64_t attempt;
    if (!str_cut(name, '-', &id, &number) || !str_to_u64(id, &out->action_id) || !str_to_u64(number, &attempt) ||
        attempt > UINT32_MAX)
        return false;
    out->attempt = (uint32_t)attempt;
    return true;
}

enum code exec_connector_file_list(struct ctx *cx, str data_dir, struct exec_connector_record **out, size_t *n)
{
    VEC(struct exec_connector_record) v = {0};
    cleanup_(file_close_dir) DIR *d = opendir(folder(cx, data_dir).p);
    struct dirent *e;
    struct exec_key key;
    *out = NULL;
    *n = 0;
    if (!d)
        return errno == ENOENT ? CODE_OK : fail_errno(cx, "%s", folder(cx, data_dir).p);
    while ((e = readdir(d))) {
        if (!parse_name(str_from(e->d_name), &key))
            continue;
        struct exec_connector_record *r = vec_push(&v, cx->mem);
        r->key = key;
        TRY(read_one(cx, data_dir, r));
    }
    *out = v.p;
    *n = v.n;
    return CODE_OK;
}
