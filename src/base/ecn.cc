#include "base/ecn.h"

#include <utility>

namespace wanbond {

void set_traffic_class(MutableBytes packet, InnerPacket& inner,
                       std::uint8_t traffic_class) noexcept {
  const std::uint8_t old = std::exchange(inner.traffic_class, traffic_class);
  if (inner.version == 4) {
    packet[1] = std::byte{traffic_class};
    adjust_checksum(packet, 10, {.at = 1, .from = old, .to = traffic_class});
    return;
  }
  packet[0] = (packet[0] & std::byte{0xf0}) | std::byte{traffic_class} >> 4;
  packet[1] = (packet[1] & std::byte{0x0f}) | std::byte{traffic_class} << 4;
}

}  // namespace wanbond
