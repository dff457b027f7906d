/* Floating-point numbers as decimal text: the fewest digits that read back as the same value. Pure. */
#ifndef BASE_NUMBER_H
#define BASE_NUMBER_H

#include "base/buf.h"

/* With an exponent ("1e+21", "1.5e-07") when the decimal exponent is below low or at least high, plain otherwise. What is
 * no number is "NaN", "+Inf" or "-Inf". */
void number_put(buf *b, double v, int low, int high);

#endif
