/* What makes environments and installs packages into them: uv, as the SDK's own builders do, or pip where there is none.
 *
 * uv is its path; "" = pip. Commands are arrays that end with NULL. Of options, both know --index-url, --extra-index-url,
 * --pre, --find-links, --no-deps, --no-index, --force-reinstall and -r. */
#ifndef IMAGE_INSTALLER_H
#define IMAGE_INSTALLER_H

#include "base/ctx.h"

/* Makes an environment for the interpreter python in folder, with pip in it. */
const char **image_installer_venv(struct ctx *cx, str uv, const char *python, const char *folder);
/* Installs a package into the environment of the interpreter python; NULL: what follows. */
const char **image_installer_install(struct ctx *cx, str uv, const char *python, const char *package);

/* Prints which installer it is, and sets this process's variables for the steps that follow. venv: the environment they
 * install into; python: any interpreter. What the machine has set for pip (its indexes) counts for uv too, unless uv has
 * settings of its own. Errors: FAILED_PRECONDITION when uv does not run, or pip's settings cannot be read. */
must_check_ enum code image_installer_prepare(struct ctx *cx, str uv, const char *python, const char *venv);

#endif
