#include "../../fuzz/fuzz_rpc.c"

#include "../../fuzz/corpus.h"

CORPUS_MAIN("rpc")
