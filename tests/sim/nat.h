// Nat: a home router or carrier-grade NAT between an access link and the Internet: one public
// address, a port for each inside endpoint, a filter, and a short memory.
#pragma once

#include <map>
#include <set>

#include "tests/sim/datagram.h"
#include "tests/sim/world.h"

namespace wanbond::sim {

/// Endpoint-independent mapping, address- and port-dependent filtering (RFC 4787 4.1, 5): only
/// who has been sent to gets in. A mapping is forgotten `memory` after its last outbound use.
class Nat {
 public:
  struct Settings {
    IpAddress address;
    Duration memory = 30s;
  };
  Nat(World& world, const Settings& settings, Deliver outside, Deliver inside);

  void from_inside(Datagram&& datagram);
  void from_outside(Datagram&& datagram);
  /// Forgets all mappings, as a restart does: what goes out next has a new port, and what comes
  /// in for the old one is dropped.
  void rebind();
  const IpAddress& address() const noexcept { return settings_.address; }

 private:
  struct Mapping {
    Endpoint inside;
    Time used{};
    std::set<Endpoint> allowed;
  };
  void forget_old();

  World& world_;
  Settings settings_;
  Deliver outside_;
  Deliver inside_;
  std::map<std::uint16_t, Mapping> by_port_;
  std::uint16_t next_port_ = 20000;
};

}  // namespace wanbond::sim
