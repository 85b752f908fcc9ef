// GGUF files. Every tensor that is accepted lies inside the file and has the bytes of its shape, whatever its type; every key
// can be asked for as any type.
#include "harness.hpp"

#include "medmo/io/gguf.hpp"

namespace fuzz_gguf {

MEDMO_FUZZ_TARGET(gguf) {
  auto file = fuzz::accepted([&] { return medmo::io::gguf_file::over(input, "input"); });
  if (!file) return;
  for (auto const& name : file->names()) {
    auto t = file->find(name);
    fuzz::require(t.has_value(), "every name is found");
    auto const begin = static_cast<std::size_t>(t->bytes.data() - input.data());
    fuzz::require(begin <= input.size() && t->bytes.size() <= input.size() - begin, "a tensor lies inside the file");
    auto const block = medmo::block_of(t->type);
    std::uint64_t numbers = 1;
    for (auto d : t->shape) numbers *= static_cast<std::uint64_t>(d);
    fuzz::require(numbers % block.numbers == 0 && numbers / block.numbers * block.bytes == t->bytes.size(),
                  "a tensor has the bytes of its shape");
  }
  auto const& m = file->metadata();
  for (auto const& key : m.keys()) {
    fuzz::require(m.value(key).has_value(), "every key is found");
    fuzz::accepted([&] { return m.integer(key); });
    fuzz::accepted([&] { return m.number(key); });
    fuzz::accepted([&] { return m.boolean(key); });
    fuzz::accepted([&] { return m.text(key); });
    fuzz::accepted([&] { return m.integers(key); });
    fuzz::accepted([&] { return m.numbers(key); });
    fuzz::accepted([&] { return m.booleans(key); });
    fuzz::accepted([&] { return m.texts(key); });
  }
}
}  // namespace fuzz_gguf
