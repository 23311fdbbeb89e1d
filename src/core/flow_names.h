// FlowNames: under which addresses, ports and protocol a packet is placed that does not say it all
// itself: later fragments under those of their first one, ICMP errors under those of the flow that
// they tell of. Station 3 of the way out; one per node.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/inner.h"
#include "base/time.h"
#include "core/flow_digest.h"

namespace wanbond {

/// A packet's place in a flow whose header it does not have.
struct NamedPacket {
  enum class Part : std::uint8_t {
    Fragment,  // a packet of the flow like any other
    Error,     // goes the way of the flow, is no packet of it
  };
  InnerPacket view;  // of the packet, but with the flow's addresses, protocol and ports
  Part part{};
};

/// Remembers 512 fragmented packets for 2 s each, eight of one source address: who sends a flood of
/// them, forged or not, takes room from few others, and costs nobody a packet. Fragments that come
/// before their first one, or when it is forgotten, are flows of their own without ports.
class FlowNames {
 public:
  explicit FlowNames(Random& random) noexcept : digest_(random) {}

  /// `packet` and its view. None: its own headers name its flow, or nothing does.
  std::optional<NamedPacket> find(Time now, Bytes packet, const InnerPacket& inner) noexcept {
    if (inner.has_l4() && !inner.is_fragment()) return {};
    return inner.is_fragment() ? find_first(now, inner) : find_cause(packet, inner);
  }

 private:
  static constexpr std::size_t kWays = 8;
  static constexpr std::size_t kSets = 64;
  struct First {
    std::uint64_t key = 0;
    Time seen{};
    std::uint16_t source_port = 0, destination_port = 0;
    std::uint8_t protocol = 0;
  };
  std::optional<NamedPacket> find_first(Time now, const InnerPacket& inner) noexcept;
  static std::optional<NamedPacket> find_cause(Bytes packet, const InnerPacket& inner) noexcept;

  FlowDigest digest_;
  std::array<std::array<First, kWays>, kSets> firsts_{};  // a set for each hash of a source address
};

}  // namespace wanbond
