// What every fuzz target shares. A target is one file that says MEDMO_FUZZ_TARGET(name) { ... input ... } and is built twice:
// with MEDMO_FUZZING as a libFuzzer program of its own (`./dev fuzz`), and without as a test case that replays its corpus.
// Around each input: memory above the start of the run, time on the processor, and the only exception that may come out of
// the library is medmo::error. Beyond a limit the program ends with a sentence (or, replayed, the test case fails).
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "medmo/core/error.hpp"

#if !defined(MEDMO_FUZZING)
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#endif

#if defined(__has_feature)
#if __has_feature(address_sanitizer) && !defined(__SANITIZE_ADDRESS__)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
extern "C" {  // of <sanitizer/allocator_interface.h>, which g++ does not ship
int __sanitizer_install_malloc_and_free_hooks(void (*)(void const volatile*, std::size_t),
                                              void (*)(void const volatile*));
std::size_t __sanitizer_get_allocated_size(void const volatile*);
}
#else
#include <malloc.h>

#include <new>
#endif

namespace fuzz {

using bytes = std::span<std::byte const>;

/// A broken promise: ends the program with a sentence where a fuzzer looks on, else is thrown.
struct finding {
  std::string what;
};
[[noreturn]] inline void found(std::string what) {
#if defined(MEDMO_FUZZING)
  std::fprintf(stderr, "FINDING: %s\n", what.c_str());
  std::abort();
#else
  throw finding{std::move(what)};
#endif
}
inline void require(bool holds, char const* promise) {
  if (!holds) found(promise);
}

/// What f() gives, or nothing where it ends in medmo::error. Its sentence is short enough for a log and one line.
template <class F>
auto accepted(F&& f) -> std::optional<std::decay_t<decltype(f())>> {
  try {
    return f();
  } catch (medmo::error const& e) {
    std::string_view what = e.what();
    require(what.size() <= 4000 && what.find('\n') == what.npos, "a message is one line of at most 4000 bytes");
    return std::nullopt;
  }
}

/// Bytes that are allocated now, and the most there were since `watch`.
class memory {
 public:
  static void watch() {
    install();
    start_ = live_.load();
    peak_ = start_;
  }
  static long long above_start() { return peak_.load() - start_; }
  static void took(std::size_t size) {
    long long now = live_ += static_cast<long long>(size);
    if (now > peak_) peak_ = now;
  }
  static void gave(std::size_t size) { live_ -= static_cast<long long>(size); }

 private:
  static void install() {
#if defined(__SANITIZE_ADDRESS__)
    static bool const once = [] {
      auto on_free = [](void const volatile* p) {
        if (p) gave(__sanitizer_get_allocated_size(p));
      };
      return __sanitizer_install_malloc_and_free_hooks([](void const volatile*, std::size_t size) { took(size); },
                                                       on_free) != 0;
    }();
    require(once, "the allocator tells what it does");
#endif
  }
  static inline std::atomic<long long> live_{0}, peak_{0};
  static inline long long start_ = 0;
};

/// How much an input weighs where a target makes more of it than its bytes; set by the target before it goes on.
inline std::size_t& weight() {
  static std::size_t size = 0;
  return size;
}

/// The target on one input, with the limits: memory 8 times the input and 1 MiB, 1 s of processor time.
inline void run(bytes input, void (*target)(bytes)) {
  auto now = [] {
    timespec t{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
  };
  weight() = input.size();
  memory::watch();
  double const start = now();
  target(input);
  double const seconds = now() - start;
  long long const peak = memory::above_start(), allowed = 8 * static_cast<long long>(weight()) + (1 << 20);
  if (peak > allowed) found("at most " + std::to_string(allowed) + " bytes of memory, took " + std::to_string(peak));
  if (seconds > 1) found("at most 1 s, took " + std::to_string(seconds) + " s");
}

#if !defined(MEDMO_FUZZING)
/// Every file of corpus/<name>, once each.
inline void replay(std::string const& name, void (*target)(bytes)) {
  namespace fs = std::filesystem;
  std::vector<fs::path> files;
  for (auto const& entry : fs::directory_iterator(std::string(MEDMO_FUZZ_CORPUS) + "/" + name))
    files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  REQUIRE(!files.empty());
  for (auto const& path : files) {
    INFO("file: ", path.string());
    std::ifstream in(path, std::ios::binary);
    std::vector<char> const content{std::istreambuf_iterator<char>(in), {}};
    std::string problem;
    try {
      run(std::as_bytes(std::span(content)), target);
    } catch (finding const& f) {
      problem = f.what;
    }
    CHECK(problem == "");
  }
}
#endif

/// A handful of choices taken from the front of an input; zeros when there is nothing left.
class choices {
 public:
  explicit choices(bytes input) : left_(input) {}
  bool done() const { return left_.empty(); }
  unsigned byte() {
    if (left_.empty()) return 0;
    auto b = std::to_integer<unsigned>(left_.front());
    left_ = left_.subspan(1);
    return b;
  }
  unsigned below(unsigned n) { return byte() % n; }
  std::int64_t number() {
    std::uint64_t v = 0;
    for (int i = 0; i < 8; ++i) v = v << 8 | byte();
    return static_cast<std::int64_t>(v);
  }
  /// Up to the next byte 0, which is taken too.
  std::string_view text() {
    auto all = rest();
    auto size = std::min(all.find('\0'), all.size());
    left_ = left_.subspan(std::min(size + 1, left_.size()));
    return all.substr(0, size);
  }
  std::string_view rest() const { return {reinterpret_cast<char const*>(left_.data()), left_.size()}; }

 private:
  bytes left_;
};

inline std::string_view text_of(bytes b) { return {reinterpret_cast<char const*>(b.data()), b.size()}; }

}  // namespace fuzz

#if !defined(__SANITIZE_ADDRESS__)
// Without a sanitizer C++'s doors to the heap are counted here; there is one such file in a program.
// Not inlined: g++ would see malloc and free where it looks for new and delete.
[[gnu::noinline]] void* operator new(std::size_t n) {
  void* p = std::malloc(n ? n : 1);
  if (!p) throw std::bad_alloc();
  fuzz::memory::took(::malloc_usable_size(p));
  return p;
}
[[gnu::noinline]] void operator delete(void* p) noexcept {
  if (p) fuzz::memory::gave(::malloc_usable_size(p));
  std::free(p);
}
void* operator new[](std::size_t n) { return operator new(n); }
void operator delete[](void* p) noexcept { operator delete(p); }
void operator delete(void* p, std::size_t) noexcept { operator delete(p); }
void operator delete[](void* p, std::size_t) noexcept { operator delete(p); }
#endif

#if defined(MEDMO_FUZZING)
#define MEDMO_FUZZ_TARGET(name)                                                       \
  static void name(fuzz::bytes input);                                                \
  extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) { \
    fuzz::run(std::as_bytes(std::span(data, size)), name);                            \
    return 0;                                                                         \
  }                                                                                   \
  static void name(fuzz::bytes input)
#else
#define MEDMO_FUZZ_TARGET(name)                                                        \
  static void name(fuzz::bytes input);                                                 \
  TEST_CASE("fuzz: every file of the corpus of " #name) { fuzz::replay(#name, name); } \
  static void name(fuzz::bytes input)
#endif
