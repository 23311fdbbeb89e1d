// SubflowGroups: which inner flows are subflows of one MPTCP connection, and which path each takes.
// Two subflows of a connection share a path only when there are fewer paths than subflows: each has
// a congestion window of its own, and a failure should hit one of them (RFC 8684 1; LISP A-MPTCP).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/fixed.h"
#include "base/ids.h"
#include "base/mptcp.h"
#include "base/time.h"

namespace wanbond {

/// A connection within SubflowGroups.
using ConnectionId = StrongId<struct ConnectionTag, std::uint16_t>;

/// What a subflow can be put on.
struct SubflowPath {
  PathId id;
  unsigned rank = 0;  // lower is preferred
  Duration delay{};   // one way, without our own queue
};

/// How a subflow takes part in its connection: a backup carries nothing while another works.
enum class SubflowRole : std::uint8_t { Active, Backup };

/// Bounded: a connection's place is reused when nothing of it was used for kIdleMax, or within
/// kYoungIdleMax while it never had more than its first packets. When all are in use, further
/// connections are not known: their subflows are flows of their own.
class SubflowGroups {
 public:
  static constexpr std::size_t kConnectionsMax = 1024;
  static constexpr std::size_t kSubflowsMax = 8;  // Linux makes no more
  static constexpr Duration kIdleMax = 10min;
  static constexpr Duration kYoungIdleMax = 2s;

  /// A connection whose answering end has this token; the one that is known, or a new one. None:
  /// no place.
  std::optional<ConnectionId> open(Time now, std::uint32_t token) noexcept;
  /// A connection, and which of its ends has the token: 0 the calling one, 1 the answering one.
  struct Found {
    ConnectionId connection;
    std::uint8_t end = 0;
  };
  /// The connection of this token.
  std::optional<Found> find(std::uint32_t token) const noexcept;
  /// The calling end's token: joins may come from the other side, too.
  void add_token(ConnectionId connection, std::uint32_t token) noexcept;

  /// The two keys, once seen: [0] the calling end's, [1] the answering end's.
  using Keys = std::array<std::optional<MptcpKey>, 2>;
  Keys& keys(ConnectionId connection) noexcept { return at(connection).keys; }

  /// The path for a new subflow: where the connection has the fewest; among those one of the best
  /// rank whose delay is nearest to that of its first subflow, or the least for the first one. A
  /// backup goes where it disturbs least: the worst rank, then the longest delay. `paths` is not
  /// empty.
  PathId choose(ConnectionId connection, std::span<const SubflowPath> paths,
                SubflowRole role) const noexcept;
  /// `flow` (any number that is unique while it lives) is a subflow and takes `path` from now on.
  /// False: the connection has kSubflowsMax.
  bool place(Time now, ConnectionId connection, std::uint32_t flow, PathId path) noexcept;
  void remove(ConnectionId connection, std::uint32_t flow) noexcept;
  /// The subflow carried something.
  void touch(Time now, ConnectionId connection) noexcept { at(connection).used = now; }
  /// How many of its subflows take this path.
  std::size_t count(ConnectionId connection, PathId path) const noexcept;
  /// Connections in use.
  std::size_t connection_count(Time now) const noexcept;

 private:
  struct Member {
    std::uint32_t flow = 0;
    PathId path;
  };
  struct Connection {
    bool is_open = false;
    bool is_young = true;  // no subflow was placed yet
    Time used{};
    std::array<std::optional<std::uint32_t>, 2> tokens;  // calling end, answering end
    Keys keys;
    FixedVector<Member, kSubflowsMax> members;
  };
  static constexpr std::size_t kWays = 8;
  static constexpr std::size_t kSets = kConnectionsMax / kWays;
  static constexpr std::uint16_t kNone = 0xffff;

  Connection& at(ConnectionId id) noexcept { return connections_[id.value]; }
  const Connection& at(ConnectionId id) const noexcept { return connections_[id.value]; }
  static bool may_replace(Time now, const Connection& connection) noexcept;

  /// kSets of kWays, by the answering end's token; empty until the first is opened.
  std::vector<Connection> connections_;
  /// Places of the calling ends' tokens, hashed the same way; a full set forgets its oldest.
  std::vector<std::uint16_t> by_caller_;
};

}  // namespace wanbond
