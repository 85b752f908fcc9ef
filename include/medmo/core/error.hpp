// Errors of the outside world: a code, where it happened, what was expected and what was found.
// With exceptions on, `error` is thrown. With -fno-exceptions, MEDMO_THROW hands the error to a handler that the
// application sets and that must not return. The library itself never prints and never exits.
#pragma once

#include <atomic>
#include <cassert>
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

/// `where` names file, offset, tensor, line or argument. what() is one sentence:
///   "<where>: expected <expected>, found <found>"
class error : public std::exception {
 public:
  error(errc code, std::string where, std::string expected, std::string found)
      : code_(code), where_(std::move(where)), expected_(std::move(expected)), found_(std::move(found)) {
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
