#include "demo_hash.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>
#include <vector>

#include "demo_pipe.h"

namespace wanbond {
namespace {

constexpr std::size_t kHashDigits = 64;

}  // namespace

Result<DemoHash> DemoHash::start(const std::string& file, const Netns& netns) {
  auto pipe = make_pipe();
  if (!pipe) return pipe.error();
  auto process = Child::run({"sha256sum", file}, {.netns = &netns, .output_fd = pipe->in.get()});
  if (!process) return process.error();
  return DemoHash(std::move(*process), std::move(pipe->out));
}

Result<std::optional<std::string>> DemoHash::take() {
  std::array<char, 512> buffer;
  ssize_t size = 0;
  while ((size = ::read(pipe_.get(), buffer.data(), buffer.size())) > 0)
    output_.append(buffer.data(), static_cast<std::size_t>(size));
  if (size < 0 && errno == EAGAIN) return std::optional<std::string>();
  const std::size_t digits = output_.find_first_not_of("0123456789abcdef");
  if (digits == kHashDigits) return std::optional(output_.substr(0, kHashDigits));
  return Error{"sha256sum gave no hash: " + output_ + "; it is part of coreutils"};
}

Result<std::uint64_t> count_different_bytes(const std::string& file, const std::string& other) {
  std::array<std::ifstream, 2> inputs{std::ifstream(file, std::ios::binary),
                                      std::ifstream(other, std::ios::binary)};
  if (!inputs[0] || !inputs[1]) return Error{"cannot read " + file + " and " + other};
  std::uint64_t different = 0;
  std::array<std::vector<char>, 2> blocks{std::vector<char>(65536), std::vector<char>(65536)};
  while (inputs[0] || inputs[1]) {
    std::array<std::size_t, 2> sizes{};
    for (std::size_t i = 0; i < 2; ++i) {
      inputs[i].read(blocks[i].data(), static_cast<std::streamsize>(blocks[i].size()));
      sizes[i] = static_cast<std::size_t>(inputs[i].gcount());
    }
    const std::size_t common = std::min(sizes[0], sizes[1]);
    different += std::max(sizes[0], sizes[1]) - common;
    for (std::size_t i = 0; i < common; ++i) different += blocks[0][i] != blocks[1][i] ? 1 : 0;
  }
  return different;
}

}  // namespace wanbond
