#include "../../fuzz/fuzz_pb_json.c"

#include "../../fuzz/corpus.h"

CORPUS_MAIN("pb_json")
