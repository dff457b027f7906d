#include "../../fuzz/fuzz_http2.c"

#include "../../fuzz/corpus.h"

CORPUS_MAIN("http2")
