// LinkSettings: everything that one direction of an emulated link does to packets. Plain values,
// changed at any time by the emulator's control socket, a script, or the simulator.
#pragma once

#include <cstdint>

#include "base/ids.h"
#include "base/time.h"

namespace wanbond {

/// In which order a link's parts come.
///
/// Link: as a router with a WAN modem behind it. A packet waits in the queue for the line, takes
/// size / rate to send, may be lost on the line (having used its time there), then travels for
/// delay + jitter. The queue's limits count only what still waits or is being sent.
///
/// Netem: as Linux's sch_netem with `limit delay jitter distribution normal loss rate`. Loss is
/// decided first and takes no time on the line. The limit counts every packet in the link, those
/// in the delay line too. A packet arrives at max(now + delay + jitter, arrival of the one
/// before) + size / rate: with a rate nothing overtakes, and what jitter held back arrives
/// spaced by the rate, not at once; without a rate, jitter reorders.
///
/// With a steady delay and no loss, the two differ only in what the limit counts.
enum class LinkSemantics : std::uint8_t { Link, Netem };

/// How the delay varies. Normal: `jitter` is sigma, cut at 4 sigma as netem's table is.
/// Exponential: `jitter` is the mean of what is added to the delay, cut at 20 means.
enum class LinkJitter : std::uint8_t { Normal, Exponential };

/// Whether jitter may let a packet overtake an earlier one. Link semantics only: Netem's follows
/// from its rate.
enum class LinkOrder : std::uint8_t { Kept, Free };

/// Cut is a silent outage: what arrives is dropped, and what was in the link is gone too.
enum class LinkState : std::uint8_t { Up, Cut };

/// One direction of a link. The default is a wire: no delay, no limit but 1000 packets.
struct LinkSettings {
  LinkSemantics semantics = LinkSemantics::Link;
  LinkState state = LinkState::Up;
  Duration delay{0};
  LinkJitter jitter_kind = LinkJitter::Normal;
  LinkOrder order = LinkOrder::Kept;
  Duration jitter{0};
  BitRate rate{};                          // 0: unlimited
  std::uint32_t overhead_bytes = 0;        // added to each packet's size on the line; Ethernet: 14
  std::uint64_t queue_bytes_max = 0;       // with overhead; 0: no limit in bytes
  std::uint32_t queue_packets_max = 1000;  // 0: no limit in packets
  std::uint32_t loss_ppm = 0;              // each packet on its own
  std::uint32_t burst_begin_ppm = 0;       // Gilbert: chance to go bad after a good packet
  std::uint32_t burst_end_ppm = 1000000;   // and to go good after a lost one; mean burst 1 / this
  std::uint32_t mtu_bytes = 0;             // larger packets are dropped; 0: no limit

  friend bool operator==(const LinkSettings&, const LinkSettings&) = default;
};

}  // namespace wanbond
