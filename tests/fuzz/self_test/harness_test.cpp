// The harness can fail: each limit and each broken promise is a finding, and what is allowed is none.
#include "../harness.hpp"

#include <stdexcept>

namespace fuzz_self_test {

bool finds(void (*target)(fuzz::bytes)) {
  try {
    fuzz::run({}, target);
  } catch (fuzz::finding const&) {
    return true;
  }
  return false;
}

template <std::size_t Size>
void take(fuzz::bytes) {
  std::vector<char> memory(Size);
  CHECK(static_cast<char const volatile&>(memory.back()) == 0);  // so that it is taken
}

TEST_CASE("fuzz: limits and promises are findings when they break") {
  CHECK_FALSE(finds(take<(1 << 20) - 64>));
  CHECK(finds(take<(1 << 20) + 64>));
  CHECK(finds([](fuzz::bytes) {
    for (auto start = std::clock(); std::clock() - start < CLOCKS_PER_SEC * 11 / 10;) {}
  }));
  CHECK(finds([](fuzz::bytes) { fuzz::require(false, "a promise"); }));
  CHECK_FALSE(finds([](fuzz::bytes) {
    auto none =
        fuzz::accepted([]() -> int { MEDMO_THROW(medmo::errc::bad_format, "x", "y", std::string(5000, 'z') + "\n"); });
    fuzz::require(!none, "an error is no value");
  }));
  CHECK_THROWS_AS(fuzz::run({}, [](fuzz::bytes) { fuzz::accepted([]() -> int { throw std::out_of_range("at"); }); }),
                  std::out_of_range);
}

}  // namespace fuzz_self_test
