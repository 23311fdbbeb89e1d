// FlowDigest: 64 bits that stand for a flow's addresses, ports and protocol. Keyed, so that nobody
// outside can make flows that share a place. Station 3 of the way out.
#pragma once

#include <array>
#include <cstdint>

#include "base/inner.h"
#include "base/random.h"

namespace wanbond {

/// Of a packet's own headers, or of those that it is placed under (FlowNames).
class FlowDigest {
 public:
  explicit FlowDigest(Random& random) noexcept;
  std::uint64_t operator()(const InnerPacket& inner) const noexcept;

 private:
  static constexpr std::size_t kWords = 5;  // two addresses of 16 bytes, ports and protocol
  std::array<std::uint64_t, kWords> keys_{};
};

}  // namespace wanbond
