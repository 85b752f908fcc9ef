// Rows of a stored table: every type widened exactly, ids checked before anything is written.
#include "medmo/kernels/embedding.hpp"

#include "random_rows.hpp"
#include "../named_case.hpp"

namespace kernel_tests {
namespace {

using medmo::dtype;

template <class T>
void check_table(dtype type) {
  CAPTURE(std::string(medmo::name_of(type)));
  auto table = as<T>(random_rows("embedding.table", 9, 21));
  medmo::kernels::stored_matrix stored{type, reinterpret_cast<std::byte const*>(table.data()), 9, 21};
  std::vector<index> ids{8, 0, 3, 3};
  random_rows out("embedding.out", 4, 21, 2);
  medmo::kernels::embed(stored, ids, out.all());
  for (index t = 0; t < 4; ++t)
    for (index i = 0; i < 21; ++i) {
      CAPTURE(t);
      CAPTURE(i);
      CHECK(out.at(t, i) == static_cast<float>(table[static_cast<std::size_t>(ids[static_cast<std::size_t>(t)] * 21 + i)]));
    }
}

TEST_CASE("embedding: rows of f32, f16 and bf16 tables") {
  check_table<float>(dtype::f32);
  check_table<medmo::f16>(dtype::f16);
  check_table<medmo::bf16>(dtype::bf16);
}

TEST_CASE("embedding: bad ids and types are errors, and nothing is written") {
  auto table = as<float>(random_rows("embedding.table", 9, 21));
  struct bad { char const* name; index id; dtype type; medmo::errc code; char const* where; };
  for (auto const& c : {bad{"negative", -1, dtype::f32, medmo::errc::bad_argument, "token 1"},
                        bad{"one too many", 9, dtype::f32, medmo::errc::bad_argument, "token 1"},
                        bad{"huge", index{1} << 62, dtype::f32, medmo::errc::bad_argument, "token 1"},
                        bad{"integers", 1, dtype::i32, medmo::errc::unsupported, "embedding"}}) {
    CAPTURE(c.name);
    named_case(c.name);
    medmo::kernels::stored_matrix stored{c.type, reinterpret_cast<std::byte const*>(table.data()), 9, 21};
    std::vector<index> ids{2, c.id};
    random_rows out("embedding.out", 2, 21);
    auto before = out.bytes();
    bool refused = false;
    try {
      medmo::kernels::embed(stored, ids, out.all());
    } catch (medmo::error const& e) {
      refused = true;
      CHECK(e.code() == c.code);
      CHECK(e.where() == c.where);
    }
    CHECK(refused);
    CHECK(out.bytes() == before);
  }
}

}  // namespace
}  // namespace kernel_tests
