// Errors of the outside world: a code, where it happened, what was expected and what was found.
// With exceptions on, `error` is thrown. With -fno-exceptions, MEDMO_THROW hands the error to a handler that the
// application sets and that must not return. The library itself never prints and never exits.
#pragma once

#include <atomic>
#include <cassert>
#include <cstddef>
#include <cstdlib>
#include <exception>
#include <string>
#include <utility>

#include "version.hpp"

/// A precondition of the caller, checked in debug builds only.
#define MEDMO_ASSERT(condition) assert(condition)

namespace medmo::inline MEDMO_ABI {

enum class errc {
  file_access,    ///< cannot open, read, map or write
  bad_format,     ///< bytes that are not what the format says
  bad_json,       ///< not JSON, or JSON of the wrong shape
  bad_config,     ///< a configuration differs from the compiled-in type
  missing_tensor,
  unused_tensor,
  wrong_shape,
  wrong_dtype,
  bad_image,
  too_large,      ///< beyond a documented limit
  bad_text,       ///< invalid UTF-8, unknown token, malformed template input
  bad_argument,   ///< a run-time argument outside its range
  not_finite,     ///< NaN or infinity where a number is needed
  unsupported,
};

namespace detail {
/// Names in messages come from files: cut where they are too long for a log, and without control characters, which a terminal
/// would obey.
inline std::string for_message(std::string text) {
  constexpr std::size_t limit = 1000;
  if (text.size() > limit) {
    text.resize(limit - 3);
    text += "...";
  }
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  return text;
}
}  // namespace detail

/// `where` names file, offset, tensor, line or argument. what() is one sentence:
///   "<where>: expected <expected>, found <found>"
/// Each of the three is cut at 1000 bytes, and a control character in it becomes '?'.
class error : public std::exception {
 public:
  error(errc code, std::string where, std::string expected, std::string found)
      : code_(code),
        where_(detail::for_message(std::move(where))),
        expected_(detail::for_message(std::move(expected))),
        found_(detail::for_message(std::move(found))) {
    message_ = where_ + ": expected " + expected_ + ", found " + found_;
  }
  errc code() const noexcept { return code_; }
  std::string const& where() const noexcept { return where_; }
  std::string const& expected() const noexcept { return expected_; }
  std::string const& found() const noexcept { return found_; }
  char const* what() const noexcept override { return message_.c_str(); }

 private:
  errc code_;
  std::string where_, expected_, found_, message_;
};

/// Called by MEDMO_THROW when exceptions are off; must not return (longjmp or end the process).
using error_handler = void (*)(error const&);

namespace detail {
inline std::atomic<error_handler>& handler_slot() {
  static std::atomic<error_handler> slot{nullptr};
  return slot;
}

[[noreturn]] inline void raise(error e) {
#if MEDMO_EXCEPTIONS
  throw e;
#else
  if (auto handler = handler_slot().load()) handler(e);
  std::abort();  // the application set no handler, or its handler returned: there is no way on
#endif
}
}  // namespace detail

inline void set_error_handler(error_handler handler) { detail::handler_slot().store(handler); }

}  // namespace medmo::inline MEDMO_ABI

/// MEDMO_THROW(code, where, expected, found)
#define MEDMO_THROW(...) ::medmo::detail::raise(::medmo::error(__VA_ARGS__))
