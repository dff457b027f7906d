/* The running server's file. */
#include "cli/state.h"

#include "base/file.h"
#include "base/json.h"

#include <unistd.h>

static const char *state_path(struct ctx *cx, str data_dir)
{
    return arena_printf(cx->mem, STR_FMT "/run/server.json", STR_ARG(data_dir)).p;
}

bool cli_state_start_time(struct ctx *cx, int64_t pid, int64_t *out)
{
    str stat, field = STR_NONE;
    if (pid <= 0 || pid > INT32_MAX)
        return false;
    const char *path = arena_printf(cx->mem, "/proc/%lld/stat", (long long)pid).p;
    if (file_read(cx, path, 4096, &stat) != CODE_OK) {
        ctx_clear_err(cx);
        return false;
    }
    stat = str_skip(stat, str_rfind_char(stat, ')') + 2); /* the name may hold anything; field 3 is next */
    for (int i = 3; i <= 22; i++)
        if (!str_next(&stat, ' ', &field))
            return false;
    return str_to_i64(field, out);
}

enum code cli_state_write(struct ctx *cx, str data_dir, str api, str s3)
{
    int64_t start = 0;
    buf b;
    buf_init_arena(&b, cx->mem, 4096);
    if (!cli_state_start_time(cx, getpid(), &start))
        return fail(cx, CODE_FAILED_PRECONDITION, "/proc is not mounted");
    buf_printf(&b, "{\"pid\": %lld, \"start_time\": %lld, \"api\": ", (long long)getpid(), (long long)start);
    json_put_str(&b, api);
    buf_str(&b, STR(", \"s3\": "));
    json_put_str(&b, s3);
    buf_str(&b, STR("}\n"));
    TRY(file_mkdirs(cx, arena_printf(cx->mem, STR_FMT "/run", STR_ARG(data_dir)).p, 0700));
    return file_write(cx, state_path(cx, data_dir), buf_view(&b), 0600);
}

void cli_state_remove(struct ctx *cx, str data_dir)
{
    unlink(state_path(cx, data_dir));
}

enum code cli_state_find(struct ctx *cx, str data_dir, struct cli_state **out)
{
    const char *path = state_path(cx, data_dir);
    struct json *v;
    str text;
    int64_t start;
    *out = NULL;
    enum code code = file_read(cx, path, 4096, &text);
    if (code == CODE_NOT_FOUND) {
        ctx_clear_err(cx);
        return CODE_OK;
    }
    TRY(code);
    if (json_parse(cx, text, &v) != CODE_OK || json_i64(json_get(v, STR("pid")), 0) <= 0)
        return fail(cx, CODE_DATA_LOSS, "%s is damaged", path);
    struct cli_state *s = arena_new(cx->mem, struct cli_state);
    s->pid = json_i64(json_get(v, STR("pid")), 0);
    s->start_time = json_i64(json_get(v, STR("start_time")), 0);
    s->api = json_text(json_get(v, STR("api")), STR(""));
    s->s3 = json_text(json_get(v, STR("s3")), STR(""));
    if (cli_state_start_time(cx, s->pid, &start) && start == s->start_time)
        *out = s;
    return CODE_OK;
}
