// Lan: the network behind a gateway: where inner packets come from and go to. Traffic knows only
// Lans, so the same flows run through a tunnel or over bare links.
#pragma once

#include <functional>
#include <map>
#include <utility>

#include "tests/sim/inner_packet.h"

namespace wanbond::sim {

/// Applications listen on (protocol, port); the gateway takes what they send.
class Lan {
 public:
  using Send = std::function<void(ByteString&&)>;
  using Receive = std::function<void(const ParsedPacket&)>;

  using Told = std::function<void(std::size_t mtu_bytes)>;

  /// Where the default route goes.
  void connect(Send send) { send_ = std::move(send); }
  void send(ByteString&& packet) {
    if (send_) send_(std::move(packet));
  }
  void listen(std::uint8_t protocol, std::uint16_t port, Receive receive) {
    listeners_[{protocol, port}] = std::move(receive);
  }
  /// Packets from this port are larger than the way carries.
  void listen_too_big(std::uint16_t port, Told told) { told_[port] = std::move(told); }
  /// A packet from the gateway. False if it does not parse or its checksums are wrong; one that
  /// nobody listens for is fine, and so is what nobody here reads: fragments, ICMP.
  bool deliver(Bytes packet) const {
    if (const auto too_big = parse_too_big(packet)) {
      const auto told = told_.find(too_big->source_port);
      if (told != told_.end()) told->second(too_big->mtu_bytes);
      return true;
    }
    const auto parsed = parse_packet(packet);
    const auto inner = parse_inner(packet);
    if (!parsed) return inner && (inner->is_fragment() || !inner->has_l4());
    const auto found = listeners_.find({parsed->inner.protocol, parsed->to.port});
    if (found != listeners_.end()) found->second(*parsed);
    return true;
  }

 private:
  Send send_;
  std::map<std::pair<std::uint8_t, std::uint16_t>, Receive> listeners_;
  std::map<std::uint16_t, Told> told_;
};

}  // namespace wanbond::sim
