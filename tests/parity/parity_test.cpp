// Equal to the reference: every named stage of the forward pass, positions and greedy tokens, on tiny random checkpoints.
//   f32   every stage within 1e-5 of the reference in f32, tokens identical
//   bf16  every stage's error against the f32 reference at most 1.5 times the error of the reference's own bf16 run
// Errors are ||x - f32|| / ||f32|| over the rows kept. The goldens come from tools/export_parity.py; its versions are in
// errors.json. MEDMO_PARITY_TABLE=FILE writes the table of docs/parity.md.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "configurations.hpp"
#include "golden.hpp"
#include "medmo/check_config.hpp"
#include "medmo/generate/sampler.hpp"
#include "medmo/generate/sequence.hpp"
#include "medmo/io/checkpoint.hpp"
#include "medmo/io/model_config.hpp"

#ifndef MEDMO_TEST_DATA
#define MEDMO_TEST_DATA "tests/data"
#endif

namespace parity {

constexpr double f32_limit = 1e-5, bf16_limit = 1.5;

std::string folder(std::string_view configuration) {
  return std::string(MEDMO_TEST_DATA) + "/parity/" + std::string(configuration);
}

template <class C>
medmo::model<C> load_as(medmo::dtype type, std::string const& where) {
  std::string path = where + "/model.safetensors";
  return medmo::model<C>::load(std::make_shared<checkpoint_as const>(path, type), path);
}

struct golden_case {
  std::string name;
  golden_file file;
  nlohmann::json errors;  ///< of the stages
};

template <class C>
std::vector<golden_case> cases_of() {
  std::vector<golden_case> out;
  auto const report = read_json(folder(C::name) + "/errors.json");
  for (auto const& [name, entry] : report.at("cases").items())
    out.push_back({name, golden_file(folder(C::name) + "/case_" + name + ".safetensors"), entry.at("stages")});
  return out;
}

/// The pictures of a case, seen; the stages of the tower are kept if asked for.
template <class C>
std::vector<medmo::visual_features> see_case(medmo::model<C> const& m, golden_file const& g,
                                             medmo::stage_map* stages = nullptr) {
  std::vector<medmo::visual_features> seen;
  if (!g.has("pixels")) return seen;
  auto const pixels = g["pixels"].as_matrix();
  auto const grids = g["image_grid_thw"].as_indices();
  medmo::arena memory;
  index row = 0;
  for (std::size_t i = 0; i < grids.size(); i += 3) {
    medmo::patch_grid grid{grids[i], grids[i + 1], grids[i + 2]};
    medmo::view<float> patches(pixels.row(row).data(), grid.patches(), pixels.cols(),
                               Eigen::OuterStride<>(pixels.cols()));
    seen.push_back(medmo::see_picture(m, patches, grid, memory, stages));
    row += grid.patches();
  }
  CHECK(row == pixels.rows());
  return seen;
}

std::vector<medmo::visual_features const*> pointers(std::vector<medmo::visual_features> const& seen) {
  std::vector<medmo::visual_features const*> out;
  for (auto const& s : seen) out.push_back(&s);
  return out;
}

struct stage_error {
  double error = 0;
  index worst_row = 0, worst_col = 0;
};

/// `ours` holds every row, the golden the rows listed in rows.<stage>.
stage_error compare(medmo::matrix<float> const& ours, golden_file const& g, std::string const& stage) {
  auto const theirs = g[stage].as_matrix();
  std::vector<index> rows;
  if (g.has("rows." + stage))
    rows = g["rows." + stage].as_indices();
  else
    for (index i = 0; i < theirs.rows(); ++i) rows.push_back(i);
  REQUIRE(static_cast<index>(rows.size()) == theirs.rows());
  REQUIRE(ours.cols() == theirs.cols());
  if (!g.has("rows." + stage)) REQUIRE(ours.rows() == theirs.rows());
  REQUIRE(ours.rows() > rows.back());
  stage_error out;
  double square = 0, total = 0, worst = -1;
  for (index i = 0; i < theirs.rows(); ++i)
    for (index j = 0; j < theirs.cols(); ++j) {
      double d = static_cast<double>(ours(rows[static_cast<std::size_t>(i)], j)) - static_cast<double>(theirs(i, j));
      square += d * d;
      total += static_cast<double>(theirs(i, j)) * static_cast<double>(theirs(i, j));
      if (!(std::abs(d) <= worst))
        worst = std::abs(d), out.worst_row = rows[static_cast<std::size_t>(i)], out.worst_col = j;
    }
  out.error = std::sqrt(square / total);
  return out;
}

bool is_stage(golden_file const& g, std::string const& name) {
  if (name.starts_with("rows.") || name.ends_with(".before_deepstack") || name == "vision.pos_embed") return false;
  return (name.starts_with("vision.") || name.starts_with("text.") || name == "logits") && !g[name].integers;
}

struct table_row {
  std::string configuration, stage;
  double f32 = 0, bf16 = 0, reference = 0, ratio = 0;  // the worst over the cases; reference is that of the worst ratio
};
std::vector<table_row>& table() {
  static std::vector<table_row> rows;
  return rows;
}
table_row& row_of(std::string_view configuration, std::string const& stage) {
  for (auto& r : table())
    if (r.configuration == configuration && r.stage == stage) return r;
  table().push_back({std::string(configuration), stage});
  return table().back();
}

template <class C>
void check_stages(medmo::model<C> const& m, golden_case const& c) {
  medmo::stage_map stages;
  auto const seen = see_case(m, c.file, &stages);
  medmo::sequence<C> s(m);
  s.append(c.file["tokens"].as_indices(), pointers(seen), medmo::sequence<C>::default_chunk, &stages);

  auto const positions = c.file["positions"].as_indices();
  auto const ours = s.positions();
  REQUIRE(positions.size() == 3 * ours.size());
  for (std::size_t i = 0; i < ours.size(); ++i) {
    CAPTURE(i);
    CHECK(ours[i] == medmo::token_position{positions[i], positions[ours.size() + i], positions[2 * ours.size() + i]});
  }

  for (auto const& stage : c.file.names()) {
    if (!is_stage(c.file, stage)) continue;
    CAPTURE(stage);
    REQUIRE(stages.count(stage));
    auto const found = compare(stages.at(stage), c.file, stage);
    double const error = found.error;
    CAPTURE(found.worst_row);
    CAPTURE(found.worst_col);
    auto& row = row_of(C::name, stage);
    if (m.compute() == medmo::dtype::f32) {
      CHECK(error <= f32_limit);
      row.f32 = std::max(row.f32, error);
    } else {
      double reference = c.errors.at(stage).at("bf16");
      CAPTURE(reference);
      CHECK(error <= bf16_limit * reference + 1e-7);  // rows that are copied are exact in both
      double ratio = reference > 0 ? error / reference : 0;
      if (ratio >= row.ratio) row.ratio = ratio, row.bf16 = error, row.reference = reference;
    }
  }
}

template <class C>
void expect_greedy(medmo::sequence<C>& s, std::vector<index> const& expected, index feed_last) {
  medmo::sampler pick({.greedy = true}, C::text.vocab, {C::tokens.image_pad, C::tokens.video_pad});
  for (std::size_t i = 0; i < expected.size(); ++i) {
    auto token = pick.draw(s.logits());
    REQUIRE(token.has_value());
    CAPTURE(i);
    REQUIRE(*token == expected[i]);
    if (i + 1 < expected.size() || feed_last) s.append_token(*token);
  }
}

#define MEDMO_CONFIGURATIONS base, one_kv, full_kv, wide_head, three_levels, odd_tails, other_base

TEST_CASE_TEMPLATE("f32: every stage is that of the reference", C, MEDMO_CONFIGURATIONS) {
  auto const m = load_as<C>(medmo::dtype::f32, folder(C::name));
  for (auto const& c : cases_of<C>()) {
    CAPTURE(C::name);
    CAPTURE(c.name);
    check_stages(m, c);
  }
}

TEST_CASE_TEMPLATE("bf16: every stage within 1.5 times the reference's own error", C, MEDMO_CONFIGURATIONS) {
  if (C::name == odd_tails::name) return;  // its weights are not bf16 numbers
  auto const m = load_as<C>(medmo::dtype::bf16, folder(C::name));
  REQUIRE(m.compute() == medmo::dtype::bf16);
  for (auto const& c : cases_of<C>()) {
    CAPTURE(C::name);
    CAPTURE(c.name);
    check_stages(m, c);
  }
}

TEST_CASE_TEMPLATE("f32: greedy tokens are those of the reference, over two turns", C, MEDMO_CONFIGURATIONS) {
  auto const m = load_as<C>(medmo::dtype::f32, folder(C::name));
  for (auto const& c : cases_of<C>()) {
    CAPTURE(C::name);
    CAPTURE(c.name);
    auto const seen = see_case(m, c.file);
    medmo::sequence<C> s(m);
    s.append(c.file["tokens"].as_indices(), pointers(seen));
    auto const first = c.file["greedy"].as_indices();
    CHECK(first.size() == 64);
    bool again = c.file.has("second.tokens");
    expect_greedy(s, first, again);
    if (!again) continue;
    s.append(c.file["second.tokens"].as_indices());
    expect_greedy(s, c.file["second.greedy"].as_indices(), false);
  }
}

template <class C>
void expect_same_model(medmo::model<C> const& a, medmo::model<C> const& b) {
  CHECK(a.compute() == b.compute());
  auto const g = cases_of<C>().front();
  auto const seen_a = see_case(a, g.file), seen_b = see_case(b, g.file);
  medmo::sequence<C> s(a), t(b);
  s.append(g.file["tokens"].as_indices(), pointers(seen_a));
  t.append(g.file["tokens"].as_indices(), pointers(seen_b));
  CHECK(std::equal(s.logits().begin(), s.logits().end(), t.logits().begin()));
}

TEST_CASE_TEMPLATE("folders that the reference saved load as they are stored", C, MEDMO_CONFIGURATIONS) {
  auto const stored = std::make_shared<medmo::io::checkpoint const>(medmo::io::checkpoint::open(folder(C::name)));
  auto const m = medmo::model<C>::load(stored, folder(C::name));
  medmo::check_config<C>(medmo::io::read_model_config(folder(C::name) + "/config.json"));  // throws if they differ
  auto const report = read_json(folder(C::name) + "/errors.json");
  CHECK(medmo::name_of(m.compute()) == (report.at("stored") == "bf16" ? "BF16" : "F32"));
  expect_same_model(m, load_as<C>(m.compute(), folder(C::name)));
}

TEST_CASE("a bf16 folder and an f32 folder of the same numbers are the same model") {
  auto const where = folder("base/bf16");
  auto const stored = std::make_shared<medmo::io::checkpoint const>(medmo::io::checkpoint::open(where));
  expect_same_model(medmo::model<base>::load(stored, where), load_as<base>(medmo::dtype::bf16, folder("base")));
}

TEST_CASE_TEMPLATE("the cut of a prompt does not change a bit", C, MEDMO_CONFIGURATIONS) {
  for (auto type : {medmo::dtype::f32, medmo::dtype::bf16}) {
    if (type == medmo::dtype::bf16 && C::name == odd_tails::name) continue;
    auto const m = load_as<C>(type, folder(C::name));
    for (auto const& c : cases_of<C>()) {
      CAPTURE(c.name);
      auto const seen = see_case(m, c.file);
      medmo::sequence<C> whole(m);
      whole.append(c.file["tokens"].as_indices(), pointers(seen));
      for (index chunk : {1, 7}) {
        CAPTURE(chunk);
        medmo::sequence<C> cut(m);
        cut.append(c.file["tokens"].as_indices(), pointers(seen), chunk);
        CHECK(std::equal(cut.logits().begin(), cut.logits().end(), whole.logits().begin()));
      }
    }
  }
}

// Last in the file: doctest runs in order of the file.
TEST_CASE("the table of docs/parity.md") {
  char const* path = std::getenv("MEDMO_PARITY_TABLE");
  if (!path) return;
  std::FILE* f = std::string(path) == "-" ? stdout : std::fopen(path, "w");
  REQUIRE(f);
  std::fprintf(f, "| configuration | stage | f32 error | bf16 error | reference's bf16 error | ratio |\n");
  std::fprintf(f, "|---|---|---|---|---|---|\n");
  auto number = [](double x) {
    char text[32];
    std::snprintf(text, sizeof text, x > 0 ? "%.1e" : "0", x);
    return std::string(text);
  };
  for (auto const& r : table()) {
    bool narrow = r.reference > 0 || r.ratio > 0;
    std::fprintf(f, "| %s | %s | %s | %s | %s | %s |\n", r.configuration.c_str(), r.stage.c_str(),
                 number(r.f32).c_str(), narrow ? number(r.bf16).c_str() : "-",
                 narrow ? number(r.reference).c_str() : "-",
                 narrow ? std::to_string(r.ratio).substr(0, 4).c_str() : "-");
  }
  if (f != stdout) std::fclose(f);
}

}  // namespace parity
