/* What is kept on disk of a job that a connector runs: <data>/run/connectors/<action id>-<attempt>, a JSON object. */
#ifndef EXEC_CONNECTOR_FILE_H
#define EXEC_CONNECTOR_FILE_H

#include "exec/exec.h"

/* What a connector may want to have kept for a job. */
#define EXEC_CONNECTOR_META_MAX ((size_t)1 << 20)

struct exec_connector_record {
    struct exec_key key;
    str connector, type; /* whose job; task type */
    int32_t version;
    str output_prefix;
    bool has_outputs;
    str meta;   /* the connector's handle of the job */
    str sealed; /* core.Connection, sealed; empty = none */
};

/* Durable when it returns. */
must_check_ enum code exec_connector_file_write(struct ctx *cx, str data_dir, const struct exec_connector_record *r);
/* Nothing there is no error. */
void exec_connector_file_remove(struct ctx *cx, str data_dir, struct exec_key key);
/* All of them, in cx->mem; one that cannot be read is an error: its job would be forgotten. */
must_check_ enum code exec_connector_file_list(struct ctx *cx, str data_dir, struct exec_connector_record **out,
                                               size_t *n);

#endif
