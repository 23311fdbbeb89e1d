// Control: all paths of one session: opens and learns them, feeds them their frames, and decides
// which one the peer's flows use. The third of the machines that a session wires together.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/fixed.h"
#include "base/random.h"
#include "core/notices.h"
#include "core/outbox.h"
#include "core/path.h"
#include "core/settings.h"
#include "sched/failover.h"

namespace wanbond {

/// Whose path ids are whose: the side with the smaller static key opens 0 to 31, the other 32 to 63
/// (protocol 2.7).
enum class OpenerHalf : std::uint8_t { First, Second };

/// Owned by the session. It sends nothing itself: the session asks each path for its plans.
class Control {
 public:
  struct Settings {
    PeerId peer;
    OpenerHalf half = OpenerHalf::First;
    const PeerSettings& configured;
    const std::vector<WanSettings>& wans;
    const std::vector<WanState>& wan_states;  // as wans
  };
  /// What `settings` refers to, and `random`, outlive it. Configured paths exist from now on.
  Control(Time now, const Settings& settings, Random& random);

  /// New keys are in use: candidates are opened, every usable path confirms. `proven` is the
  /// address that the handshake itself has shown to answer.
  void on_keys(Time now, const std::optional<PathAddress>& proven) noexcept;
  /// There are no keys any more.
  void on_keys_lost(Time now, Cause cause) noexcept;
  void on_peer_restarted(Time now) noexcept;
  void on_send_refused(Time now, SocketId socket, const Endpoint& remote, Cause cause) noexcept;
  /// A datagram to this address was refused for its size; false: there is no such path.
  bool on_too_big(Time now, SocketId socket, const Endpoint& remote) noexcept;
  /// A configured endpoint has this address now; port 0: none any more. A path to the address that
  /// it had before is used as long as it works.
  void on_endpoint(Time now, std::size_t index, const Endpoint& endpoint);
  /// The state of this WAN has changed.
  void on_wan(Time now, SocketId wan);
  /// Somebody wants this of all paths of a WAN, of those to come, too.
  void order_wan(Time now, SocketId wan, PathOrder order) noexcept;
  /// The same of the paths of that name; how many there are.
  std::size_t order_path(Time now, std::string_view name, PathOrder order) noexcept;

  /// The path that an authentic packet belongs to; a new one is learned when the packet may open
  /// it. Null: the packet is good, but its path is not kept (foreign id, same addresses as
  /// another path, WAN not allowed for this peer).
  Path* on_arrival(Time now, PathId id, const Arrival& arrival, Outbox& out);
  /// Acts on the frames of one CTRL, all of them well-formed. True when the peer said CLOSE.
  bool on_frames(Time now, Path& path, FrameReader frames, const Arrival& arrival);

  /// Tells the peer the state of a path, at once and until acknowledged, over every usable path.
  /// What changes by itself is told without this; it is for what somebody decides: Drained, Up
  /// again, and Down with PathReason::Admin.
  void announce(Time now, PathId path, WirePathState state, PathReason reason) noexcept;
  /// What is to be told now, on each usable path; call until empty.
  Notices::Frames poll_notices(Time now) noexcept;

  void on_timer(Time now, Duration late) noexcept;
  Time next_timeout(Time now) const noexcept;
  /// Reports what changed and chooses the path; to be called after every input.
  void settle(Time now, Outbox& out) noexcept;

  /// Null: none has this id.
  Path* find(PathId id) const noexcept;
  /// The path that these flows (not All) take; null: none is usable, for any of them.
  Path* selected(FlowCare care) noexcept;
  const Path* selected(FlowCare care) const noexcept;
  /// The two that are up and have the least delay, of any rank; null: not so many are.
  std::array<Path*, 2> fastest_two() const noexcept;
  /// Some flows take this path.
  bool is_selected(const Path& path) const noexcept {
    return &path == selected(FlowCare::Repaired) || &path == selected(FlowCare::Plain);
  }
  bool has_usable() const noexcept;
  /// A path is usable or is being validated: no need to shake hands again yet.
  bool has_hope() const noexcept;
  /// Largest UDP payload that every usable path carries.
  std::size_t payload_bytes_min() const noexcept;
  /// One-way delay from the peer, over that of its fastest usable path; 0 without one.
  Duration relative_delay(const Path& path) const noexcept;
  /// Where handshake messages may go, best first: usable paths by rank and delay, then the
  /// addresses of all others.
  using Targets = FixedVector<PathAddress, kPathCountMax>;
  Targets handshake_targets(Time now) const noexcept;

  /// All paths, in the order of their making.
  std::span<const std::unique_ptr<Path>> paths() const noexcept { return paths_; }
  std::string path_name(const Path& path) const;

 private:
  void set_order(Time now, Path& path, PathOrder order) noexcept;
  void tell_order(Time now, const Path& path) noexcept;

  static constexpr std::size_t kHalf = kPathCountMax / 2;

  /// Configured endpoints come first, then the addresses that the peer offers, by their ids.
  static constexpr std::uint8_t kNoEndpoint = 0xff;
  /// What is to be known of a path id beside the path.
  struct Book {
    std::uint8_t endpoint = kNoEndpoint;  // index in endpoints_
    Endpoint opened_to{};
    Cause closed_for{};
    Time closed_at = kNever;
    Time left_at{};           // when flows were last moved away from it
    bool is_new = false;      // PathAdded is to be reported
    bool is_removed = false;  // and PathRemoved
  };

  bool is_ours(PathId id) const noexcept;
  bool may_learn(SocketId socket) const noexcept;
  Path* learn(Time now, PathId id, const Arrival& arrival, Outbox& out);
  void remove(Time now, std::size_t index, Cause cause, Outbox& out) noexcept;
  /// Opens the paths that should be there and are not, as many as there are ids.
  void open_missing(Time now);
  void open(Time now, SocketId wan, std::size_t endpoint);
  bool is_wanted(SocketId wan, std::size_t endpoint) const noexcept;
  std::optional<PathId> free_id() const noexcept;
  /// Gives a path up and tells the peer so.
  void close(Time now, Path& path, Cause cause, PathReason reason) noexcept;
  void close_retired(Time now) noexcept;
  void forget_closed(Time now) noexcept;
  void on_offer(Time now, const AddrFrame& offer);
  void offer_addresses(Time now);
  bool may_offer(const IpAddress& address) const noexcept;
  void report_changes(Time now, Path& path, Outbox& out) noexcept;
  /// True when the peer is told.
  bool tell_change(Time now, const Path& path, const PathChange& change);
  void on_notice(Time now, const Frame& frame, Path& arrived_on);
  /// What choosing the paths anew has changed.
  struct Moves {
    std::optional<Move> repaired, plain;
    bool was_up = false;
    Time sign = kNever;  // of the failure that they flee from
  };
  Moves select(Time now) noexcept;
  void report_moves(Time now, const Moves& moves, Outbox& out) noexcept;
  std::optional<Move> update(Time now, FlowCare care) noexcept;
  const Failover& failover(FlowCare care) const noexcept {
    return failover_[static_cast<std::size_t>(care)];
  }

  Settings settings_;
  Random& random_;
  FixedVector<std::unique_ptr<Path>, kPathCountMax> paths_;
  std::array<Book, kPathCountMax> books_{};  // by path id
  std::vector<Endpoint> endpoints_;
  std::vector<PathOrder> wan_orders_;
  std::array<Endpoint, kOfferedAddressCountMax> offered_{};  // by us; port 0: free
  std::array<Failover, 2> failover_;                         // by FlowCare
  Notices notices_;
  bool has_keys_ = false;
  Cause last_change_{};  // of any path: why the peer is down when none is left
};

}  // namespace wanbond
