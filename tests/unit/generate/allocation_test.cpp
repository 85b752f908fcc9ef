// Stepping within what `reserve` made room for allocates nothing: every door to the heap that C++ code has is counted.
// The C doors (aligned_alloc of arena and cache) show in their capacities, which must not move.
#include <atomic>
#include <cstdlib>
#include <memory>
#include <new>

#include "../model/tiny_model.hpp"
#include "byte_model.hpp"
#include "medmo/generate/box_confidence.hpp"
#include "medmo/generate/box_constraint.hpp"
#include "medmo/generate/sampler.hpp"
#include "medmo/generate/decoder_pass.hpp"

namespace {
std::atomic<long> allocations{0};

void* counted(std::size_t size, std::size_t alignment) {
  ++allocations;
  size = (size + alignment - 1) / alignment * alignment;
  if (void* p = std::aligned_alloc(alignment, size ? size : alignment)) return p;
  throw std::bad_alloc();
}
}  // namespace

void* operator new(std::size_t n) { return counted(n, 16); }
void* operator new[](std::size_t n) { return counted(n, 16); }
void* operator new(std::size_t n, std::align_val_t a) { return counted(n, static_cast<std::size_t>(a)); }
void* operator new[](std::size_t n, std::align_val_t a) { return counted(n, static_cast<std::size_t>(a)); }
void* operator new(std::size_t n, std::nothrow_t const&) noexcept { return ++allocations, std::malloc(n); }
void* operator new[](std::size_t n, std::nothrow_t const&) noexcept { return ++allocations, std::malloc(n); }
void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }

namespace {

using medmo::index;

TEST_CASE("allocation: drawing and appending a token allocates nothing") {
  for (auto type : {medmo::dtype::f32, medmo::dtype::bf16})
    for (bool greedy : {true, false}) {
      CAPTURE(std::string(medmo::name_of(type)));
      CAPTURE(greedy);
      auto m = tiny::random_model<tiny::seeing>(type);
      medmo::sequence<tiny::seeing> s(m);
      medmo::sampler draw({.greedy = greedy,
                           .min_p = 0.01f,
                           .repetition_penalty = 1.1f,
                           .presence_penalty = 0.5f,
                           .bias = {{3, 1.0f}},
                           .log_probabilities = 5},
                          tiny::seeing::text.vocab, {tiny::seeing::tokens.image_pad});
      s.reserve(300, 16);
      s.append(tiny::random_ids(20), {}, 16);
      draw.see(s.ids());
      s.append_token(1);  // OpenMP makes its threads at its first region
      auto const room = s.memory().capacity();
      long before = allocations;
      index last = 0;
      for (int i = 0; i < 200; ++i) {
        auto id = draw.draw(s.logits());
        s.append_token(last = id.value_or(0));
      }
      long after = allocations;
      CHECK(after == before);
      CHECK(s.memory().capacity() == room);
      CHECK(s.length() == 221);
    }
  long before = allocations;
  auto p = std::make_unique<int>(1);
  CHECK(allocations == before + 1);  // the counter counts
}

TEST_CASE("allocation: a pass over several sequences allocates nothing") {
  for (auto type : {medmo::dtype::f32, medmo::dtype::bf16}) {
    auto m = tiny::random_model<tiny::seeing>(type);
    auto const memory = std::make_shared<medmo::arena>();
    medmo::sequence<tiny::seeing> prefix(m, memory);
    prefix.append(tiny::random_ids(70));
    std::vector<medmo::sequence<tiny::seeing>> forks;
    for (int i = 0; i < 5; ++i) {
      forks.push_back(prefix.fork(memory));
      forks.back().reserve(300);
    }
    medmo::decoder_pass<tiny::seeing> pass(m, memory);
    pass.reserve(10);
    std::vector<index> const two{1, 2};
    auto step = [&] {
      for (auto& f : forks) pass.add(f, two);
      pass.run();
    };
    step();  // OpenMP makes its threads at its first region
    auto const room = memory->capacity();
    long before = allocations;
    for (int i = 0; i < 100; ++i) step();
    long after = allocations;
    CHECK(after == before);
    CHECK(memory->capacity() == room);
  }
}

TEST_CASE("allocation: masking, accepting and recording a token allocates nothing") {
  auto model = tiny::byte_model<tiny::seeing>();
  medmo::box_vocabulary words(model.tokenizer, tiny::seeing::text.vocab);
  for (auto mode : {medmo::box_mode::in_text, medmo::box_mode::only}) {
    medmo::box_constraint constraint(words, {.mode = mode}, {258});
    medmo::box_evidence evidence(model.tokenizer);
    evidence.reserve(200);
    std::vector<float> logits(288, 1.0f);
    std::string_view const text = "A label <box>[[1, 2, 3, 4], [10, 20, 30, 40], [999, 999, 1000, 1000]]</box>";
    long before = allocations;
    for (std::size_t i = 0; i < text.size(); ++i) {
      evidence.see(logits);
      constraint.mask(logits, 150);
      constraint.accept(static_cast<unsigned char>(text[i]));
      evidence.drawn(static_cast<unsigned char>(text[i]), 1.0f, i + 1);
      std::fill(logits.begin(), logits.end(), 1.0f);
    }
    long after = allocations;
    CHECK(after == before);
    CHECK(constraint.automaton().boxes() == 3);
  }
}

}  // namespace
