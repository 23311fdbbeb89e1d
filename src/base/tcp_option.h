// Walks the options of a TCP header (RFC 9293 3.1), for the few that the tunnel looks at.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"

namespace wanbond {

/// One option. `at` is where `value` stands, from the start of the TCP header.
struct TcpOption {
  std::uint8_t kind = 0;
  std::size_t at = 0;
  Bytes value;  // behind kind and length
};

/// Gives the options of a TCP header one after the other, without end-of-options and no-operation.
class TcpOptionReader {
 public:
  /// `header`: from the first byte of the header to its data offset.
  explicit TcpOptionReader(Bytes header) noexcept : header_(header) {}
  /// None: no more, or the next one is cut or malformed, and so are all behind it.
  std::optional<TcpOption> next() noexcept;

 private:
  Bytes header_;
  std::size_t at_ = 20;
};

}  // namespace wanbond
