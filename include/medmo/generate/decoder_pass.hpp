// One pass of the decoder over the next tokens of several sequences: the weights are read once for all of them. Each
// sequence gets the bytes it would get alone. Knows nothing of text or sampling (decoding.hpp).
#pragma once

#include <algorithm>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "sequence.hpp"

namespace medmo::inline MEDMO_ABI {

///   pass.reserve(8);                                   // allocates; the rest does not, within what was reserved
///   pass.add(a, {&next_of_a, 1}), pass.add(b, drafted);
///   pass.run();
///   use(pass.logits(0)), ...                           // row by row, in the order added
/// Keeps the model by reference, and the sequences between add and run. Not for several threads at once.
template <model_configuration C>
class decoder_pass {
 public:
  explicit decoder_pass(model<C> const& m, std::shared_ptr<arena> memory = std::make_shared<arena>())
      : model_(m), memory_(std::move(memory)) {}

  /// Room for passes of up to `rows` tokens of as many sequences. The sequences' own room is their own (sequence::reserve).
  void reserve(index rows) {
    int const threads = thread_count();
    if (rows <= rows_ && threads <= threads_) return memory_->reserve(bytes_);  // others may have made it anew
    rows = std::max(rows, rows_);
    std::size_t bytes = 0;
    std::vector<segment_size> ones;
    for (index n = 1; n <= rows; ++n) {  // scratch of products does not grow evenly
      ones.push_back({0, 1});
      bytes = std::max(bytes, count_decode<C>(ones, model_.stored(), threads, n).peak());
    }
    memory_->reserve(bytes);
    auto const count = static_cast<std::size_t>(rows);
    logits_.resize(count * static_cast<std::size_t>(C::text.vocab));
    ids_.reserve(count), positions_.reserve(count), segments_.reserve(count), members_.reserve(count);
    rows_ = rows, threads_ = threads, bytes_ = bytes;
  }

  /// `ids`, text tokens below the vocabulary, are to go behind `s`, which must not be in this pass yet. Errors: too_large.
  void add(sequence<C>& s, std::span<index const> ids) {
    MEDMO_ASSERT(!ids.empty() && s.model_ == &model_);
    reserve(rows() + static_cast<index>(ids.size()));
    s.make_room(static_cast<index>(ids.size()));
    ids_.insert(ids_.end(), ids.begin(), ids.end());
    members_.push_back(&s);
    segments_.push_back({&s.cache_, static_cast<index>(ids.size())});
  }

  index rows() const { return static_cast<index>(ids_.size()); }
  /// Forgets what was added and has not run.
  void clear() { ids_.clear(), members_.clear(), segments_.clear(), positions_.clear(); }

  /// Takes the added tokens through the decoder; the next add begins another pass. Logits of the sequences are stale.
  void run() {
    if (ids_.empty()) return;
    index row = 0;
    for (std::size_t i = 0; i < members_.size(); ++i) {
      auto const count = static_cast<std::size_t>(segments_[i].rows);
      members_[i]->push(std::span(ids_).subspan(static_cast<std::size_t>(row), count));
      auto const placed = std::span(members_[i]->positions_).last(count);
      positions_.insert(positions_.end(), placed.begin(), placed.end());
      row += segments_[i].rows;
    }
    {
      runner engine(*memory_, segments_);
      auto scope = engine.scope();
      token_chunk const chunk{.ids = ids_, .positions = positions_};
      auto x = decode<C>(engine, model_.weights().text, chunk, visual_rows<C, runner>{});
      auto y = head<C>(engine, model_.weights().text, x);
      std::copy_n(y.data, y.size * C::text.vocab, logits_.data());
    }
    for (auto const& s : segments_) s.cache->advance(s.rows);
    ++passes_;
    clear();
  }

  /// Logits [V] behind the row-th token of the last pass; a sampler may change them.
  std::span<float> logits(index row) {
    return std::span(logits_).subspan(static_cast<std::size_t>(row * C::text.vocab), static_cast<std::size_t>(C::text.vocab));
  }

  index passes() const { return passes_; }  ///< run so far

 private:
  model<C> const& model_;
  std::shared_ptr<arena> memory_;
  index rows_ = 0, passes_ = 0;
  int threads_ = 0;
  std::size_t bytes_ = 0;  // of arena
  std::vector<float> logits_;
  std::vector<index> ids_;
  std::vector<token_position> positions_;
  std::vector<segment> segments_;
  std::vector<sequence<C>*> members_;  // whose the segments are
};

}  // namespace medmo::inline MEDMO_ABI
