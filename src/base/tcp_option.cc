#include "base/tcp_option.h"

namespace wanbond {
namespace {

constexpr std::uint8_t kEndOfOptions = 0, kNoOperation = 1;
constexpr std::size_t kHeadBytes = 2;  // kind and length

}  // namespace

std::optional<TcpOption> TcpOptionReader::next() noexcept {
  while (at_ < header_.size()) {
    const auto kind = std::to_integer<std::uint8_t>(header_[at_]);
    if (kind == kEndOfOptions) break;
    if (kind == kNoOperation) {
      ++at_;
      continue;
    }
    if (header_.size() - at_ < kHeadBytes) break;
    const auto bytes = std::to_integer<std::size_t>(header_[at_ + 1]);
    if (bytes < kHeadBytes || bytes > header_.size() - at_) break;
    const std::size_t value_at = at_ + kHeadBytes;
    at_ += bytes;
    return TcpOption{kind, value_at, header_.subspan(value_at, bytes - kHeadBytes)};
  }
  at_ = header_.size();
  return {};
}

}  // namespace wanbond
