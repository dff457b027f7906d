/* Heaps against a look at every member. */
#include "base/heap.h"

#include "unit.h"

#include "base/list.h"

#define N 200

struct member {
    struct heap_node node;
    int key, number;
    bool in;
};

static bool is_less(const struct member *a, const struct member *b)
{
    return a->key != b->key ? a->key < b->key : a->number < b->number;
}

static bool before(struct heap_node *a, struct heap_node *b)
{
    return is_less(container_of(a, struct member, node), container_of(b, struct member, node));
}

static void the_first_is_the_least(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 50; seed++) {
        struct member m[N] = {0};
        struct heap h;
        srand(seed);
        heap_init(&h, before);
        for (int step = 0; step < 3000; step++) {
            struct member *one = &m[rand() % N], *least = NULL;
            if (one->in) {
                heap_remove(&h, &one->node);
            } else {
                one->key = rand() % 50;
                one->number = (int)(one - m);
                heap_add(&h, &one->node);
            }
            one->in = !one->in;
            for (int i = 0; i < N; i++)
                if (m[i].in && (!least || is_less(&m[i], least)))
                    least = &m[i];
            assert_ptr_equal(h.first, least ? &least->node : NULL);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_first_is_the_least)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
