/* The checks of `tern doctor`. Private to cli/. */
#ifndef CLI_DOCTOR_INT_H
#define CLI_DOCTOR_INT_H

#include "base/ctx.h"
#include "config/config.h"

enum doctor_state { DOCTOR_OK, DOCTOR_WARN, DOCTOR_FAIL };

/* text: what was found; fix: what to do, for all but DOCTOR_OK. Both live in cx->mem. */
struct doctor_result {
    enum doctor_state state;
    str text, fix;
};

/* Fills *r, which begins as an empty DOCTOR_OK; what it leaves in cx->err is forgotten. */
typedef void doctor_fn(struct ctx *cx, const struct config *c, struct doctor_result *r);

/* doctor_machine.c */
doctor_fn doctor_kernel, doctor_proc, doctor_clock, doctor_data, doctor_disk, doctor_files, doctor_ports,
    doctor_localhost, doctor_cgroup;
/* doctor_software.c */
doctor_fn doctor_settings, doctor_python, doctor_start, doctor_images, doctor_tar, doctor_requests, doctor_containers,
    doctor_client;

#endif
