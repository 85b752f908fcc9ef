// The thread that makes samples ahead: order, errors in their place, bounds. The thread sanitizer runs this too.
#include "medmo/train/read_ahead.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <stdexcept>
#include <vector>

namespace {
namespace train = medmo::train;

TEST_CASE("results made ahead come in order, errors in their place, and no more are made than there is room for") {
  int made = 0;
  auto make = [&]() -> std::optional<int> {
    if (made == 50) throw std::runtime_error("the fiftieth");
    return made++;
  };
  {
    train::read_ahead<int> ahead(make, [](int const&) { return std::size_t{10}; }, {.results = 3, .bytes = 15});
    for (int i = 0; i < 50; ++i) CHECK(ahead.take() == i);
    CHECK_THROWS_WITH(ahead.take(), "the fiftieth");
    CHECK(!ahead.take());
  }
  made = 0;
  { train::read_ahead<int> dropped(make, [](int const&) { return std::size_t{10}; }, {.results = 3, .bytes = 15}); }
  CHECK(made <= 2);
  train::read_ahead<int> none([]() -> std::optional<int> { return {}; }, [](int const&) { return std::size_t{0}; });
  CHECK(!none.take());
  CHECK(!none.take());
}

TEST_CASE("what one thread wrote the other reads, and leaving early waits for the call under way") {
  using piece = std::shared_ptr<std::vector<int>>;
  for (int taken : {0, 1, 20, 100}) {
    int next = 0;
    train::read_ahead<piece> ahead([&]() -> std::optional<piece> { return next < 50 ? std::optional(std::make_shared<std::vector<int>>(1000, next++)) : std::nullopt; },
                                   [](piece const& p) { return p->size() * sizeof(int); }, {.results = 2, .bytes = 1});
    for (int i = 0; i < taken; ++i) {
      auto const p = ahead.take();
      CHECK(p.has_value() == (i < 50));
      if (p) CHECK(**p == std::vector<int>(1000, i));
    }
  }
}
}  // namespace
