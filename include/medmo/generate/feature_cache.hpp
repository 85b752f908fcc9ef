// What the vision tower made of pictures, kept for those who ask about the same picture again. The key is a hash of all
// that the features depend on: every pixel, the shape, how the picture is resized and normalised, and the model. A weaker
// key would one day show the doctor another patient.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "../core/blake2s.hpp"
#include "../core/image.hpp"
#include "../vision/preprocess.hpp"
#include "sequence.hpp"

namespace medmo::inline MEDMO_ABI {

using shared_features = std::shared_ptr<visual_features const>;

/// Of a picture and the way it is shown to the vision tower.
inline digest picture_digest(image const& picture, vision::preprocess_options const& o) {
  blake2s hash;
  hash.add_text("medmo picture 1: 8-bit RGB, interleaved, row by row");
  for (index n : {picture.width, picture.height, o.min_pixels, o.max_pixels, o.patch, o.merge, o.temporal,
                  static_cast<index>(o.rule), o.max_tokens_per_frame})
    hash.add(static_cast<std::uint64_t>(n));
  for (auto const& list : {o.mean, o.deviation})
    for (float x : list) hash.add(std::uint64_t{std::bit_cast<std::uint32_t>(x)});
  hash.add(std::uint64_t{picture.pixels.size()});
  return hash.add(std::as_bytes(std::span(picture.pixels))).finish();
}

/// Of a picture for one model. The model's own part is a hash of its vision weights, computed when first asked for.
template <vision_language_configuration C>
digest feature_key(model<C> const& m, image const& picture, vision::preprocess_options const& options) {
  auto const tower = m.vision_digest();
  auto const seen = picture_digest(picture, options);
  return blake2s().add(std::as_bytes(std::span(tower))).add(std::as_bytes(std::span(seen))).finish();
}

/// Features by key, at most `limit_bytes` of them; the least recently used leave first. 0 keeps none. For any number of
/// threads at once.
///   medmo::feature_cache seen(512 << 20);
///   medmo::session first{model, &seen}, second{model, &seen};
class feature_cache {
 public:
  explicit feature_cache(std::size_t limit_bytes) : limit_(limit_bytes) {}

  /// What is kept under `key`, or what make() gives, which is then kept. Threads that ask for the same at once may each
  /// make it.
  template <class F>
  shared_features find_or(digest const& key, F&& make) {
    if (auto found = find(key)) return found;
    shared_features made = make();
    put(key, made);
    return made;
  }

  /// Nothing if it is not there.
  shared_features find(digest const& key) {
    std::lock_guard lock(mutex_);
    auto const at = places_.find(key);
    if (at == places_.end()) {
      ++misses_;
      return nullptr;
    }
    ++hits_;
    entries_.splice(entries_.begin(), entries_, at->second);
    return at->second->features;
  }

  void put(digest const& key, shared_features features) {
    std::size_t const bytes = size_of(*features);
    std::lock_guard lock(mutex_);
    if (bytes > limit_ || places_.contains(key)) return;
    while (bytes_ > limit_ - bytes) {
      bytes_ -= size_of(*entries_.back().features);
      places_.erase(entries_.back().key);
      entries_.pop_back();
    }
    std::list<entry> one;
    one.push_front({key, std::move(features)});
    places_[key] = one.begin();
    entries_.splice(entries_.begin(), one);
    bytes_ += bytes;
  }

  std::size_t bytes() const { return locked(bytes_); }
  std::size_t limit() const { return limit_; }
  std::size_t hits() const { return locked(hits_); }
  std::size_t misses() const { return locked(misses_); }

  /// Bytes that count against the limit.
  static std::size_t size_of(visual_features const& f) {
    auto numbers = f.merged.size();
    for (auto const& level : f.deepstack) numbers += level.size();
    return sizeof(visual_features) + static_cast<std::size_t>(numbers) * sizeof(float);
  }

 private:
  struct entry {
    digest key;
    shared_features features;
  };
  std::size_t locked(std::size_t const& number) const {
    std::lock_guard lock(mutex_);
    return number;
  }

  std::size_t const limit_;
  mutable std::mutex mutex_;
  std::list<entry> entries_;  // the most recently used first
  std::map<digest, std::list<entry>::iterator> places_;
  std::size_t bytes_ = 0, hits_ = 0, misses_ = 0;
};

}  // namespace medmo::inline MEDMO_ABI
