#include "../../fuzz/fuzz_launchform.c"

#include "../../fuzz/corpus.h"

CORPUS_MAIN("launchform")
