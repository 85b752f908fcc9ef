// Every allocation on the way to an answer fails once: the n-th of making a model, a tokenizer and a picture, the n-th of a
// question, for all n. What comes out is std::bad_alloc or a medmo::error; nothing leaks; the session answers the next question
// as if nothing had happened. All doors to the heap lead through one counter: operator new, and malloc and its kin by the
// linker's --wrap. JSON is left out: nlohmann-json's destructor takes memory, and has no way to say that there is none.
#include <doctest/doctest.h>
#include <stdlib.h>

#include <cstdlib>
#include <new>

#include "../unit/generate/byte_model.hpp"
#include "medmo/generate/session.hpp"
#include "medmo/io/image.hpp"
#include "medmo/text/tiktoken.hpp"

namespace heap {
long long live = 0;        ///< blocks taken and not given back
long long until_none = 0;  ///< the allocation that fails, counted down; 0: none
bool failed = false;

bool refuses() {
  if (until_none == 0 || --until_none > 0) return false;
  failed = true;
  return true;
}
void* counted(void* p) {
  live += p != nullptr;
  return p;
}
}  // namespace heap

extern "C" {
void* __real_malloc(std::size_t n);
void* __real_calloc(std::size_t count, std::size_t n);
void* __real_realloc(void* p, std::size_t n);
void* __real_aligned_alloc(std::size_t alignment, std::size_t n);
void __real_free(void* p);

void* __wrap_malloc(std::size_t n) { return heap::refuses() ? nullptr : heap::counted(__real_malloc(n)); }
void* __wrap_calloc(std::size_t count, std::size_t n) {
  return heap::refuses() ? nullptr : heap::counted(__real_calloc(count, n));
}
void* __wrap_aligned_alloc(std::size_t alignment, std::size_t n) {
  return heap::refuses() ? nullptr : heap::counted(__real_aligned_alloc(alignment, n));
}
void* __wrap_realloc(void* p, std::size_t n) {
  if (heap::refuses()) return nullptr;
  void* grown = __real_realloc(p, n);
  return p ? grown : heap::counted(grown);
}
void __wrap_free(void* p) {
  heap::live -= p != nullptr;
  __real_free(p);
}
}

namespace heap {
// Not inlined: g++ would see malloc and free where it looks for new and delete.
[[gnu::noinline]] void* take(std::size_t n) {
  if (void* p = malloc(n ? n : 1)) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void* take(std::size_t n, std::size_t alignment) {
  if (void* p = aligned_alloc(alignment, (n + alignment - 1) / alignment * alignment)) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void* take_if(std::size_t n) { return malloc(n ? n : 1); }
[[gnu::noinline]] void give(void* p) { free(p); }
}  // namespace heap

void* operator new(std::size_t n) { return heap::take(n); }
void* operator new(std::size_t n, std::align_val_t a) { return heap::take(n, static_cast<std::size_t>(a)); }
void* operator new(std::size_t n, std::nothrow_t const&) noexcept { return heap::take_if(n); }
void* operator new[](std::size_t n) { return heap::take(n); }
void* operator new[](std::size_t n, std::align_val_t a) { return heap::take(n, static_cast<std::size_t>(a)); }
void* operator new[](std::size_t n, std::nothrow_t const&) noexcept { return heap::take_if(n); }
void operator delete(void* p) noexcept { heap::give(p); }
void operator delete(void* p, std::size_t) noexcept { heap::give(p); }
void operator delete(void* p, std::align_val_t) noexcept { heap::give(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { heap::give(p); }
void operator delete[](void* p) noexcept { heap::give(p); }
void operator delete[](void* p, std::size_t) noexcept { heap::give(p); }
void operator delete[](void* p, std::align_val_t) noexcept { heap::give(p); }
void operator delete[](void* p, std::size_t, std::align_val_t) noexcept { heap::give(p); }

namespace {

using medmo::index;
using tiny::seeing;

/// One token a byte, as a rank file.
std::string rank_file() {
  std::string const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (unsigned b = 0; b < 256; ++b)
    out += std::string{digits[b >> 2], digits[(b & 3) << 4], '=', '='} + " " + std::to_string(b) + "\n";
  return out;
}

std::vector<medmo::image> pictures() {
  return {medmo::io::read_image(MEDMO_TEST_DATA "/io/pictures/palette_alpha.png"),
          medmo::io::read_image(MEDMO_TEST_DATA "/io/pictures/progressive_420.jpg")};
}

enum class ending { well, without_memory, otherwise };

/// f() with its n-th allocation failing.
template <class F>
ending with_failure(long long n, F&& f) {
  ending how = ending::well;
  heap::failed = false;
  heap::until_none = n;
  try {
    f();
  } catch (std::bad_alloc const&) {
    how = ending::without_memory;
  } catch (medmo::error const& e) {
    how = e.code() == medmo::errc::too_large ? ending::without_memory : ending::otherwise;
  } catch (...) {
    how = ending::otherwise;
  }
  heap::until_none = 0;
  return how;
}

TEST_CASE("out of memory: at any allocation of a load nothing is left behind") {
  auto const source = std::make_shared<tiny::memory_source const>(tiny::random_checkpoint<seeing>(medmo::dtype::f16));
  auto const ranks = rank_file();
  auto load = [&] {
    medmo::pretrained<seeing> p{.model = medmo::model<seeing>::load(source, "memory"),
                                .tokenizer = medmo::text::read_tiktoken<medmo::vocabulary_of<seeing>>(ranks, "ranks")};
    for (auto const& picture : pictures()) medmo::vision::preprocess(picture, p.pictures);
  };
  load();
  long long refused = 0;
  for (long long n = 1;; ++n) {
    auto const before = heap::live;
    auto how = with_failure(n, load);
    if (!heap::failed) break;
    ++refused;
    if (how == ending::without_memory && heap::live == before) continue;
    CAPTURE(n);
    CHECK(static_cast<int>(how) == static_cast<int>(ending::without_memory));
    CHECK(heap::live == before);
  }
  MESSAGE("allocations of a load: ", refused);
  CHECK(refused > 100);
}

TEST_CASE("out of memory: at any allocation of a question the session stays as it was") {
  tiny::threads const one(1);
  auto const model = tiny::byte_model<seeing>();
  auto const scans = pictures();
  medmo::ask_options const options{
      .max_new_tokens = 8, .prefill_chunk = 16, .boxes = {.mode = medmo::box_mode::in_text}};
  auto const expected = medmo::session(model).ask(scans, "What is it?", options);
  auto const then = [&] {
    medmo::session calm(model);
    calm.ask(scans, "What is it?", options);
    return calm.ask({}, "Where?", options);
  }();
  REQUIRE(expected.tokens.size() == 8);
  long long refused = 0;
  for (long long n = 1;; ++n) {
    CAPTURE(n);
    auto const before = heap::live;
    {
      medmo::session chat(model);
      auto how = with_failure(n, [&] { chat.ask(scans, "What is it?", options); });
      if (!heap::failed) break;
      CHECK(static_cast<int>(how) == static_cast<int>(ending::without_memory));
      CHECK(chat.ask(scans, "What is it?", options).tokens == expected.tokens);
      how = with_failure(n, [&] { chat.ask({}, "Where?", options); });
      if (heap::failed) {
        CHECK(static_cast<int>(how) == static_cast<int>(ending::without_memory));
        auto again = chat.ask({}, "Where?", options);
        CHECK(again.tokens == then.tokens);
        CHECK(again.token_logprobs == then.token_logprobs);
      }
    }
    CHECK(heap::live == before);
    ++refused;
  }
  MESSAGE("allocations of a question: ", refused);
  CHECK(refused > 50);
}

}  // namespace
