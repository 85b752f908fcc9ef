// -ffast-math reorders sums and forgets NaN; every header refuses it.
// flags: -ffast-math
// expect: medmo: -ffast-math breaks the defined order of summation
#include "medmo/core/dtype.hpp"
