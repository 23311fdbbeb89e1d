// Runs a fuzz target over its corpus without libFuzzer: every file, every prefix of it, and every
// single flipped bit. So each finding stays a unit test, whatever the compiler.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

constexpr unsigned kByteBits = 8;

void replay(std::vector<std::uint8_t> bytes) {
  // Copies of the exact size, so that a sanitizer sees the first byte read past the end.
  for (std::size_t size = 0; size <= bytes.size(); ++size) {
    const std::vector<std::uint8_t> prefix(bytes.begin(),
                                           bytes.begin() + static_cast<std::ptrdiff_t>(size));
    LLVMFuzzerTestOneInput(prefix.data(), prefix.size());
  }
  for (std::size_t bit = 0; bit < bytes.size() * kByteBits; ++bit) {
    const auto mask = static_cast<std::uint8_t>(1U << bit % kByteBits);
    bytes[bit / kByteBits] ^= mask;
    LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
    bytes[bit / kByteBits] ^= mask;
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s CORPUS-FOLDER\n", argv[0]);
    return 2;
  }
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(argv[1]))
    files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  for (const auto& file : files) {
    std::ifstream in(file, std::ios::binary);
    replay({std::istreambuf_iterator<char>(in), {}});
  }
  std::printf("%zu files, with their prefixes and flipped bits\n", files.size());
  return files.empty() ? 1 : 0;
}
