// A small synchronous rtnetlink client: links, addresses, routes and rules, as `ip` shows them. For
// set-up, shut-down and rare changes; never on the data path. Source: rtnetlink(7).
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/address.h"
#include "base/result.h"
#include "io/fd.h"

namespace wanbond {

class NetlinkRequest;
struct NetlinkReply;

/// Marks the routes and rules that are ours (rtm_protocol, FRA_PROTOCOL): 'w'. Not in use by any
/// daemon of iproute2's rt_protos.
inline constexpr std::uint8_t kRouteProtocol = 119;
/// RT_TABLE_MAIN.
inline constexpr std::uint32_t kMainTable = 254;

/// One interface.
struct LinkInfo {
  int index = 0;
  std::string name;
  std::uint32_t mtu = 0;  // bytes
  bool up = false;        // IFF_UP: switched on
  bool running = false;   // IFF_LOWER_UP: has a carrier
  bool loopback = false;
};

/// An address with the length of its subnet; unlike Prefix it keeps the host bits.
struct InterfaceAddress {
  IpAddress address;
  unsigned length = 0;

  friend bool operator==(const InterfaceAddress&, const InterfaceAddress&) = default;
};

/// A default route of the main table, one per next hop; ours are left out.
struct DefaultRoute {
  std::string device;
  IpAddress gateway;  // unspecified: on link
  bool is_v4 = true;
  std::uint32_t metric = 0;  // lower is better

  friend bool operator==(const DefaultRoute&, const DefaultRoute&) = default;
};

/// A route of ours. A gateway that no route reaches is taken to be on the link.
struct Route {
  enum class Kind : std::uint8_t { Unicast, Unreachable };
  Prefix prefix;
  Kind kind = Kind::Unicast;
  std::string device;        // of Unicast
  IpAddress gateway;         // unspecified: on link
  IpAddress source;          // preferred source address; unspecified: the kernel's choice
  std::uint32_t metric = 0;  // 0: the family's default
  std::uint32_t table = kMainTable;
  friend bool operator==(const Route&, const Route&) = default;
};

/// A policy rule of ours: what matches all given parts looks into `table`, or jumps.
struct Rule {
  enum class Family : std::uint8_t { V4, V6 };
  enum class Sense : std::uint8_t { Matching, NotMatching };  // NotMatching: `ip rule add not ...`
  /// Goto: on to the rule of priority `target`; Nothing: on to the next, for Goto to aim at.
  enum class Action : std::uint8_t { Lookup, Goto, Nothing };
  struct Ports {
    std::uint16_t first = 0, last = 0;  // both included
    friend bool operator==(const Ports&, const Ports&) = default;
  };
  Family family = Family::V4;
  Sense sense = Sense::Matching;
  Action action = Action::Lookup;
  std::uint32_t priority = 0;  // order of evaluation, low first
  std::uint32_t fwmark = 0;
  std::uint32_t fwmark_mask = 0;  // 0: no match on the mark
  std::string output_device;      // oif; empty: any
  std::optional<Prefix> source, destination;
  std::uint8_t protocol = 0;  // of IP; 0: any
  std::optional<Ports> source_ports, destination_ports;
  std::uint32_t table = kMainTable;
  std::optional<std::uint32_t> suppress_prefix_length;  // ignore routes this short or shorter
  std::optional<std::uint32_t> suppress_group;          // and those over devices of this group
  std::uint32_t target = 0;                             // of Goto

  friend bool operator==(const Rule&, const Rule&) = default;
};

/// A connection to the kernel's routing. Belongs to the network namespace it was opened in. Each
/// error says what was tried, on what, and the kernel's reason.
class Netlink {
 public:
  static Result<Netlink> open();

  Result<std::vector<LinkInfo>> links();
  /// The interface of that name; an error that says so when there is none.
  Result<LinkInfo> link(const std::string& device);
  /// Global and link-local addresses of both families.
  Result<std::vector<InterfaceAddress>> addresses(const std::string& device);
  /// Of both families, best metric first.
  Result<std::vector<DefaultRoute>> default_routes();

  /// An address that is already there counts as added, one that is gone as removed.
  Result<void> add_address(const std::string& device, const InterfaceAddress& address);
  Result<void> remove_address(const std::string& device, const InterfaceAddress& address);
  Result<void> set_up(const std::string& device);
  Result<void> set_mtu(const std::string& device, std::uint32_t mtu);
  /// `ip link set DEVICE group NUMBER`.
  Result<void> set_group(const std::string& device, std::uint32_t group);

  /// Adds the route, or replaces the one with the same prefix, metric and table.
  Result<void> replace_route(const Route& route);
  /// A route that is gone counts as removed.
  Result<void> remove_route(const Route& route);
  /// A rule that is already there counts as added, one that is gone as removed.
  Result<void> add_rule(const Rule& rule);
  Result<void> remove_rule(const Rule& rule);

  /// Deletes every route and rule with kRouteProtocol, in all tables; returns how many there were.
  Result<unsigned> sweep();

 private:
  explicit Netlink(Fd fd) noexcept : fd_(std::move(fd)) {}

  using Handler = std::function<void(const NetlinkReply&)>;
  /// Sends and reads until the kernel's acknowledgement or the end of a dump. `what` begins the
  /// error's text; errno values in `harmless` count as success.
  Result<void> exchange(NetlinkRequest& request, const std::string& what,
                        std::initializer_list<int> harmless, const Handler& handle = {});
  /// 0, or errno with the kernel's own words in `reason`, if any.
  int round_trip(Bytes message, const Handler& handle, std::string& reason);
  Result<void> change_route(const Route& route, std::uint16_t type);
  Result<void> change_rule(const Rule& rule, std::uint16_t type);
  /// Deletes what a dump of `dump_type` shows as ours, one family; returns how many.
  Result<unsigned> sweep_family(std::uint8_t family, std::uint16_t dump_type,
                                std::uint16_t delete_type);

  Fd fd_;
  std::uint32_t sequence_ = 0;
};

/// A descriptor that becomes readable when a link, an address or a route of this namespace
/// changes; give it to Io::watch(), and read the state anew after drain_changes().
Result<Fd> open_change_monitor();
/// Throws away what is to be read.
void drain_changes(int fd) noexcept;

}  // namespace wanbond
