// Built with -fno-exceptions -fno-rtti, every header of the rooms that must live without: an error of each room reaches the
// application's handler, which leaves by longjmp, and what raised it is usable afterwards. A handler that returns, or none,
// ends the process.
#include <csetjmp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

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
void come_back(medmo::error const&) {}

int failures = 0;
void check(bool good, char const* name) {
  std::printf("%s: %s\n", good ? "ok" : "FAILED", name);
  failures += !good;
}

medmo::arena memory;
medmo::image const picture(64, 48);
std::string const longer(2000, 'x');

/// Of a model that is not there.
struct no_tensors {
  std::optional<medmo::tensor_ref> find(std::string_view) const { return std::nullopt; }
  std::vector<std::string> names() const { return {}; }
};

struct failure {
  char const* room;
  void (*raise)();
  char const* said;
};

failure const table[] = {
    {"core", [] { memory.take<float>(1000); }, "arena: expected 4032 bytes reserved, found 128"},
    {"kernels", [] { medmo::kernels::resample_bicubic(picture, 0, 1); }, "expected"},
    {"text", [] { medmo::text::nfc("\xff"); }, "text"},
    {"text, boxes", [] { medmo::text::print_grounding("a\nb", {}); }, "label"},
    {"vision", [] { medmo::vision::preprocess(medmo::image(1000, 1)); },
     "picture size: expected a longer side of at most 200 times"},
    {"model", [] { medmo::model<medmo::medmo_nano>::load(std::make_shared<no_tensors const>(), "nowhere"); },
     "nowhere: expected tensors"},
    {"generate", [] { medmo::check(medmo::box_options{.mode = medmo::box_mode::only, .max_boxes = -1}); },
     "max_boxes: expected 0 to 1000, found -1"},
    {"metrics", [] { medmo::metrics::judge_yes_no("yes", "perhaps"); },
     "yes/no key: expected yes or no, found perhaps"},
    {"rewards", [] { medmo::rewards::box_reward("", {}, {.l1_weight = -1}); }, "l1_weight"},
    {"a long name", [] { MEDMO_THROW(medmo::errc::bad_text, longer, "less", "more"); }, "xxx"},
};

/// Does the process end by abort()?
template <class F>
bool aborts(F&& f) {
  std::fflush(stdout);
  auto const child = ::fork();
  if (child == 0) {
    std::signal(SIGABRT, SIG_DFL);
    f();
    std::_Exit(0);
  }
  int status = 0;
  return ::waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}
}  // namespace

int main() {
  check(aborts([] { memory.take<float>(1000); }), "without a handler the process ends");
  medmo::set_error_handler(come_back);
  check(aborts([] { memory.take<float>(1000); }), "a handler that returns ends the process");

  memory.reserve(128);
  medmo::set_error_handler(leave);
  for (auto const& f : table) {
    last_message[0] = 0;
    if (setjmp(back) == 0) f.raise();
    check(std::strstr(last_message, f.said) != nullptr, f.room);
    if (!std::strstr(last_message, f.said)) std::printf("  said: %s\n", last_message);
  }
  check(memory.take<float>(32) != nullptr && memory.peak() == 128, "an arena that refused is usable");
  check(medmo::text::nfc("e\xCC\x81") == "\xC3\xA9", "text is usable");
  check(medmo::vision::preprocess(picture).tokens > 0, "pictures are usable");
  return failures != 0;
}
