// Session: all that is shared with one peer. It only wires machines together: the exchange makes
// keys, the keyring holds them, control keeps the paths, egress and ingress move the packets.
#pragma once

#include <array>
#include <optional>

#include "core/admission.h"
#include "core/control.h"
#include "core/dispatcher.h"
#include "core/egress.h"
#include "core/exchange.h"
#include "core/flow_digest.h"
#include "core/flow_names.h"
#include "core/ingress.h"
#include "core/policy.h"
#include "core/salvage.h"
#include "core/slots.h"
#include "core/status.h"
#include "core/too_big.h"
#include "sched/flow.h"
#include "sched/resequencer.h"
#include "sched/retain.h"

namespace wanbond {

/// What all sessions of a node use; outlives them.
struct SessionShared {
  const NodeSettings& settings;
  const std::vector<WanState>& wan_states;
  const LocalIdentity& local;
  PacketPool& pool;
  Random& random;
  SlotTable& slots;
  DropCounters& drops;
  TooBigReplies& too_big;
  FlowNames& names;
  std::uint64_t boot_id = 0;
};

/// What is known of a DATA or CTRL before it is opened.
struct DatagramHead {
  EpochId epoch;
  const Header& header;
  const PathAddress& from;
  std::uint8_t outer_class = 0;  // traffic class of the outer IP header
  Time at{};                     // when it reached this box
};

/// Owned by the node. Decides nothing that a machine of its own could decide.
class Session {
 public:
  Session(Time now, PeerId peer, const RemoteIdentity& remote, const SessionShared& shared);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// Sends an inner packet or super packet on the path that the peer's flows use. `packet` holds
  /// what `super` is a view of. finish() must follow at the end of the batch; until then it may
  /// wait for others of its size.
  void on_super_packet(Time now, const SuperPacket& super, Packet packet, Outbox& out) noexcept;
  /// A DATA or CTRL for one of our epochs; gives the inner packet, if it is one and its turn has
  /// come. finish() must follow once the batch's datagrams are in.
  std::optional<InnerArrival> on_datagram(Time now, const DatagramHead& head, MutableBytes datagram,
                                          Outbox& out) noexcept;

  /// A TCP packet from the peer, on its way to the LAN: its options may tell of MPTCP. True: what
  /// take_acknowledgement() gives goes before it.
  bool on_inner(Time now, Bytes packet, const InnerPacket& inner) noexcept;

  /// An inner packet that waited for its turn, virtio header room in front; call until none after
  /// on_datagram() and finish().
  std::optional<ReleasedPacket> take_released() noexcept { return resequencer_.take_released(); }

  /// A pure acknowledgement whose time has come, as take_released().
  std::optional<ReleasedPacket> take_acknowledgement() noexcept { return held_acks_.take(); }

  /// What becomes of an HS_INIT whose sender is this peer.
  enum class InitVerdict : std::uint8_t { Answered, Dropped, ProveAddress };
  InitVerdict on_init(Time now, ReceivedInit& init, const PathAddress& from, CookieJar& jar,
                      RespMessage& answer) noexcept;
  /// A well-formed HS_RESP to one of our tries, mac1 good.
  void on_response(Time now, Bytes message, const PathAddress& from, Outbox& out) noexcept;
  void on_cookie(Time now, Bytes reply, const PathAddress& from) noexcept;

  void on_send_refused(Time now, SocketId socket, const Endpoint& remote, Cause cause) noexcept;
  /// The kernel refused a datagram to this address for its size; false: to none of ours.
  bool on_too_big(Time now, SocketId socket, const Endpoint& remote) noexcept;
  void on_endpoint(Time now, std::size_t index, const Endpoint& endpoint);
  /// The state of this WAN (SessionShared::wan_states) has changed.
  void on_wan(Time now, SocketId wan);
  /// The node was late by so much, as NodeStatus::late counts it.
  void on_late(Time now, Duration late) noexcept;
  /// As Control's.
  void order_wan(Time now, SocketId wan, PathOrder order) noexcept;
  std::size_t order_path(Time now, std::string_view name, PathOrder order) noexcept;
  void on_timer(Time now, Duration late) noexcept;
  /// Sends what waits and what is due, and reports what changed; to be called after every input,
  /// for packets of a batch once.
  void finish(Time now, WallTime wall, Outbox& out) noexcept;
  Time next_timeout() const noexcept { return due_; }
  /// Says CLOSE on every usable path.
  void close(Time now, Outbox& out) noexcept;

  /// Largest inner packet that every usable path to this peer carries.
  std::size_t inner_bytes_max() const noexcept;
  bool is_up() const noexcept { return is_up_; }
  PeerStatus status(Time now) const;
  /// `bytes`: of the packet.
  FlowExplanation explain(Time now, const InnerPacket& inner, std::uint32_t bytes) const;

 private:
  /// What the peer said of itself in the handshake that made an epoch.
  struct PeerFacts {
    std::uint64_t boot_id = 0;
    std::uint16_t payload_bytes_max = 0;
    PathAddress from;
    EcnMode ecn = EcnMode::Compatibility;
  };
  static constexpr std::size_t kEpochs = Keyring::kEpochCount;

  void adopt(Time now, EpochId epoch, const PathAddress& proven, Outbox& out) noexcept;
  void on_promoted(Time now, EpochId epoch, const PathAddress& from, Outbox& out) noexcept;
  void lose_keys(Time now, Cause cause) noexcept;
  void update_exchange(Time now) noexcept;
  /// When data that nothing has answered makes us ask whether the peer still has our keys.
  Time doubt_at() const noexcept;
  void release_slots() noexcept;
  /// A packet that is larger than what `path` carries: sent in fragments, or answered.
  void on_oversized(Time now, const SuperPacket& super, const SendPath& to, Outbox& out) noexcept;
  /// Sends a packet over the paths that were chosen for its flow, if it has one.
  void send_placed(Time now, const Placement& placement, Flow* flow, const SuperPacket& super,
                   Packet packet, Outbox& out) noexcept;
  std::uint64_t send_fragments(Time now, const SuperPacket& super, const SendPath& to,
                               Outbox& out) noexcept;
  void on_reports(Time now, FrameReader frames, Outbox& out) noexcept;
  void send_reports(Time now, Path& path, Outbox& out) noexcept;
  void send_notices(Time now, Outbox& out) noexcept;
  void salvage(Time now, Path& path, Outbox& out) noexcept;
  void send_rescued(Time now, Outbox& out) noexcept;
  void watch(Time now) noexcept;
  Time next_watch() const noexcept;
  void update_hold() noexcept;
  std::optional<InnerArrival> in_turn(Time now, const InnerArrival& inner,
                                      std::uint8_t outer_class) noexcept;
  void watch_subflow(Time now, Bytes packet, const InnerPacket& inner) noexcept;
  /// Keeps back a pure acknowledgement for a held flow.
  bool hold(Time now, const InnerArrival& inner, std::uint8_t outer_class) noexcept;
  std::optional<SendPath> route(FlowCare care) noexcept;
  std::optional<SendPath> repair_route(Time now) noexcept;
  /// Numbered data or acknowledgements of a flow that takes all paths, or one while that works.
  /// AtOnce: one path, without waiting for its turn.
  enum class Spread : std::uint8_t { AllPaths, OnePath, AtOnce };
  struct RepairedRoute {
    SendPath to;
    Spread spread{};
  };
  void send_repaired(Time now, Flow& flow, const SuperPacket& super, Packet packet,
                     const RepairedRoute& route, Outbox& out) noexcept;
  /// UDP that nobody asked anything for and that fills its path goes as TCP's data does.
  BulkStage bulk_stage(Time now, Flow& flow, const SuperPacket& super) noexcept;
  static FlowTrack track_of(const InnerPacket& inner) noexcept;
  /// As a packet of the same flow the other way, as far as the digest goes.
  static InnerPacket reversed(const InnerPacket& inner) noexcept;
  Marking mark(Flow& flow, FlowTrack track, const InnerPacket& inner) noexcept;
  void on_sent(Time now, const SentCount& sent) noexcept;
  PathStatus path_status(const Path& path, const UseContext& context) const;
  UseContext use_context(Time now) const noexcept;
  PathUse use_of(const Path& path, UseContext context) const noexcept;

  PeerId peer_;
  const PeerSettings& configured_;
  const RemoteIdentity& remote_;
  SessionShared shared_;
  OpenerHalf half_;
  Keyring keyring_;
  Control control_;
  Exchange exchange_;
  FlowDigest digest_;
  FlowTable flows_;
  Policy policy_;
  RetainedPackets retained_;
  Egress egress_;
  Salvage salvage_;
  HeldAcks held_acks_;
  Dispatcher dispatcher_;
  Ingress ingress_;
  Resequencer resequencer_;

  std::array<PeerFacts, kEpochs> facts_{};
  PeerFacts current_{};
  EpochId current_epoch_{};
  std::optional<PathId> arrived_on_;  // the newest DATA
  Tai64n last_stamp_{};               // of the newest HS_INIT accepted
  TokenBucket init_limit_;
  Time stale_reply_at_{};
  Time exchange_not_before_{};
  Time unanswered_since_ = kNever;  // first data sent since the peer was last heard
  bool has_keys_ = false;
  bool is_up_ = false;
  bool heard_reports_ = false;  // since the last finish()
  Time rescue_at_ = kNever;     // when more of what was rescued may go out
  Time watch_at_{};             // when paths are looked at for doubts
  Time due_{};
  std::uint64_t tx_packets_ = 0, tx_bytes_ = 0, rx_packets_ = 0, rx_bytes_ = 0;
  std::uint64_t rx_probes_ = 0;  // packets of trains
};

}  // namespace wanbond
