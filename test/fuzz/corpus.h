/* A unit test of a fuzzer: runs it over the inputs kept in test/fuzz/corpus/<name>. Each is given in a heap block of
 * its own size, so that a sanitizer sees every read behind it. */
#ifndef CORPUS_H
#define CORPUS_H

#include "unit.h"

#include <dirent.h>

static inline void corpus_run_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    fseek(f, 0, SEEK_END);
    long size = ftell(f);
    assert_true(size >= 0);
    rewind(f);
    uint8_t *data = malloc(size ? (size_t)size : 1);
    assert_int_equal(fread(data, 1, (size_t)size, f), size);
    fclose(f);
    LLVMFuzzerTestOneInput(data, (size_t)size);
    free(data);
}

static inline void corpus_run(const char *name)
{
    char path[512];
    size_t n = 0;
    snprintf(path, sizeof(path), "test/fuzz/corpus/%s", name);
    DIR *dir = opendir(path);
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir));) {
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "test/fuzz/corpus/%s/%s", name, e->d_name);
        corpus_run_file(path);
        n++;
    }
    closedir(dir);
    assert_true(n > 0);
}

/* The whole program. */
#define CORPUS_MAIN(name)                                                                                              \
    static void corpus_passes(void **state)                                                                            \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        corpus_run(name);                                                                                              \
    }                                                                                                                  \
    int main(void)                                                                                                     \
    {                                                                                                                  \
        const struct CMUnitTest tests[] = {cmocka_unit_test(corpus_passes)};                                           \
        return cmocka_run_group_tests(tests, NULL, NULL);                                                              \
    }

#endif
