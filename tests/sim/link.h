// Link: one direction of a WAN in virtual time. The loss, delay, rate and queue are those of the
// real link emulator's model, so that both mean the same by "a link".
#pragma once

#include <vector>

#include "lab/link_model.h"
#include "tests/sim/datagram.h"
#include "tests/sim/world.h"

namespace wanbond::sim {

/// Takes datagrams in and gives most of them out again, later. Outlived by its World.
class Link {
 public:
  Link(World& world, const LinkSettings& settings, Deliver deliver);
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  void send(Datagram&& datagram);

  /// New settings from now on; a script is a list of World::at() with this inside.
  void set(const LinkSettings& settings);
  const LinkSettings& settings() const noexcept { return model_.settings(); }
  /// A silent outage; what is in the link is gone too. `cut()` of a cut link changes nothing.
  void cut();
  void restore();
  bool is_cut() const noexcept { return settings().state == LinkState::Cut; }
  /// When the present outage began; kNever while the link is up.
  Time cut_at() const noexcept { return cut_at_; }
  const LinkCounters& counters() const noexcept { return model_.counters(); }

 private:
  std::uint32_t keep(Datagram&& datagram);
  void flush();
  void arm();

  World& world_;
  Deliver deliver_;
  LinkModel model_;
  std::vector<Datagram> slots_;  // by LinkPacket::handle
  std::vector<std::uint32_t> free_;
  Time armed_ = kNever;
  Time cut_at_ = kNever;
};

}  // namespace wanbond::sim
