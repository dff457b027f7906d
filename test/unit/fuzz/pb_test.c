#include "../../fuzz/fuzz_pb.c"

#include "../../fuzz/corpus.h"

CORPUS_MAIN("pb")
