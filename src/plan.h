// What a configuration means on this machine: its WANs with their devices and sizes, and the
// settings of the node. `check` prints it, `run` carries it out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "config.h"
#include "core/settings.h"
#include "io/netlink.h"
#include "io/socket.h"

namespace wanbond {

/// An interface of the machine with its addresses.
struct MachineInterface {
  LinkInfo link;
  std::vector<InterfaceAddress> addresses;
};

/// What the kernel's routing knows.
struct Machine {
  std::vector<MachineInterface> interfaces;
  std::vector<DefaultRoute> default_routes;

  /// The interface of that name, or null.
  const MachineInterface* find(const std::string& device) const;
};

Result<Machine> read_machine(Netlink& netlink);

/// One WAN as it is to be opened.
struct WanPlan {
  WanSettings settings;
  WanSocketSettings socket;  // its device is empty while none has the Source
  std::optional<IpAddress> source, gateway;
  bool present = false;  // the device is there and up
};

/// An endpoint whose host name is to be resolved.
struct HostQuery {
  PeerId peer;
  std::size_t endpoint = 0;  // index in PeerSettings::endpoints
  std::string host;
  std::uint16_t port = 0;
};

struct Plan {
  std::vector<WanPlan> wans;  // as NodeSettings::wans
  NodeSettings node;
  std::vector<HostQuery> queries;
  std::uint32_t fwmark = 0;  // of all our datagrams
  std::vector<std::string> warnings;
};

/// Mark of our datagrams when FwMark is 0: "wb" and zeros.
inline constexpr std::uint32_t kDefaultMark = 0x77620000;

/// An error when there is no WAN at all, or a cipher is asked for that this machine lacks.
Result<Plan> make_plan(const Config& config, const Machine& machine);

/// The device of a WAN that names only its Source; empty when no interface has it.
std::string device_of(const Machine& machine, const IpAddress& source);

}  // namespace wanbond
