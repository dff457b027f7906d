#include "../../fuzz/fuzz_http1.c"

#include "../../fuzz/corpus.h"

CORPUS_MAIN("http1")
