// Makes things ahead of their use on one thread of its own: training samples out of files, so that pictures are decoded
// while the model computes. Results come in order; an error comes where its result would have. Bounded in number and bytes.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>


#include "../core/version.hpp"

namespace medmo::inline MEDMO_ABI::train {

struct read_ahead_options {
  std::size_t results = 4;                         ///< made and not yet taken, at most
  std::size_t bytes = std::size_t{1} << 30;        ///< of those; one larger result may stand alone
};

/// train::read_ahead<batch> next([&]() -> std::optional<batch> { ... }, [](batch const& b) { return b.bytes(); });
/// while (auto b = next.take()) use(*b);
/// `make` runs on the other thread only, one call after the other, until it gives nothing or throws.
template <class T>
class read_ahead {
 public:
  read_ahead(std::function<std::optional<T>()> make, std::function<std::size_t(T const&)> size, read_ahead_options const& options = {})
      : make_(std::move(make)), size_(std::move(size)), options_(options), worker_([this] { run(); }) {}
  read_ahead(read_ahead const&) = delete;
  /// Waits for the call of `make` that is under way; what was made and not taken is lost.
  ~read_ahead() {
    {
      std::lock_guard lock(mutex_);
      stop_ = true;
    }
    room_.notify_one();
    worker_.join();
  }

  /// The next result; nothing behind the last. Throws what `make` threw, in its place, and then gives nothing.
  std::optional<T> take() {
    std::unique_lock lock(mutex_);
    ready_.wait(lock, [&] { return !made_.empty() || ended_; });
    if (made_.empty()) {
      if (fault_) std::rethrow_exception(std::exchange(fault_, nullptr));
      return std::nullopt;
    }
    std::optional<T> out(std::move(made_.front().value));
    bytes_ -= made_.front().bytes;
    made_.pop_front();
    lock.unlock();
    room_.notify_one();
    return out;
  }

 private:
  struct entry {
    T value;
    std::size_t bytes;
  };
  void run() {
    for (;;) {
      {
        std::unique_lock lock(mutex_);
        room_.wait(lock, [&] { return stop_ || (made_.size() < options_.results && (made_.empty() || bytes_ < options_.bytes)); });
        if (stop_) return;
      }
      std::optional<T> next;
      std::exception_ptr fault;
      std::size_t size = 0;
      try {
        next = make_();
        if (next) size = size_(*next);
      } catch (...) {
        fault = std::current_exception();
        next.reset();
      }
      std::lock_guard lock(mutex_);
      if (next) {
        made_.push_back({std::move(*next), size});
        bytes_ += size;
      } else {
        fault_ = std::move(fault);  // its last owner is the other thread
        ended_ = true;
      }
      ready_.notify_one();
      if (ended_) return;
    }
  }

  std::function<std::optional<T>()> make_;
  std::function<std::size_t(T const&)> size_;
  read_ahead_options options_;
  std::mutex mutex_;
  std::condition_variable room_, ready_;
  std::deque<entry> made_;
  std::size_t bytes_ = 0;
  bool stop_ = false, ended_ = false;
  std::exception_ptr fault_;
  std::thread worker_;  // last: it uses the others
};

}  // namespace medmo::inline MEDMO_ABI::train
