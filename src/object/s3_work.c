/* Worker threads of the S3 endpoint. See s3_work_int.h. */
#include "object/s3_work_int.h"

#include "base/mem.h"

#include <errno.h>
#include <pthread.h>

struct object_s3_work {
    pthread_mutex_t mutex;
    pthread_cond_t filled;
    struct object_s3_job *first, **last;
    bool stopping;
    int threads;
    pthread_t ids[];
};

static struct object_s3_job *take(struct object_s3_work *w)
{
    pthread_mutex_lock(&w->mutex);
    while (!w->first && !w->stopping)
        pthread_cond_wait(&w->filled, &w->mutex);
    struct object_s3_job *job = w->first;
    if (job && !(w->first = job->next))
        w->last = &w->first;
    pthread_mutex_unlock(&w->mutex);
    return job;
}

static void *worker(void *arg)
{
    struct object_s3_job *job;
    while ((job = take(arg)))
        job->run(job);
    return NULL;
}

enum code object_s3_work_start(struct ctx *cx, int threads, struct object_s3_work **out)
{
    struct object_s3_work *w = mem_alloc(sizeof(*w) + (size_t)threads * sizeof(*w->ids));
    pthread_mutex_init(&w->mutex, NULL);
    pthread_cond_init(&w->filled, NULL);
    w->last = &w->first;
    for (; w->threads < threads; w->threads++)
        if ((errno = pthread_create(&w->ids[w->threads], NULL, worker, w))) {
            enum code code = fail_errno(cx, "start a worker of the S3 endpoint");
            object_s3_work_stop(w);
            return code;
        }
    *out = w;
    return CODE_OK;
}

void object_s3_work_submit(struct object_s3_work *w, struct object_s3_job *job)
{
    job->next = NULL;
    pthread_mutex_lock(&w->mutex);
    *w->last = job;
    w->last = &job->next;
    pthread_cond_signal(&w->filled);
    pthread_mutex_unlock(&w->mutex);
}

void object_s3_work_stop(struct object_s3_work *w)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->mutex);
    w->stopping = true;
    pthread_cond_broadcast(&w->filled);
    pthread_mutex_unlock(&w->mutex);
    for (int i = 0; i < w->threads; i++)
        pthread_join(w->ids[i], NULL);
    pthread_cond_destroy(&w->filled);
    pthread_mutex_destroy(&w->mutex);
    mem_free(w);
}
