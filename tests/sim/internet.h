// Internet: everything between the access links. It carries a datagram to the owner of its
// destination address at once; all delay and loss is in the Links.
#pragma once

#include <map>
#include <optional>
#include <utility>

#include "tests/sim/datagram.h"
#include "tests/sim/world.h"

namespace wanbond::sim {

/// Routes by destination address only. Addresses that nobody owns swallow what they get.
class Internet {
 public:
  /// The owner of an address, by a number of the caller's choice (the host's).
  struct Owner {
    unsigned host = 0;
    Deliver deliver;
  };
  /// Somebody in the middle: sees every datagram before it is delivered, may change it, and says
  /// what becomes of it.
  enum class Verdict { Pass, Drop };
  using Tap = std::function<Verdict(Datagram&)>;

  void attach(const IpAddress& address, Owner owner) { owners_[address] = std::move(owner); }
  void detach(const IpAddress& address) { owners_.erase(address); }
  void set_tap(Tap tap) { tap_ = std::move(tap); }

  void send(Datagram&& datagram) {
    if (tap_ && tap_(datagram) == Verdict::Drop) return;
    inject(std::move(datagram));
  }
  /// As send(), past the tap.
  void inject(Datagram&& datagram) {
    const auto found = owners_.find(datagram.to.address);
    if (found != owners_.end()) found->second.deliver(std::move(datagram));
  }
  /// The owner's number, or none.
  std::optional<unsigned> host_of(const IpAddress& address) const {
    const auto found = owners_.find(address);
    if (found == owners_.end()) return std::nullopt;
    return found->second.host;
  }

 private:
  std::map<IpAddress, Owner> owners_;
  Tap tap_;
};

}  // namespace wanbond::sim
