/* See installer.h. */
#include "image/installer.h"

#include "base/embed.h"
#include "image/process.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SETTINGS_MAX ((size_t)64 << 10)
#define VERSION_MAX ((size_t)4 << 10)
#define WORDS_MAX 16

/* ---- commands ---------------------------------------------------------------------------------------------------- */

static const char **words(struct ctx *cx, const char *const *from)
{
    const char **list = arena_new_array(cx->mem, const char *, WORDS_MAX);
    for (size_t i = 0; from[i]; i++)
        list[i] = from[i];
    return list;
}

const char **image_installer_venv(struct ctx *cx, str uv, const char *python, const char *folder)
{
    const char *const by_uv[] = {uv.p, "venv", "--seed", "--python", python, folder, NULL};
    const char *const by_python[] = {python, "-m", "venv", folder, NULL};
    return words(cx, uv.n ? by_uv : by_python);
}

const char **image_installer_install(struct ctx *cx, str uv, const char *python, const char *package)
{
    const char *const by_uv[] = {uv.p, "pip", "install", "--python", python, package, NULL};
    const char *const by_pip[] = {python,       "-m",    "pip", "install", "--disable-pip-version-check",
                                  "--no-input", package, NULL};
    return words(cx, uv.n ? by_uv : by_pip);
}

/* ---- before the steps -------------------------------------------------------------------------------------------- */

/* Every tool trusts what the machine trusts, as pip does. */
static void set_variables(const char *venv)
{
    static const char machine[] = "/etc/ssl/certs/ca-certificates.crt";
    setenv("VIRTUAL_ENV", venv, 1); /* the one that uv and Poetry install into */
    setenv("UV_SYSTEM_CERTS", "true", 0);
    setenv("UV_NATIVE_TLS", "true", 0);       /* older ones */
    setenv("UV_COMPILE_BYTECODE", "true", 0); /* as pip does; else the first tasks would, each for itself */
    if (access(machine, R_OK) == 0)
        setenv("REQUESTS_CA_BUNDLE", machine, 0);                         /* Poetry */
    setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring", 0); /* nobody is there to unlock one */
}

static enum code set_pip_settings(struct ctx *cx, const char *python)
{
    const char *const argv[] = {python, "-c", embed_find(STR("image/embed/pip_settings.py")).p, NULL};
    str rest, line, name, value;
    TRY(image_process_read(cx, argv, SETTINGS_MAX, &rest));
    while (str_next(&rest, '\n', &line))
        if (str_cut(line, '=', &name, &value))
            setenv(arena_cstr(cx->mem, name), arena_cstr(cx->mem, value), 0);
    return CODE_OK;
}

enum code image_installer_prepare(struct ctx *cx, str uv, const char *python, const char *venv)
{
    const char *const ask[] = {uv.p, "--version", NULL};
    str version;
    set_variables(venv);
    TRY(set_pip_settings(cx, python));
    if (uv.n == 0) {
        puts("Packages are installed by pip; it takes less time where uv is installed (exec.local.uv)");
        return CODE_OK;
    }
    TRY(image_process_read(cx, ask, VERSION_MAX, &version));
    printf("Packages are installed by " STR_FMT ", " STR_FMT " (exec.local.uv)\n", STR_ARG(str_trim(version)),
           STR_ARG(uv));
    return CODE_OK;
}
