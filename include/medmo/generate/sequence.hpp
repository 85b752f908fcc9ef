// One sequence of tokens and pictures on its way through a model: the tokens so far, their positions, their keys and
// values. Text of any length goes through in chunks; the bits do not depend on where the cuts are, nor on what a fork
// shares. Several sequences in one pass: decoder_pass.hpp.
#pragma once

#include <algorithm>
#include <array>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../core/arena.hpp"
#include "../core/error.hpp"
#include "../model/model.hpp"
#include "../model/plan.hpp"
#include "../model/runner.hpp"
#include "../model/tracer.hpp"

namespace medmo::inline MEDMO_ABI {

/// A picture as the vision tower sees it, and then as the decoder sees it.
struct visual_features {
  patch_grid grid;
  matrix<float> merged;                  ///< [tokens, D]
  std::vector<matrix<float>> deepstack;  ///< [tokens, D] each
};

/// Runs the vision tower. patches [N, 1536] in merge order. `memory` is grown to what the tower needs.
template <vision_language_configuration C>
visual_features see_picture(model<C> const& m, view<float> const& patches, patch_grid const& grid, arena& memory,
                            stage_map* stages = nullptr) {
  constexpr auto& c = C::vision;
  if (grid.h <= 0 || grid.w <= 0 || grid.t <= 0 || grid.h % c.merge || grid.w % c.merge ||
      patches.rows() != grid.patches() || patches.cols() != c.patch_width())
    MEDMO_THROW(errc::bad_argument, "patches",
                std::to_string(grid.patches()) + " x " + std::to_string(c.patch_width()) + " for a grid of whole " +
                    std::to_string(c.merge) + " x " + std::to_string(c.merge) + " blocks",
                std::to_string(patches.rows()) + " x " + std::to_string(patches.cols()));
  memory.reserve(count_vision<C>(grid, m.stored(), thread_count()).peak());
  visual_features out;
  out.grid = grid;
  auto run = [&](auto&& engine) {
    using E = std::remove_cvref_t<decltype(engine)>;
    auto scope = engine.scope();
    // the patches are read only: rows over them avoid a copy
    typename E::template rows<c.patch_width()> x{const_cast<float*>(patches.data()), patches.rows(),
                                                 patches.outerStride()};
    engine.set_compute(m.compute());
    auto seen = see<C>(engine, m.weights().vision, x, grid);
    out.merged = view<float>(seen.merged);
    for (auto const& level : seen.deepstack) out.deepstack.emplace_back(view<float>(level));
  };
  if (stages)
    run(tracer(memory, {}, *stages));
  else
    run(runner(memory));
  return out;
}

template <model_configuration C>
class decoder_pass;

/// Keeps the model by reference: it must outlive the sequence.
template <model_configuration C>
class sequence {
 public:
  static constexpr index default_chunk = 1024;

  /// `memory` for activations may be shared by sequences of which one steps at a time.
  explicit sequence(medmo::model<C> const& m, std::shared_ptr<arena> memory = std::make_shared<arena>())
      : model_(&m),
        cache_({m.compute(), C::text.kv_heads, C::text.head_dim}, C::text.layers),
        memory_(std::move(memory)),
        logits_(static_cast<std::size_t>(C::text.vocab)) {}

  /// Another sequence with the same tokens, keys, values and logits, to be continued in another way. Pages are shared and
  /// never copied, but for one that is partly filled, when one of the two goes on. Forks may live in several threads.
  sequence fork(std::shared_ptr<arena> memory = std::make_shared<arena>()) const {
    sequence other(*model_, std::move(memory), cache_.fork());
    other.logits_ = logits_;
    other.ids_ = ids_;
    other.positions_ = positions_;
    other.next_position_ = next_position_;
    return other;
  }

  index length() const { return cache_.length(); }
  /// Bytes of keys and values of 64 tokens.
  index page_bytes() const { return kv_cache::bytes_for(cache_.layout(), C::text.layers, 1); }
  std::span<index const> ids() const { return ids_; }
  std::span<token_position const> positions() const { return positions_; }
  arena& memory() { return *memory_; }

  /// Makes room for `tokens` in all and for steps of `chunk`; after it, stepping allocates nothing.
  void reserve(index tokens, index chunk = 1) {
    if (tokens > C::text.max_positions)
      MEDMO_THROW(errc::too_large, "sequence", "at most " + std::to_string(C::text.max_positions) + " tokens",
                  std::to_string(tokens));
    cache_.reserve(tokens);
    ids_.reserve(static_cast<std::size_t>(tokens));
    positions_.reserve(static_cast<std::size_t>(tokens));
    chunk = std::max<index>(1, std::min(chunk, tokens));
    memory_->reserve(count_decode<C>(chunk, 0, model_->stored(), thread_count()).peak());
  }

  /// Appends tokens and the pictures that their image tokens stand for, in order; logits() are then those after the last.
  /// With `stages`, keeps every named stage, logits of all positions included. Errors leave the sequence as it was.
  void append(std::span<index const> ids, std::span<visual_features const* const> pictures = {},
              index chunk = default_chunk, stage_map* stages = nullptr) {
    if (ids.empty()) return;
    index const rows = stages ? std::min(chunk, static_cast<index>(ids.size())) : 1;
    extend(ids, pictures, chunk, rows, stages, [&](auto& engine, auto x, index, bool last) {
      if (stages)
        read_logits(engine, x);
      else if (last)
        read_logits(engine, engine.last_rows(x, 1));
    });
  }

  /// As `append`, and visit(i, logits [V]) after each of the tokens: what would come behind ids[i]. logits() are stale;
  /// `visit` must not throw.
  template <class Visit>
  void append_each(std::span<index const> ids, Visit&& visit) {
    constexpr index block = 16;  // rows of logits held at a time
    if (ids.empty()) return;
    extend(ids, {}, block, std::min(block, static_cast<index>(ids.size())), nullptr,
           [&](auto& engine, auto x, index at, bool) {
             auto y = head<C>(engine, model_->weights().text, x);
             for (index i = 0; i < x.size; ++i)
               visit(at + i, std::span<float const>(y.row(i), static_cast<std::size_t>(C::text.vocab)));
           });
  }

  /// As `append`, and visit(i, hidden [D]) with the state of each of the tokens after the last norm, which the head would
  /// read; the head itself is not run and logits() are stale. `visit` must not throw.
  template <class Visit>
  void append_hidden(std::span<index const> ids, std::span<visual_features const* const> pictures, Visit&& visit,
                     index chunk = default_chunk) {
    if (ids.empty()) return;
    extend(ids, pictures, chunk, 1, nullptr, [&](auto& engine, auto x, index at, bool) {
      for (index i = 0; i < x.size; ++i) {  // row by row: the arena has room for the head of one
        auto scope = engine.scope();
        auto h = last_norm<C>(engine, model_->weights().text, decltype(x){x.row(i), 1, x.stride});
        visit(at + i, std::span<float const>(h.row(0), static_cast<std::size_t>(C::text.hidden)));
      }
    });
  }

  /// Appends one text token. Allocates nothing within what `reserve` made room for.
  void append_token(index id) {
    MEDMO_ASSERT(id >= 0 && id < C::text.vocab);
    if (length() == cache_.capacity()) reserve(length() + 1);
    make_room(1);
    push({&id, 1});
    step({&id, 1}, std::span(positions_).last(1), {}, nullptr, [&](auto& engine, auto x) { read_logits(engine, x); });
  }

  /// Forgets everything from token `length` on, which must not lie inside a picture; logits() are then stale.
  void truncate(index length) {
    MEDMO_ASSERT(length >= 0 && length <= this->length());
    auto n = static_cast<std::size_t>(length);
    if (n < positions_.size()) next_position_ = positions_[n].t;
    positions_.resize(n);
    ids_.resize(n);
    cache_.truncate(length);
  }

  /// Logits [V] after the last token; a sampler may change them.
  std::span<float> logits() { return logits_; }

 private:
  friend class decoder_pass<C>;

  sequence(medmo::model<C> const& m, std::shared_ptr<arena> memory, kv_cache cache)
      : model_(&m), cache_(std::move(cache)), memory_(std::move(memory)) {}

  /// Room for `count` tokens more, after which `push` and the pass that takes them cannot fail.
  void make_room(index count) {
    cache_.reserve(length() + count);
    auto const size = static_cast<std::size_t>(length() + count);
    if (size > ids_.capacity()) ids_.reserve(2 * size);
    if (size > positions_.capacity()) positions_.reserve(2 * size);
  }

  /// Text tokens that a pass is about to take.
  void push(std::span<index const> ids) {
    for (index id : ids) {
      ids_.push_back(id);
      positions_.push_back({next_position_, next_position_, next_position_});
      ++next_position_;
    }
  }

  /// The whole of an append: checks, then steps of `chunk` tokens. finish(engine, x [T, D], at, last) gets the hidden states
  /// of ids[at, at + T) before the last norm; there is room for the head on `head_rows` of them.
  template <class Finish>
  void extend(std::span<index const> ids, std::span<visual_features const* const> pictures, index chunk, index head_rows,
              stage_map* stages, Finish&& finish) {
    for (std::size_t i = 0; i < ids.size(); ++i)
      if (ids[i] < 0 || ids[i] >= C::text.vocab)
        MEDMO_THROW(errc::bad_argument, "token " + std::to_string(i), "an id below " + std::to_string(C::text.vocab),
                    std::to_string(ids[i]));
    std::vector<token_position> positions;
    positions.reserve(ids.size());
    index next = place(ids, pictures, positions);
    std::vector<visual_run> runs;
    if (!pictures.empty()) append_visual_runs(ids, tokens_of<C>, 0, 0, runs);
    reserve(length() + static_cast<index>(ids.size()), chunk);
    if (head_rows > 1)
      memory_->reserve(count_decode<C>(std::min(chunk, static_cast<index>(ids.size())), 0, model_->stored(), thread_count(),
                                       head_rows).peak());
    gather(pictures);
    struct undo {  // what was appended is forgotten unless all of it went through
      sequence& owner;
      index length;
      ~undo() { if (length >= 0) owner.truncate(length); }
    } appended{*this, length()};
    ids_.insert(ids_.end(), ids.begin(), ids.end());
    positions_.insert(positions_.end(), positions.begin(), positions.end());
    next_position_ = next;

    auto total = static_cast<index>(ids.size());
    for (index at = 0; at < total; at += chunk) {
      index n = std::min(chunk, total - at);
      std::vector<visual_run> here = runs_within(runs, at, n);
      step(ids.subspan(static_cast<std::size_t>(at), static_cast<std::size_t>(n)),
           std::span(positions).subspan(static_cast<std::size_t>(at), static_cast<std::size_t>(n)), here, stages,
           [&](auto& engine, auto x) { finish(engine, x, at, at + n == total); });
    }
    appended.length = -1;
  }

  index place(std::span<index const> ids, std::span<visual_features const* const> pictures,
              std::vector<token_position>& positions) const {
    std::vector<patch_grid> grids;
    for (auto const* p : pictures) grids.push_back(p->grid);
    index merge = 1;
    if constexpr (vision_language_configuration<C>) merge = C::vision.merge;
    return append_positions(ids, grids, merge, tokens_of<C>, next_position_, positions);
  }

  static std::vector<visual_run> runs_within(std::vector<visual_run> const& runs, index at, index n) {
    std::vector<visual_run> here;
    for (auto const& r : runs) {
      index begin = std::max(r.token_row, at), end = std::min(r.token_row + r.count, at + n);
      if (begin < end) here.push_back({begin - at, r.feature_row + begin - r.token_row, end - begin});
    }
    return here;
  }

  /// All pictures of one append as one table of rows; a single picture is used where it lies.
  void gather(std::span<visual_features const* const> pictures) {
    visual_ = {};
    if (pictures.empty()) return;
    auto rows_of = [](matrix<float> const& m) {
      return runner::rows<C::text.hidden>{const_cast<float*>(m.data()), m.rows(), C::text.hidden};
    };
    constexpr std::size_t levels = visual_rows<C, runner>::levels;
    auto join = [&](auto const& part) {
      if (pictures.size() == 1) return rows_of(part(*pictures.front()));
      index n = 0;
      for (auto const* p : pictures) n += part(*p).rows();
      matrix<float> all(n, C::text.hidden);
      n = 0;
      for (auto const* p : pictures) {
        all.middleRows(n, part(*p).rows()) = part(*p);
        n += part(*p).rows();
      }
      joined_.push_back(std::move(all));
      return rows_of(joined_.back());
    };
    joined_.clear();
    joined_.reserve(1 + levels);
    visual_.merged = join([](visual_features const& f) -> auto& { return f.merged; });
    for (std::size_t l = 0; l < levels; ++l)
      visual_.deepstack[l] = join([l](visual_features const& f) -> auto& { return f.deepstack[l]; });
  }

  /// One pass through the decoder. finish(engine, x) reads the hidden states while they last.
  template <class Finish>
  void step(std::span<index const> ids, std::span<token_position const> positions, std::span<visual_run const> runs,
            stage_map* stages, Finish&& finish) {
    token_chunk chunk{.ids = ids, .positions = positions, .visual = runs};
    segment const all{&cache_, chunk.size()};
    auto run = [&](auto&& engine) {
      using E = std::remove_cvref_t<decltype(engine)>;
      auto scope = engine.scope();
      visual_rows<C, E> visual{visual_.merged, visual_.deepstack};
      finish(engine, decode<C>(engine, model_->weights().text, chunk, visual));
    };
    if (stages)
      run(tracer(*memory_, {&all, 1}, *stages));
    else
      run(runner(*memory_, {&all, 1}));
    cache_.advance(chunk.size());
  }

  /// The logits after the last of rows x [T, D].
  template <class E>
  void read_logits(E& engine, typename E::template rows<C::text.hidden> x) {
    auto y = head<C>(engine, model_->weights().text, x);
    std::copy_n(y.row(x.size - 1), C::text.vocab, logits_.data());
  }

  medmo::model<C> const* model_;
  kv_cache cache_;
  std::shared_ptr<arena> memory_;
  std::vector<float> logits_;
  std::vector<index> ids_;
  std::vector<token_position> positions_;
  index next_position_ = 0;
  visual_rows<C, runner> visual_;
  std::vector<matrix<float>> joined_;
};

}  // namespace medmo::inline MEDMO_ABI
