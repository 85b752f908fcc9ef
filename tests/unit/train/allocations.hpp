// How often the heap was asked so far by any door that C++ code has; the program of this room's tests counts.
#pragma once

namespace train_tests {
long allocations();
}
