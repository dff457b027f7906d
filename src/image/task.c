/* Registration of build-image; look-up of images. See task.h. */
#include "image/task.h"

#include "base/embed.h"
#include "base/file.h"
#include "base/time.h"
#include "base/version.h"
#include "exec/python.h"
#include "exec/venvs.h"
#include "gen/flyteidl2_core.h"
#include "gen/flyteidl2_task.h"
#include "image/build.h"
#include "store/spec.h"
#include "store/task.h"

#include <unistd.h>

#define RUN_MAX ((size_t)1 << 10)

enum code image_task_seed(struct ctx *cx)
{
    void *message;
    struct store_task *found;
    bool changed;
    TRY(pb_json_decode(cx, &TaskTaskSpec_type, embed_find(STR("image/embed/build_image.json")), false, &message));
    TaskTaskSpec *task = message;
    CoreIdentifier *id = task->task_template->id;
    id->version = STR(TERN_VERSION);
    TRY(store_task_find(cx, id->project, id->domain, id->name, id->version, &found));
    struct store_spec spec;
    TRY(store_spec_put_task(cx, NULL, task, &spec));
    if (found && found->spec_id == spec.id)
        return CODE_OK;
    struct store_task row = {
        .task_name_id = spec.task_name_id,
        .version = spec.version,
        .spec_id = spec.id,
        .function_name = spec.name,
        .environment = spec.environment,
        .short_description = task->documentation->short_description,
        .created_ns = time_wall_ns(),
    };
    row.updated_ns = row.created_ns;
    return store_task_put(cx, &row, &changed);
}

bool image_exists(struct ctx *cx, str data_dir, str image, str *run)
{
    str link = exec_python_image_path(cx, data_dir, image);
    exec_venvs_used(cx, arena_printf(cx->mem, "%s/bin", link.p));
    if (access(arena_printf(cx->mem, "%s/" EXEC_VENVS_COMPLETE, link.p).p, F_OK) != 0)
        return false;
    if (file_read(cx, arena_printf(cx->mem, "%s/" IMAGE_BUILD_RUN, link.p).p, RUN_MAX, run) != CODE_OK) {
        ctx_clear_err(cx);
        *run = STR("");
    }
    return true;
}
