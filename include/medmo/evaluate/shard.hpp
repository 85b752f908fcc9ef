// A share of a run: asked by one process of several, told on the command line or by MPI's environment. MPI is not linked.
#pragma once

#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "../core/error.hpp"
#include "../core/matrix.hpp"

namespace medmo::inline MEDMO_ABI::evaluate {

struct shard {
  index number = 0, count = 1;  ///< number from 0
};

namespace detail {
/// A whole number in [0, 2^31); nothing for other text.
inline std::optional<index> whole_number(std::string_view text) {
  if (text.empty() || text.size() > 9) return std::nullopt;
  index out = 0;
  for (char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    out = out * 10 + (c - '0');
  }
  return out;
}
}  // namespace detail

/// "2/4": the second of four. Error: bad_argument.
inline shard parse_shard(std::string_view text) {
  auto const slash = text.find('/');
  auto const number = detail::whole_number(text.substr(0, slash));
  auto const count = slash == text.npos ? std::nullopt : detail::whole_number(text.substr(slash + 1));
  if (!number || !count || *number < 1 || *number > *count)
    MEDMO_THROW(errc::bad_argument, "shard", "NUMBER/COUNT, such as 2/4", "\"" + std::string(text) + "\"");
  return {*number - 1, *count};
}

/// This process's share under mpirun (Open MPI; MPICH, Intel MPI and srun's PMI); all of it elsewhere.
inline shard shard_of_environment() {
  struct names {
    char const *rank, *size;
  };
  for (auto const& n : {names{"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"}, names{"PMI_RANK", "PMI_SIZE"}}) {
    auto const *rank = std::getenv(n.rank), *size = std::getenv(n.size);
    if (!rank || !size) continue;
    auto const number = detail::whole_number(rank), count = detail::whole_number(size);
    if (number && count && *number < *count) return {*number, *count};
  }
  return {};
}

/// "" of a run in one piece, ".shard-2-of-4" of a share.
inline std::string suffix(shard const& s) {
  return s.count == 1 ? "" : ".shard-" + std::to_string(s.number + 1) + "-of-" + std::to_string(s.count);
}

}  // namespace medmo::inline MEDMO_ABI::evaluate
