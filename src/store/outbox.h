/* The outbox: messages to the outside, written with the change that they tell of and sent afterwards (notify/). A row is to
 * be sent until it has ended; ended with an error it is dead: it was given up. */
#ifndef STORE_OUTBOX_H
#define STORE_OUTBOX_H

#include "base/ctx.h"

enum store_outbox_channel { STORE_OUTBOX_NONE, STORE_OUTBOX_WEBHOOK, STORE_OUTBOX_EMAIL };

/* The rule of a condition's own webhook. */
#define STORE_OUTBOX_CONDITION (-1)

struct store_outbox {
    uint64_t id, action_id;
    int32_t phase;   /* common.ActionPhase */
    int32_t rule;    /* number within the run's rules; STORE_OUTBOX_CONDITION */
    int32_t channel; /* enum store_outbox_channel; NONE: there is nothing to send it by, which error tells */
    int64_t server;  /* hash of where it goes */
    str config;      /* empty = the delivery is in the run's or the condition's spec */
    str token;       /* of a condition's webhook */
    uint32_t attempts;
    int64_t created_ns, due_ns, ended_ns;
    str error;
};

/* Write entry. *added: id is set; false when there is a row for the same action, phase, rule and channel, which stays. */
must_check_ enum code store_outbox_add(struct ctx *cx, struct store_outbox *row, bool *added);
/* Errors: NOT_FOUND. */
must_check_ enum code store_outbox_get(struct ctx *cx, uint64_t id, struct store_outbox **out);
/* Write entry. attempts, due_ns, ended_ns and error; only while it is to be sent, *saved tells: when it went with its run,
 * another message may have its id. */
must_check_ enum code store_outbox_save(struct ctx *cx, const struct store_outbox *row, bool *saved);

/* What is due at now_ns, or not before far_ns (the clock has jumped back since it was written): of each server the first per_server rows, of up to max_servers servers after *cursor, which
 * becomes the last of them, or INT64_MIN when all servers were looked at. *next_ns: when the first of the others is due,
 * INT64_MAX = none. Of each row: id and server. */
must_check_ enum code store_outbox_due(struct ctx *cx, int64_t now_ns, int64_t far_ns, size_t max_servers,
                                       size_t per_server, int64_t *cursor, struct store_outbox **out, size_t *n,
                                       int64_t *next_ns);

/* For people. */
struct store_outbox_line {
    struct store_outbox row;
    str project, domain, run, action;
};
/* Rows that are to be sent, or that are dead, with ids above after. */
must_check_ enum code store_outbox_list(struct ctx *cx, bool dead, uint64_t after, size_t max,
                                        struct store_outbox_line **out, size_t *n);
/* Write entry. Dead ones are to be sent again, from now_ns on, with all their attempts: the one with that id, or with 0
 * all, at most max of them. *n tells how many. */
must_check_ enum code store_outbox_revive(struct ctx *cx, uint64_t id, int64_t now_ns, size_t max, size_t *n);
/* Whether this is the token of that condition's webhook. */
must_check_ enum code store_outbox_has_token(struct ctx *cx, uint64_t action_id, str token, bool *out);

#endif
