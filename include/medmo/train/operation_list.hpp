// What was done, in order, as closures in an arena: each undoes one operation's share of the backward pass when the list is
// walked from its end. Records are dropped with the arena, never destroyed.
#pragma once

#include <new>
#include <type_traits>

#include "../core/arena.hpp"

namespace medmo::inline MEDMO_ABI::train {

class operation_list {
  struct operation {
    operation* before;
    void (*run)(operation*);
  };
  template <class F>
  struct recorded : operation {
    F f;
    recorded(operation* b, F const& g) : operation{b, [](operation* o) { static_cast<recorded*>(o)->f(); }}, f(g) {}
  };

 public:
  using position = operation const*;

  explicit operation_list(arena& memory) : memory_(memory) {}

  template <class F>
  void add(F const& f) {
    static_assert(std::is_trivially_destructible_v<F>, "a record is dropped, not destroyed");
    last_ = new (memory_.take<recorded<F>>(1)) recorded<F>(last_, f);
  }
  /// Where the list ends now.
  position end() const { return last_; }
  /// Runs and removes what was added since `until`, the latest first. One that adds others walks them back itself.
  void walk_back(position until = nullptr) {
    while (last_ != until) {
      auto* o = last_;
      o->run(o);
      last_ = o->before;
    }
  }

 private:
  arena& memory_;
  operation* last_ = nullptr;
};

}  // namespace medmo::inline MEDMO_ABI::train
