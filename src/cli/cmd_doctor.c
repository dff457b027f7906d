/* tern doctor: looks at the machine and says, a line each, what would not work and how to mend it. Changes nothing. */
#include "cli/cli.h"

#include "cli/doctor_int.h"

const struct cli_option cli_cmd_doctor_options[] = {{0}};

static const struct {
    const char *name;
    doctor_fn *run;
} checks[] = {
    {"kernel", doctor_kernel}, /* in the order of the answer */
    {"/proc", doctor_proc},
    {"clock", doctor_clock},
    {"settings", doctor_settings},
    {"data folder", doctor_data},
    {"disk", doctor_disk},
    {"files", doctor_files},
    {"ports", doctor_ports},
    {"localhost", doctor_localhost},
    {"task memory", doctor_cgroup},
    {"task python", doctor_python},
    {"task start", doctor_start},
    {"images", doctor_images},
    {"tar", doctor_tar},
    {"containers", doctor_containers},
    {"requests", doctor_requests},
    {"client", doctor_client},
};

static void put(buf *out, const char *name, const struct doctor_result *r)
{
    static const char *const words[] = {"ok", "warn", "fail"};
    buf_printf(out, "%-5s %-12s ", words[r->state], name);
    buf_visible(out, r->text);
    if (r->fix.n) {
        buf_str(out, STR("\n                   fix: "));
        buf_visible(out, r->fix);
    }
    buf_char(out, '\n');
}

enum code cli_cmd_doctor(struct ctx *cx, int argc, char **argv)
{
    struct config *c;
    int counts[3] = {0};
    TRY(config_load(cx, &argc, argv, &c));
    TRY(cli_args(cx, cli_cmd_doctor_options, NULL, &argc, argv, 0, 0));
    for (size_t i = 0; i < sizeof(checks) / sizeof(*checks); i++) {
        struct doctor_result r = {.state = DOCTOR_OK, .text = STR(""), .fix = STR("")};
        buf out;
        buf_init_arena(&out, cx->mem, 16384);
        checks[i].run(cx, c, &r);
        ctx_clear_err(cx);
        counts[r.state]++;
        put(&out, checks[i].name, &r);
        TRY(cli_print(cx, buf_view(&out)));
    }
    if (counts[DOCTOR_FAIL])
        return fail(cx, CODE_FAILED_PRECONDITION, "%d of %zu checks failed", counts[DOCTOR_FAIL],
                    sizeof(checks) / sizeof(*checks));
    return cli_print(cx, counts[DOCTOR_WARN] ? STR("\nTern works here; see the warnings.\n") : STR("\nAll is well.\n"));
}
