// Sizes and token counts equal to the reference's.
#include "medmo/vision/smart_resize.hpp"

#include "medmo/core/random.hpp"
#include "unit/vision/goldens.hpp"

namespace {  // also keeps POSIX index() out

using medmo::errc;
using medmo::index;
using medmo::vision::picture_size;
using medmo::vision::smart_resize;
using medmo::vision::smart_resize_video;

TEST_CASE("smart_resize: 1,000 sizes and their token counts equal the reference") {
  auto const& rows = goldens::of("smart_resize");
  CHECK(rows.size() == 1000);
  for (auto const& r : rows) {
    index h = r[0], w = r[1];
    CAPTURE(h);
    CAPTURE(w);
    auto s = smart_resize(h, w, 32, 65536, 16777216);
    CHECK(s == picture_size{r[2], r[3]});
    CHECK(s.height / 32 * (s.width / 32) == r[2].get<index>() / 32 * (r[3].get<index>() / 32));
  }
}

TEST_CASE("smart_resize: video sizes equal the reference") {
  for (auto const& r : goldens::of("smart_resize_video")) {
    index t = r[0], h = r[1], w = r[2];
    CAPTURE(t);
    CAPTURE(h);
    CAPTURE(w);
    CHECK(smart_resize_video(t, h, w, 2, 32, 4096, 25165824) == picture_size{r[3], r[4]});
  }
}

TEST_CASE("smart_resize: is a constant expression, every branch") {
  static_assert(smart_resize(768, 768, 32, 65536, 16777216) == picture_size{768, 768});
  static_assert(smart_resize(5000, 5000, 32, 65536, 16777216) == picture_size{4096, 4096});
  static_assert(smart_resize(1, 1, 32, 65536, 16777216) == picture_size{256, 256});
  static_assert(smart_resize(1365, 2048, 32, 65536, 16777216) == picture_size{1376, 2048});
  static_assert(smart_resize(80, 48, 32, 0, 16777216) == picture_size{64, 64});  // 2.5 and 1.5 to even
  static_assert(smart_resize_video(4, 480, 640, 2, 32, 4096, 25165824) == picture_size{480, 640});
}

struct square_rooted {
  double x, root;
};
constexpr auto square_roots = [] {
  std::array<square_rooted, 200> r{};
  for (std::size_t i = 0; i < r.size(); ++i) {
    r[i].x = medmo::random_stream(1, i).uniform(0) * (i % 2 ? 1e-6 : 1e12) + 1e-9;
    r[i].root = medmo::vision::detail::square_root(r[i].x);
  }
  return r;
}();

TEST_CASE("smart_resize: the square root of constant expressions is the machine's") {
  int different = 0;
  for (auto [x, root] : square_roots) {
    double volatile at_run_time = x;
    different += std::sqrt(at_run_time) != root;
  }
  CHECK(different == 0);
  static_assert(medmo::vision::detail::square_root(4.0) == 2.0);
  static_assert(medmo::vision::detail::square_root(2.0) == 1.4142135623730951);
  static_assert(medmo::vision::detail::square_root(0.25) == 0.5);
  static_assert(medmo::vision::detail::square_root(0.9999999999999999) == 0.9999999999999999);
}

#if MEDMO_EXCEPTIONS
TEST_CASE("smart_resize: what has no size is an error with its reason") {
  struct row {
    char const* name;
    index h, w, factor, min, max;
    errc code;
  };
  index big = index{1} << 62;
  for (auto const& r : {row{"height 0", 0, 5, 32, 65536, 16777216, errc::bad_image},
                        row{"negative width", 5, -1, 32, 65536, 16777216, errc::bad_image},
                        row{"aspect 201", 1, 201, 32, 65536, 16777216, errc::bad_image},
                        row{"aspect a hair above 200", 5, 1001, 32, 65536, 16777216, errc::bad_image},
                        row{"gigantic", big, big, 32, 65536, 16777216, errc::bad_image},
                        row{"rounds to nothing", 8, 8, 32, 0, 16777216, errc::bad_image},
                        row{"factor 0", 64, 64, 0, 65536, 16777216, errc::bad_argument},
                        row{"gigantic factor", 64, 64, big, 65536, 16777216, errc::bad_argument},
                        row{"max 0", 64, 64, 32, 0, 0, errc::bad_argument},
                        row{"min above max", 64, 64, 32, 65536, 65535, errc::bad_argument},
                        row{"negative min", 64, 64, 32, -1, 65535, errc::bad_argument},
                        row{"gigantic max", 64, 64, 32, 0, big, errc::bad_argument}}) {
    CAPTURE(r.name);
    try {
      smart_resize(r.h, r.w, r.factor, r.min, r.max);
      FAIL_CHECK("no error");
    } catch (medmo::error const& e) {
      CHECK(e.code() == r.code);
    }
  }
  CHECK_THROWS_AS(smart_resize_video(1, 64, 64, 2, 32, 4096, 25165824), medmo::error);
  CHECK_THROWS_AS(smart_resize_video(16385, 64, 64, 2, 32, 4096, 25165824), medmo::error);
  CHECK_THROWS_AS(smart_resize_video(16384, 1 << 24, 1 << 24, 2, 32, 4096, 25165824), medmo::error);
  CHECK_THROWS_AS(smart_resize_video(4, 3, 601, 2, 32, 4096, 25165824), medmo::error);
}
#endif

}  // namespace
