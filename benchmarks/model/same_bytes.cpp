// Does the 4B model give the same bits however the work is cut? Prints a hash of the logits for each way; exit status 1 if
// two differ. usage: bench_model_same_bytes FOLDER   (as `medmo init --config medmo_4b` writes it)
#include <cstdio>
#include <cstring>
#include <memory>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "medmo/core/random.hpp"
#include "medmo/generate/sequence.hpp"
#include "medmo/io/checkpoint.hpp"

using C = medmo::medmo_4b;

static unsigned long long hash(std::span<float const> numbers) {
  std::uint64_t h = numbers.size();
  for (float x : numbers) {
    std::uint32_t bits = 0;
    std::memcpy(&bits, &x, sizeof bits);
    h = medmo::mix64(h ^ bits);
  }
  return h;
}

int main(int argc, char** argv) {
  if (argc != 2) return std::fprintf(stderr, "usage: bench_model_same_bytes FOLDER\n"), 2;
  auto model = medmo::model<C>::load(std::make_shared<medmo::io::checkpoint const>(medmo::io::checkpoint::open(argv[1])), argv[1]);
  constexpr medmo::index side = 48, tail = 11;
  medmo::matrix<float> patches(side * side, C::vision.patch_width());
  for (medmo::index i = 0; i < patches.size(); ++i) patches.data()[i] = static_cast<float>(i * 7919 % 255) / 127.5f - 1.0f;
  std::vector<medmo::index> ids{151644, 872, 198, 151652};
  ids.insert(ids.end(), side * side / 4, 151655);
  ids.push_back(151653);
  for (medmo::index i = 0; i < 20; ++i) ids.push_back(100 + i);

  std::set<std::pair<unsigned long long, unsigned long long>> seen;
  for (int threads : {2, 1}) {
    medmo::set_thread_count(threads);
    medmo::arena memory;
    auto features = medmo::see_picture(model, medmo::view<float>(patches.data(), patches.rows(), patches.cols(), Eigen::OuterStride<>(patches.cols())),
                                       {1, side, side}, memory);
    medmo::visual_features const* picture = &features;
    for (medmo::index chunk : {1024, 512, 100, 33}) {
      medmo::sequence<C> s(model);
      s.append(ids, {&picture, 1}, chunk);
      auto prompt = hash(s.logits());
      for (medmo::index id : {1000, 1001}) s.append_token(id);
      auto after = hash(s.logits());
      s.truncate(static_cast<medmo::index>(ids.size()) - tail);
      std::vector<medmo::index> again(ids.end() - tail, ids.end());
      again.insert(again.end(), {1000, 1001});
      s.append(again);
      std::printf("%d threads, steps of %4lld: %016llx, two tokens on %016llx, end taken back %016llx\n", threads,
                  static_cast<long long>(chunk), prompt, after, hash(s.logits()));
      seen.insert({prompt, after});
      seen.insert({prompt, hash(s.logits())});
    }
  }
  std::puts(seen.size() == 1 ? "all the same" : "DIFFERENT");
  return seen.size() == 1 ? 0 : 1;
}
