/* A few threads that take jobs in order. Used for what blocks: reading the index, writing and syncing files. */
#ifndef OBJECT_S3_WORK_INT_H
#define OBJECT_S3_WORK_INT_H

#include "base/ctx.h"

struct object_s3_work;

/* Intrusive: the caller owns it until run() has begun. */
struct object_s3_job {
    struct object_s3_job *next;
    void (*run)(struct object_s3_job *job);
};

must_check_ enum code object_s3_work_start(struct ctx *cx, int threads, struct object_s3_work **out);
/* Any thread. */
void object_s3_work_submit(struct object_s3_work *w, struct object_s3_job *job);
/* Runs what is queued, then joins. Accepts NULL. */
void object_s3_work_stop(struct object_s3_work *w);

#endif
