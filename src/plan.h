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
  WanSettings settings;      // without a name: a spare place
  WanSocketSettings socket;  // its device is empty while none is found
  std::string pattern;       // Device as it was written, if it has wildcards
  std::optional<IpAddress> source, gateway;
  bool follows_source = false;  // no Device: whichever interface has the Source
  bool automatic = false;       // no [Wan] section: it is one as long as it has a default route
  bool present = false;         // the device is there and up
};

/// WANs at most of a node without [Wan] sections.
inline constexpr std::size_t kAutomaticWansMax = 16;
/// Addresses of a host name that are called at once: two of each family.
inline constexpr std::size_t kAddressesPerName = 4;

/// An endpoint whose host name is to be resolved.
struct HostQuery {
  PeerId peer;
  std::size_t endpoint = 0;  // first of kAddressesPerName indices in PeerSettings::endpoints
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

/// The device that a WAN should be on now: as configured; the one that has its Source; or one that
/// its pattern matches and that is none of `taken`, rather the one it is on, else one that is
/// running. Empty when there is none.
std::string device_of(const Machine& machine, const WanPlan& wan,
                      const std::vector<std::string>& taken);
/// Whether any default route of the main table leads out of a device.
bool has_default_route(const Machine& machine, const std::string& device);

}  // namespace wanbond
