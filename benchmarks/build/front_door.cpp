// Measured by ./measure: the front door alone, nothing instantiated.
#include <medmo/medmo.hpp>

int main() {}
