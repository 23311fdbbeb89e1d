// Wan: one access of a host to the Internet: a link up, a link down, and perhaps a NAT box behind
// them. host -> up -> Nat -> Internet, and the way back.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "tests/sim/internet.h"
#include "tests/sim/link.h"
#include "tests/sim/nat.h"

namespace wanbond::sim {

/// How a WAN is built.
struct WanPlan {
  std::string name;
  Endpoint local;         // of the host's socket
  LinkSettings up{};      // from the host
  LinkSettings down{};    // to the host
  IpAddress nat_address;  // public address of its NAT box; unspecified: no NAT
  Duration nat_memory = 30s;
};

/// Lives as long as its host.
class Wan {
 public:
  struct Place {
    World& world;
    Internet& internet;
    unsigned host;
  };
  Wan(const Place& place, WanPlan plan, Deliver to_host);

  /// Sees every datagram that is offered to a link of this WAN during an outage, and when that
  /// began.
  using Watch = std::function<void(const Datagram&, Time cut_at)>;
  void set_watch(Watch watch) { watch_ = std::move(watch); }

  void send(Datagram&& datagram) { offer(up_, std::move(datagram)); }
  const std::string& name() const noexcept { return plan_.name; }
  const Endpoint& local() const noexcept { return plan_.local; }
  /// The address that the rest of the world sends to.
  const IpAddress& public_address() const noexcept;
  Link& up() noexcept { return up_; }
  Link& down() noexcept { return down_; }
  /// Both directions.
  void cut();
  void restore();
  /// The NAT box forgets. Only for a WAN behind one.
  void rebind();

 private:
  void offer(Link& link, Datagram&& datagram);

  WanPlan plan_;
  Watch watch_;
  std::optional<Nat> nat_;
  Link up_;
  Link down_;
};

}  // namespace wanbond::sim
