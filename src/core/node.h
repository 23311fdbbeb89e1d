// Node: all sessions of this box and the only entry to the core. A passive object: packets, time
// and randomness come in; trains, TUN writes, events and the next timeout go out. It makes no
// system call, so the driver and the simulator run the same code.
#pragma once

#include <memory>

#include "base/packet.h"
#include "base/random.h"
#include "base/time.h"
#include "core/order.h"
#include "core/outbox.h"
#include "core/settings.h"
#include "core/status.h"

namespace wanbond {

/// Datagrams of equal size from one sender, as UDP_GRO gives them.
struct Received {
  SocketId socket;
  Endpoint remote;
  IpAddress local;                  // the address they were sent to
  Time at{};                        // when they reached this box
  std::uint8_t tos = 0;             // outer traffic class
  std::uint32_t segment_bytes = 0;  // of each datagram; the last may be shorter
  MutableBytes bytes;               // opened in place; valid until the batch's writes are done
};

/// `now` never goes back. After any call but the two that a batch ends, read next_timeout() again.
class Node {
 public:
  /// `pool` and `random` outlive the node.
  Node(NodeSettings settings, PacketPool& pool, Random& random);
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  /// A packet or super packet from the LAN: virtio header (10 bytes), then the inner packet. To be
  /// followed by on_batch_end() once the batch is in, as are datagrams.
  void on_tun(Time now, Packet packet, Outbox& out) noexcept;
  /// Datagrams from a WAN.
  void on_datagrams(Time now, const Received& received, Outbox& out) noexcept;
  /// The batch is over: what was gathered for the TUN and for the WANs is handed out, and what the
  /// packets changed is acted on. To be called behind on_tun() and on_datagrams(), however many of
  /// them there were. Bytes given to on_datagrams() must still be valid.
  void on_batch_end(Time now, Outbox& out) noexcept;
  /// The kernel refused a train (errno): the path's problem, not the node's.
  void on_send_failed(Time now, SocketId socket, const Endpoint& remote, int error,
                      Outbox& out) noexcept;
  /// The address of PeerSettings::endpoints[index] is known now, or has changed; port 0: none.
  void on_endpoint(Time now, PeerId peer, std::size_t index, const Endpoint& endpoint,
                   Outbox& out) noexcept;
  /// What the machine says of a WAN has changed: paths over it are left at once, or tried at once.
  void on_wan(Time now, SocketId wan, const WanState& state, Outbox& out);
  /// Somebody wants this of all paths of a WAN, of those to come, too.
  void order_wan(Time now, SocketId wan, PathOrder order, Outbox& out) noexcept;
  /// The same of the paths of that name, "fiber>lte", or of those of one peer, "hq/fiber>lte"; how
  /// many there are.
  std::size_t order_path(Time now, std::string_view name, PathOrder order, Outbox& out) noexcept;
  /// Harmless when called early. To be called only when nothing that arrived before `now` is
  /// unread (protocol 3.2), so that a busy box does not declare its own paths dead.
  void on_timer(Time now, WallTime wall, Outbox& out) noexcept;
  /// Never kNever while a peer is configured; may lie in the past.
  Time next_timeout() const noexcept;

  /// Says goodbye to all peers; the node must not be used for traffic afterwards.
  void close(Time now, Outbox& out) noexcept;

  NodeStatus status(Time now) const;
  /// What would become of a packet with these headers and this size; none: it is no peer's.
  std::optional<FlowExplanation> explain(Time now, const InnerPacket& inner,
                                         std::uint32_t bytes) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace wanbond
