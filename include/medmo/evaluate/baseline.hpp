// Answers without a model, to see what a score is worth: always the most frequent answer of the data itself, and for each label
// the mean of its true boxes. They look at the truth: an upper bound of what a constant answer can reach.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../io/image_header.hpp"
#include "../io/mapped_file.hpp"
#include "reply.hpp"

namespace medmo::inline MEDMO_ABI::evaluate {

namespace detail {
struct picture_size {
  index width = 0, height = 0;
};

/// Of the last picture, from its header alone. Errors: those of read_image_header.
inline picture_size last_picture_size(request const& r) {
  if (r.pictures.empty()) return {};
  auto const file = io::mapped_file::open(r.pictures.back());
  auto const header = io::read_image_header(file.bytes(), r.pictures.back());
  return {header.width, header.height};
}
}  // namespace detail

/// Of `all` requests of a run the most frequent answer of each kind of task, and the mean box of each label.
class constant_answers {
 public:
  explicit constant_answers(std::span<request const> all) {
    std::map<task, std::map<std::string, std::size_t>> counts;
    for (auto const& r : all) {
      ++counts[r.what->kind][right_answer(*r.what)];
      if (r.what->kind != task::grounding) continue;
      auto const size = detail::last_picture_size(r);
      for (auto const& t : r.what->boxes) {
        auto const px = in_pixels(t, size.width, size.height);
        auto& m = means_[t.label];
        double const w = 1000.0 / static_cast<double>(size.width), h = 1000.0 / static_cast<double>(size.height);
        m.sum = {m.sum.x1 + px.x1 * w, m.sum.y1 + px.y1 * h, m.sum.x2 + px.x2 * w, m.sum.y2 + px.y2 * h};
        ++m.count;
      }
    }
    for (auto const& [kind, of] : counts)
      most_[kind] = std::max_element(of.begin(), of.end(), [](auto const& a, auto const& b) { return a.second < b.second; })->first;
  }

  void operator()(std::span<request const> requests, std::function<void(std::size_t, reply)> const& done) const {
    for (std::size_t n = 0; n < requests.size(); ++n) {
      reply r;
      r.stop = "baseline";
      if (requests[n].what->kind == task::grounding) add_boxes(requests[n], r);
      else r.text = most_.at(requests[n].what->kind);
      done(n, std::move(r));
    }
  }

 private:
  struct mean_box {
    box<norm1000> sum{};
    double count = 0;
  };

  void add_boxes(request const& request, reply& r) const {
    auto const size = detail::last_picture_size(request);
    r.width = size.width, r.height = size.height;
    for (auto const& [label, m] : means_) {
      box<norm1000> const mean{m.sum.x1 / m.count, m.sum.y1 / m.count, m.sum.x2 / m.count, m.sum.y2 / m.count};
      r.detections.push_back({label, mean, to_pixel(mean, r.width, r.height), 0, 1.0, {}});
    }
  }

  std::map<task, std::string> most_;
  std::map<std::string, mean_box> means_;
};

}  // namespace medmo::inline MEDMO_ABI::evaluate
