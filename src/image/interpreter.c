/* See interpreter.h. A build has the HOME of tasks, so the account's own home is looked up. */
#include "image/interpreter.h"

#include "base/buf.h"
#include "image/process.h"

#include <glob.h>
#include <pwd.h>
#include <stdio.h>
#include <unistd.h>

/* Where pythonX.Y may be; "~" is the account's home. */
static const char *const places[] = {
    "/usr/local/bin/python%s",
    "~/.local/bin/python%s",
    "~/.pyenv/versions/%s*/bin/python%s",
    "/opt/pyenv/versions/%s*/bin/python%s",
    "~/.local/share/uv/python/cpython-%s*/bin/python%s",
};

static bool is_version(str v)
{
    for (size_t i = 0; i < v.n; i++)
        if (v.p[i] != '.' && (v.p[i] < '0' || v.p[i] > '9'))
            return false;
    return true;
}

static bool is_of(struct ctx *cx, const char *python, str version)
{
    str test = arena_printf(cx->mem, "import sys; sys.exit('%%d.%%d' %% sys.version_info[:2] != '" STR_FMT "')",
                            STR_ARG(version));
    const char *const argv[] = {python, "-c", test.p, NULL};
    return image_process_succeeds(argv);
}

/* "%s" is the version, "~" the home. */
static str pattern_of(struct ctx *cx, const char *place, const char *home, str version)
{
    buf b;
    buf_init_arena(&b, cx->mem, 4096);
    for (const char *c = place; *c; c++) {
        if (*c == '~')
            buf_str(&b, str_from(home));
        else if (*c == '%' && c[1] == 's' && c++)
            buf_str(&b, version);
        else
            buf_char(&b, *c);
    }
    return buf_view(&b);
}

static bool look_in(struct ctx *cx, str pattern, str version, str *out)
{
    glob_t found = {0};
    bool good = false;
    if (glob(pattern.p, 0, NULL, &found) == 0)
        for (size_t i = found.gl_pathc; i > 0 && !good; i--) /* the last is the newest, mostly */
            if ((good = is_of(cx, found.gl_pathv[i - 1], version)))
                *out = arena_str(cx->mem, str_from(found.gl_pathv[i - 1]));
    globfree(&found);
    return good;
}

enum code image_interpreter_find(struct ctx *cx, str version, str ours, str *out)
{
    const struct passwd *user = getpwuid(geteuid());
    str named = arena_printf(cx->mem, "python" STR_FMT, STR_ARG(version));
    if (!is_version(version))
        return fail(cx, CODE_INVALID_ARGUMENT, "python_version: \"" STR_FMT "\" is none", STR_ARG(version));
    *out = ours;
    if (version.n == 0 || is_of(cx, ours.p, version))
        return CODE_OK;
    *out = named;
    if (is_of(cx, named.p, version))
        return CODE_OK;
    for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
        str pattern = pattern_of(cx, places[i], user ? user->pw_dir : "/nonexistent", version);
        if (look_in(cx, pattern, version, out))
            return CODE_OK;
    }
    return fail(cx, CODE_FAILED_PRECONDITION,
                "the image asks for Python " STR_FMT ", which is not on this machine: uv python install " STR_FMT
                ", pyenv install " STR_FMT " or apt-get install python" STR_FMT "-venv; or ask for that of %.60s",
                STR_ARG(version), STR_ARG(version), STR_ARG(version), STR_ARG(version), ours.p);
}
