/* Topics: who waits for a change of what. A state change publishes; after its commit every subscriber is told once.
 *
 * A topic is level-triggered: firing says "look again", never what changed. Firings between two looks are one. */
#ifndef LANE_TOPIC_H
#define LANE_TOPIC_H

#include "base/ctx.h"

/* kind says what id1 and id2 are; see topic.def. */
enum topic_kind {
#define TOPIC(id, help) TOPIC_##id,
#include "lane/topic.def"
#undef TOPIC
};

struct topic_key {
    enum topic_kind kind;
    uint64_t id1, id2;
};

static inline bool topic_key_eq(struct topic_key a, struct topic_key b)
{
    return a.kind == b.kind && a.id1 == b.id1 && a.id2 == b.id2;
}

struct topics;
struct topic_sub;

typedef void topic_fn(void *arg);

struct topics *topics_new(void);
void topics_free(struct topics *t);

/* fn(arg) runs on the publishing thread after the commit: it must only mark and wake (loop_post), and must not call
 * functions of this file: the topic is locked. Subscribe before the first read, so that no change is lost. Any thread.
 */
struct topic_sub *topic_subscribe(struct topics *t, struct topic_key key, topic_fn *fn, void *arg);
/* All zero when sub is NULL. */
struct topic_key topic_sub_key(const struct topic_sub *sub);
/* After this returns fn is not running and will not run again. Accepts NULL. */
void topic_unsubscribe(struct topics *t, struct topic_sub *sub);

/* Inside a write entry: fires after the commit and the replies, not at all on rollback; the same key twice in a batch
 * fires once. Where there is no write lane (a test with a plain connection) it fires at once. */
void topic_publish(struct ctx *cx, struct topic_key key);
/* Outside a transaction (log files, health): fires now. Any thread. */
void topic_fire(struct topics *t, struct topic_key key);

#endif
