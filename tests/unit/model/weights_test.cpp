// The tensors of the released models: how many, how large, every name once.
#include "medmo/model/weights.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <set>
#include <string>

namespace {

using medmo::index;

struct sums {
  index tensors = 0, numbers = 0;
  std::set<std::string> names;
};

template <class C>
sums sum_of() {
  sums s;
  auto w = std::make_unique<medmo::model_weights<C>>();
  medmo::for_each_tensor(*w, [&](std::string const& name, auto& t) {
    ++s.tensors;
    s.names.insert(name);
    if constexpr (requires { t.stored; })
      s.numbers += t.rows * t.cols;
    else
      s.numbers += t.size;
  });
  return s;
}

TEST_CASE("weights: the tensors of the 4B and the 8B model") {
  auto four = sum_of<medmo::medmo_4b>(), eight = sum_of<medmo::medmo_8b>();
  CHECK(four.tensors == 713);
  CHECK(four.numbers == 4437815808);
  CHECK(four.names.size() == 713);
  CHECK(eight.tensors == 750);
  CHECK(eight.numbers == 8767123696);
  CHECK(eight.names.size() == 750);
  // the head: its own in the one, the embedding in the other
  CHECK(four.names.count("lm_head.weight") == 0);
  CHECK(eight.names.count("lm_head.weight") == 1);
  for (auto name : {"model.language_model.layers.35.self_attn.q_norm.weight", "model.visual.patch_embed.proj.bias",
                    "model.visual.deepstack_merger_list.2.linear_fc2.bias", "model.visual.merger.norm.weight"}) {
    CAPTURE(name);
    CHECK(four.names.count(name) == 1);
  }
}

}  // namespace
