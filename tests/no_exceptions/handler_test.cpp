// Built with -fno-exceptions -fno-rtti: an error reaches the application's handler, which leaves by longjmp, and the
// object that raised it is usable afterwards. A handler that returns, or none, ends the process.
#include <csetjmp>
#include <cstdio>
#include <cstring>

#include "medmo/core/arena.hpp"
#include "medmo_rooms.hpp"  // generated: every header of the rooms that live without exceptions

#if MEDMO_EXCEPTIONS
#error "this test is about a build without exceptions"
#endif

namespace {
std::jmp_buf back;
char last_message[256];

void leave(medmo::error const& e) {
  std::snprintf(last_message, sizeof last_message, "%s", e.what());
  std::longjmp(back, 1);
}
}  // namespace

int main() {
  static medmo::arena memory;
  memory.reserve(128);
  medmo::set_error_handler(leave);
  if (setjmp(back) == 0) {
    memory.take<float>(1000);
    std::puts("expected the handler to be called");
    return 1;
  }
  bool named = std::strstr(last_message, "arena: expected 4032 bytes reserved, found 128") != nullptr;
  bool usable = memory.take<float>(32) != nullptr && memory.peak() == 128;
  std::printf("%s\n%s, %s\n", last_message, named ? "named" : "not named", usable ? "usable" : "not usable");
  return named && usable ? 0 : 1;
}
