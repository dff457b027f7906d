/* Topics: a hash table in shards, each under its lock; a topic exists while somebody subscribes to it. Any thread. */
#include "lane/topic.h"

#include "app.h"
#include "base/list.h"
#include "base/mem.h"
#include "lane/lane_int.h"

#define SHARDS 64
#define BUCKETS_MIN 8

struct topic {
    struct topic *next; /* of the bucket */
    struct topic_key key;
    struct list subs;
};

struct topic_sub {
    struct list node;
    struct topic *topic;
    topic_fn *fn;
    void *arg;
};

struct shard {
    pthread_mutex_t lock;
    struct topic **buckets;
    size_t n, cap;
};

struct topics {
    struct shard shards[SHARDS];
};

static uint64_t hash(struct topic_key k)
{
    uint64_t h = (k.id1 ^ (uint64_t)k.kind << 56) * UINT64_C(0x9e3779b97f4a7c15);
    h = (h ^ h >> 32 ^ k.id2) * UINT64_C(0xbf58476d1ce4e5b9);
    return h ^ h >> 31;
}

static struct shard *shard_of(struct topics *t, struct topic_key key)
{
    return &t->shards[hash(key) % SHARDS];
}

/* The link that points to the topic of this key, or the end of its bucket. The table is not empty. */
static struct topic **find(struct shard *s, struct topic_key key)
{
    struct topic **at = &s->buckets[hash(key) / SHARDS & (s->cap - 1)];
    while (*at && !topic_key_eq((*at)->key, key))
        at = &(*at)->next;
    return at;
}

static void grow(struct shard *s)
{
    struct topic **old = s->buckets;
    size_t n = s->cap;
    s->cap = n ? n * 2 : BUCKETS_MIN;
    s->buckets = mem_alloc_array(s->cap, sizeof(struct topic *));
    for (size_t i = 0; i < n; i++)
        for (struct topic *t = old[i], *next; t; t = next) {
            struct topic **at = find(s, t->key);
            next = t->next;
            t->next = NULL;
            *at = t;
        }
    mem_free(old);
}

struct topics *topics_new(void)
{
    struct topics *t = mem_new(struct topics);
    for (size_t i = 0; i < SHARDS; i++)
        pthread_mutex_init(&t->shards[i].lock, NULL);
    return t;
}

static void free_topic(struct topic *t)
{
    while (!list_empty(&t->subs)) {
        struct topic_sub *sub = container_of(t->subs.next, struct topic_sub, node);
        list_del(&sub->node);
        mem_free(sub);
    }
    mem_free(t);
}

void topics_free(struct topics *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *s = &t->shards[i];
        for (size_t b = 0; b < s->cap; b++)
            for (struct topic *at = s->buckets[b], *next; at; at = next) {
                next = at->next;
                free_topic(at);
            }
        mem_free(s->buckets);
    }
    mem_free(t);
}

static struct topic *find_or_add(struct shard *s, struct topic_key key)
{
    if (s->n >= s->cap)
        grow(s);
    struct topic **at = find(s, key);
    if (!*at) {
        *at = mem_new(struct topic);
        (*at)->key = key;
        list_init(&(*at)->subs);
        s->n++;
    }
    return *at;
}

struct topic_sub *topic_subscribe(struct topics *t, struct topic_key key, topic_fn *fn, void *arg)
{
    struct shard *s = shard_of(t, key);
    struct topic_sub *sub = mem_new(struct topic_sub);
    sub->fn = fn;
    sub->arg = arg;
    pthread_mutex_lock(&s->lock);
    sub->topic = find_or_add(s, key);
    list_add(&sub->topic->subs, &sub->node);
    pthread_mutex_unlock(&s->lock);
    return sub;
}

struct topic_key topic_sub_key(const struct topic_sub *sub)
{
    return sub ? sub->topic->key : (struct topic_key){0};
}

void topic_unsubscribe(struct topics *t, struct topic_sub *sub)
{
    if (!sub)
        return;
    struct shard *s = shard_of(t, sub->topic->key);
    pthread_mutex_lock(&s->lock);
    list_del(&sub->node);
    if (list_empty(&sub->topic->subs)) {
        struct topic **at = find(s, sub->topic->key);
        *at = sub->topic->next;
        mem_free(sub->topic);
        s->n--;
    }
    pthread_mutex_unlock(&s->lock);
    mem_free(sub);
}

void topic_fire(struct topics *t, struct topic_key key)
{
    struct shard *s = shard_of(t, key);
    pthread_mutex_lock(&s->lock);
    struct topic *at = s->cap ? *find(s, key) : NULL;
    if (at)
        for (struct list *l = at->subs.next; l != &at->subs; l = l->next) {
            struct topic_sub *sub = container_of(l, struct topic_sub, node);
            sub->fn(sub->arg);
        }
    pthread_mutex_unlock(&s->lock);
}

void topic_publish(struct ctx *cx, struct topic_key key)
{
    struct writer *w = db_owner(cx->db);
    if (w)
        lane_after_add(&w->after, &(struct after_hook){.key = key});
    else if (cx->app && cx->app->topics)
        topic_fire(cx->app->topics, key);
}
