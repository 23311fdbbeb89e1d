// Driver: carries completions of the I/O to the node and the node's wishes to the I/O. It decides
// nothing; what is neither packet nor timer is left for the program to look at.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "arrival_clock.h"
#include "core/node.h"
#include "io/io.h"
#include "io/rest.h"

namespace wanbond {

/// What is asked of the kernel in one call: as much as it takes, or one packet, as in a tunnel
/// without offloads. The latter is for measuring what they are worth, and for looking for a driver
/// that gets them wrong.
enum class Batching : std::uint8_t { Whole, OnePacket };

/// One turn after another of the loop at the head of io/io.h.
class Driver {
 public:
  /// WANs of a node at most (core/settings.h).
  static constexpr std::size_t kSocketsMax = 64;

  /// Both outlive the driver. With Batching::OnePacket every completion is a batch of its own.
  Driver(Io& io, Node& node, Batching batching = Batching::Whole) noexcept;

  /// Waits for something to happen, at the latest until `deadline` or the node's next timeout, and
  /// deals with it. Forgets events() and readable() of the turn before.
  void turn(Time deadline);

  /// As Node::on_endpoint.
  void on_endpoint(PeerId peer, std::size_t index, const Endpoint& endpoint);
  /// As Node::on_wan.
  void on_wan(SocketId wan, const WanState& state);
  /// As Node::order_wan and Node::order_path.
  void order_wan(SocketId wan, PathOrder order);
  std::size_t order_path(const std::string& name, PathOrder order);
  /// Starts to use an open socket for a WAN. Trains for a WAN without one fail with ENETDOWN.
  Result<void> open_socket(SocketId id, int fd);
  void close_socket(SocketId id) noexcept;
  /// Says goodbye to all peers.
  void close();

  /// What the node reported in this turn, and since it in the calls above.
  std::span<const Event> events() const noexcept { return events_; }
  /// Tokens of watched descriptors that can be read.
  std::span<const int> readable() const noexcept { return readable_; }
  /// Events that found no room since start.
  std::uint64_t lost_events() const noexcept { return out_.lost_events(); }
  /// errno of the TUN device's last failure, 0 for none.
  int tun_error() const noexcept { return tun_error_; }

 private:
  struct Failure {
    SocketId socket;
    Endpoint remote;
    int error = 0;
  };

  void handle(Time now, Completion& completion);
  void flush();
  void send(Transmit&& train);
  void report_failures(Time now);

  Io& io_;
  Node& node_;
  Batching batching_;
  Outbox out_;
  Rest rest_;
  std::array<bool, kSocketsMax> open_{};
  ArrivalClock clock_;
  std::vector<Event> events_;
  std::vector<int> readable_;
  FixedVector<Failure, Outbox::kTrainsMax> failures_;
  int tun_error_ = 0;
};

}  // namespace wanbond
