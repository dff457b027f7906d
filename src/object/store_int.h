/* What the parts of the object store share: struct object_store. The public part is in object.h. */
#ifndef OBJECT_STORE_INT_H
#define OBJECT_STORE_INT_H

#include "object/commit_int.h"
#include "object/keeper_int.h"
#include "object/keys_int.h"

#include <pthread.h>

/* Connections that read at the same time; who needs one more waits. */
#define OBJECT_READERS_MAX 8

struct object_store {
    uint8_t server_key[OBJECT_SERVER_KEY_SIZE];
    char *index_path;
    int files; /* descriptor of <data>/objects */
    struct object_commit *commit;
    struct object_keeper *keeper;
    pthread_mutex_t mutex; /* of what follows */
    pthread_cond_t returned;
    struct object_index *idle;
    size_t readers; /* open connections */
};

/* A connection for reading, of the caller's thread until it gives it back:
 *     struct object_index *ix cleanup_(object_store_give_back) = NULL;
 *     TRY(object_store_borrow(cx, s, &ix)); */
must_check_ enum code object_store_borrow(struct ctx *cx, struct object_store *s, struct object_index **out);
void object_store_give_back(struct object_index **ix);

#endif
