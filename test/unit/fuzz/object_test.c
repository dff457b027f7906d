#include "../../fuzz/fuzz_object.c"

#include "../../fuzz/corpus.h"

CORPUS_MAIN("object")
