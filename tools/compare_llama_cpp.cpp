// The same GGUF in this library and in llama.cpp, side by side in one program: token ids of texts, greedily decoded tokens, and how
// far the two distributions over a text are apart. Only for developers; nothing includes or builds it.
//   compare_llama_cpp MODEL.gguf PROMPTS.txt [TEXT.txt [REFERENCE.gguf]]     configuration: smollm2_135m
// PROMPTS: one a line. TEXT: its first tokens are scored; REFERENCE: unquantised weights that both are compared with.
// Build against a llama.cpp built outside the tree (LLAMA: its sources, BUILD: its build folder), all on one line:
//   g++ -std=c++20 -O3 -march=native -fopenmp -Iinclude -isystem /usr/include/eigen3 -I$LLAMA/include -I$LLAMA/ggml/include
//   tools/compare_llama_cpp.cpp -L$BUILD/bin -lllama -lggml -lggml-base -Wl,-rpath,$BUILD/bin -o compare_llama_cpp
#include <llama.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "medmo/generate/sequence.hpp"
#include "medmo/generate/smollm2.hpp"
#include "medmo/load.hpp"
#include "medmo/text/chat.hpp"

namespace {

using medmo::index;
using C = medmo::smollm2_135m;
constexpr index context = 1024, answer = 64;

/// llama.cpp's model with one sequence.
class peer {
 public:
  explicit peer(std::string const& path) {
    auto p = llama_model_default_params();
    p.n_gpu_layers = 0;
    p.use_extra_bufts = false;  // with its AMX kernels it crashes in a process that uses tiles elsewhere
    model_.reset(llama_model_load_from_file(path.c_str(), p));
    auto c = llama_context_default_params();
    c.n_ctx = c.n_batch = c.n_ubatch = context;
    c.type_k = c.type_v = GGML_TYPE_F32;
    c.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
    c.n_threads = c.n_threads_batch = medmo::thread_count();
    if (model_) context_.reset(llama_init_from_model(model_.get(), c));
    if (!context_) throw std::runtime_error(path + ": llama.cpp cannot load it");
  }
  std::vector<index> encode(std::string const& text) const {
    std::vector<llama_token> ids(text.size() + 8);
    int n = llama_tokenize(llama_model_get_vocab(model_.get()), text.data(), static_cast<int>(text.size()), ids.data(),
                           static_cast<int>(ids.size()), false, false);
    return {ids.begin(), ids.begin() + n};
  }
  void restart() {
    llama_memory_clear(llama_get_memory(context_.get()), true);
    length_ = 0;
  }
  /// Logits after each of the ids (all) or after the last.
  void append(std::vector<index> const& ids, bool all) {
    llama_batch batch = llama_batch_init(static_cast<int>(ids.size()), 0, 1);
    batch.n_tokens = static_cast<int>(ids.size());
    for (std::size_t i = 0; i < ids.size(); ++i) {
      batch.token[i] = static_cast<llama_token>(ids[i]);
      batch.pos[i] = static_cast<llama_pos>(length_++);
      batch.n_seq_id[i] = 1;
      batch.seq_id[i][0] = 0;
      batch.logits[i] = all || i + 1 == ids.size();
    }
    llama_decode(context_.get(), batch);
    llama_batch_free(batch);
  }
  std::span<float const> logits(int i) { return {llama_get_logits_ith(context_.get(), i), static_cast<std::size_t>(C::text.vocab)}; }

 private:
  struct drop {
    void operator()(llama_model* m) const { llama_model_free(m); }
    void operator()(llama_context* c) const { llama_free(c); }
  };
  std::unique_ptr<llama_model, drop> model_;
  std::unique_ptr<llama_context, drop> context_;
  index length_ = 0;
};

std::string read(std::string const& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

index best(std::span<float const> logits) { return std::max_element(logits.begin(), logits.end()) - logits.begin(); }

std::vector<double> log_probabilities(std::span<float const> logits) {
  double most = *std::max_element(logits.begin(), logits.end()), sum = 0;
  for (float l : logits) sum += std::exp(l - most);
  std::vector<double> out;
  for (float l : logits) out.push_back(l - most - std::log(sum));
  return out;
}

/// What two models say about the same places of a text.
struct agreement {
  double divergence = 0, same_best = 0, places = 0;
  void see(std::vector<double> const& p, std::vector<double> const& q) {
    double kl = 0;
    for (std::size_t v = 0; v < p.size(); ++v) kl += std::exp(p[v]) * (p[v] - q[v]);
    divergence += kl;
    same_best += std::max_element(p.begin(), p.end()) - p.begin() == std::max_element(q.begin(), q.end()) - q.begin();
    ++places;
  }
  void print(char const* what) const {
    std::printf("%-28s KL %.6f   same best token %.2f %%\n", what, divergence / places, 100 * same_best / places);
  }
};

void compare_greedy(medmo::pretrained<C> const& ours, peer& theirs, std::vector<std::string> const& prompts) {
  int equal = 0, ids_equal = 0;
  for (auto const& prompt : prompts) {
    ids_equal += ours.tokenizer.encode(prompt) == theirs.encode(prompt);
    auto ids = medmo::text::render_chat(ours.tokenizer, {{medmo::text::chat_role::user, {medmo::text::text_part{prompt}}, {}}}).ids;
    medmo::sequence<C> s(ours.model);
    theirs.restart();
    s.append(ids);
    theirs.append(ids, false);
    int made = 0;
    std::string difference;
    for (; made < answer && difference.empty(); ++made) {
      auto a = s.logits();
      auto b = theirs.logits(-1);
      index x = best(a), y = best(b);
      if (x != y) {
        auto at = [](std::span<float const> l, index i) { return static_cast<double>(l[static_cast<std::size_t>(i)]); };
        char text[160];
        std::snprintf(text, sizeof text, "token %d: ours %lld, theirs %lld; margin %.4f here, %.4f there", made,
                      static_cast<long long>(x), static_cast<long long>(y), at(a, x) - at(a, y), at(b, y) - at(b, x));
        difference = text;
      } else if (std::find(ours.end_ids.begin(), ours.end_ids.end(), x) != ours.end_ids.end()) {
        break;
      } else {
        s.append_token(x);
        theirs.append({x}, false);
      }
    }
    equal += difference.empty();
    std::printf("%-50.50s %s\n", prompt.c_str(), difference.empty() ? "equal" : difference.c_str());
  }
  std::printf("%d of %zu prompts: the same greedy tokens; %d: the same token ids\n", equal, prompts.size(), ids_equal);
}

void compare_text(medmo::pretrained<C> const& ours, peer& theirs, std::string const& text, std::string const& reference_path) {
  auto ids = ours.tokenizer.encode(text);
  ids.resize(std::min<std::size_t>(ids.size(), static_cast<std::size_t>(context)));
  theirs.restart();
  theirs.append(ids, true);
  std::vector<std::vector<double>> reference;
  if (!reference_path.empty()) {
    auto full = medmo::load<C>(reference_path);
    medmo::sequence<C> s(full.model);
    s.append_each(ids, [&](index, std::span<float const> logits) { reference.push_back(log_probabilities(logits)); });
  }
  agreement between, of_ours, of_theirs;
  double loss_ours = 0, loss_theirs = 0;
  medmo::sequence<C> s(ours.model);
  s.append_each(ids, [&](index i, std::span<float const> logits) {
    auto p = log_probabilities(logits), q = log_probabilities(theirs.logits(static_cast<int>(i)));
    between.see(q, p);
    if (!reference.empty()) {
      of_ours.see(reference[static_cast<std::size_t>(i)], p);
      of_theirs.see(reference[static_cast<std::size_t>(i)], q);
    }
    auto next = static_cast<std::size_t>(i) + 1;
    if (next < ids.size()) {
      loss_ours -= p[static_cast<std::size_t>(ids[next])];
      loss_theirs -= q[static_cast<std::size_t>(ids[next])];
    }
  });
  auto n = static_cast<double>(ids.size() - 1);
  std::printf("%zu tokens; perplexity ours %.4f, theirs %.4f\n", ids.size(), std::exp(loss_ours / n), std::exp(loss_theirs / n));
  between.print("ours against theirs:");
  if (reference.empty()) return;
  of_ours.print("ours against REFERENCE:");
  of_theirs.print("theirs against REFERENCE:");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return std::fprintf(stderr, "usage: compare_llama_cpp MODEL.gguf PROMPTS.txt [TEXT.txt [REFERENCE.gguf]]\n"), 2;
  llama_log_set([](ggml_log_level, char const*, void*) {}, nullptr);
  auto ours = medmo::load<C>(argv[1]);
  peer theirs(argv[1]);
  std::vector<std::string> prompts;
  std::ifstream lines(argv[2]);
  for (std::string line; std::getline(lines, line);) prompts.push_back(line);
  compare_greedy(ours, theirs, prompts);
  if (argc > 3) compare_text(ours, theirs, read(argv[3]), argc > 4 ? argv[4] : "");
}
