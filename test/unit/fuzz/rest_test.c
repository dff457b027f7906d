#include "../../fuzz/fuzz_rest.c"

#include "../../fuzz/corpus.h"

CORPUS_MAIN("rest")
