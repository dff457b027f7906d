/* Inputs as files for a container that knows nothing of Flyte, and its files as outputs. Calls block: a process of its own.
 *
 * In a folder of inputs there is for each input x:
 *   text          x: a number in decimal, true or false, the text itself, RFC 3339, 1h2m3.5s; without a line break
 *   a file        x: its bytes; with named: x/<its own name>
 *   a folder      x/...
 *   a list, a map x/0, x/1, ...; x/<key>
 *   nothing       x: null
 * and inputs.pb (core.LiteralMap, URIs replaced by paths) with inputs.json or inputs.yaml. Outputs are read from the same
 * form. */
#ifndef COPILOT_COPILOT_H
#define COPILOT_COPILOT_H

#include "base/ctx.h"
#include "object/client.h"

#define COPILOT_INPUTS_MAX ((size_t)64 << 20)
#define COPILOT_OUTPUTS_MAX ((size_t)64 << 20)
/* Of the file of an output that is no blob. */
#define COPILOT_TEXT_MAX ((size_t)10 << 20)
/* Files that one input or output may have. */
#define COPILOT_FILES_MAX ((size_t)100000)

enum copilot_format { COPILOT_JSON, COPILOT_YAML, COPILOT_PROTO };

struct copilot_download {
    const struct object_client *from;
    str inputs; /* URI of inputs.pb; empty = no inputs */
    int folder; /* an empty one to write to */
    str shown;  /* how the container calls it: paths in inputs.* */
    enum copilot_format format;
    bool named; /* files keep their names (NAMED_DIR) */
};
/* Errors: those of object/client.h; INVALID_ARGUMENT for inputs that cannot be files. */
must_check_ enum code copilot_download(struct ctx *cx, const struct copilot_download *d);

struct copilot_upload {
    const struct object_client *to;
    int folder;      /* what the container wrote. Nothing else writes to it any more, but it is not trusted */
    str interface;   /* core.TypedInterface: the declared outputs */
    str raw, prefix; /* URIs: blobs go to raw/<name>, and last of all outputs.pb to the prefix */
};
/* Errors: those of object/client.h; ABORTED with the text of the file _ERROR when the container left one;
 * FAILED_PRECONDITION for an output that is missing or wrong, naming it. */
must_check_ enum code copilot_upload(struct ctx *cx, const struct copilot_upload *u);

/* Writes error.pb: how an attempt ended badly that has no SDK to say so. system: not the user's fault. It may be tried
 * again. */
must_check_ enum code copilot_put_error(struct ctx *cx, const struct object_client *to, str prefix, str code,
                                        str message, bool system);

#endif
