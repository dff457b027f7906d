/* ImageService: which images there are. Absent ones are built by the task build-image (image/). Work lane: it looks at
 * files. */
#include "app.h"
#include "gen/flyteidl2_imagebuilder.h"
#include "gen/services.h"
#include "image/task.h"

#define NAME_MAX_BYTES 512

/* NULL unless it is "project/domain/name". */
static CommonRunIdentifier *build_run(struct ctx *cx, str text)
{
    CommonRunIdentifier *id = pb_new(cx->mem, CommonRunIdentifier);
    str rest;
    bool whole = str_cut(text, '/', &id->project, &rest) && str_cut(rest, '/', &id->domain, &id->name);
    return whole ? id : NULL;
}

enum code ImageService_GetImage(struct ctx *cx, const ImagebuilderGetImageRequest *req,
                                ImagebuilderGetImageResponse *rsp)
{
    str name = req->id->name, run;
    if (name.n > NAME_MAX_BYTES)
        return fail(cx, CODE_INVALID_ARGUMENT, "id.name: at most %d bytes", NAME_MAX_BYTES);
    if (!image_exists(cx, cx->app->data_dir, name, &run))
        return fail(cx, CODE_NOT_FOUND, "image " STR_FMT " was not built here yet", STR_ARG(name));
    rsp->image = pb_new(cx->mem, ImagebuilderImage);
    rsp->image->id = pb_new(cx->mem, ImagebuilderImageIdentifier);
    rsp->image->id->name = name;
    rsp->image->fqin = name;
    rsp->image->build_run = build_run(cx, run);
    return CODE_OK;
}
