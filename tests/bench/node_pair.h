// Two nodes joined in memory: what one sends the other receives at once, in the same bytes. The
// whole way of a packet without the kernel.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/node.h"
#include "tests/sim/seeded_random.h"

namespace wanbond {

/// A and B, each with one WAN and one peer. Inner 10.0.0.1 lives behind A, 10.0.0.2 behind B. Time
/// is virtual: it moves with every batch, so timers, heartbeats and feedback run as in life.
class NodePair {
 public:
  NodePair(CipherPolicy policy, AeadLibrary library);

  /// Runs the handshake until both paths are up.
  void bring_up();
  /// One turn of both drivers: A reads all of `reads` (virtio header and packet each) from its TUN,
  /// B receives the trains and writes to its own. Returns the bytes written, virtio headers
  /// included.
  std::uint64_t carry(std::span<const Bytes> reads);

  /// Since the start: what A sent and what B wrote.
  std::uint64_t train_count() const noexcept { return trains_; }
  std::uint64_t write_count() const noexcept { return writes_; }

 private:
  struct End {
    End(const NodeSettings& settings, std::uint64_t seed);
    sim::SeededRandom random;
    PacketPool pool;
    Node node;
    Outbox out;
    std::vector<Transmit> sent;  // by this end, in the present batch
  };

  void take_trains(End& from);
  void deliver(End& from, End& to);
  void call_timer(End& end);
  void tick(Duration step);
  static bool is_up(const End& end, Time now);

  Time now_{1s};
  End a_, b_;
  std::uint64_t trains_ = 0, writes_ = 0, written_bytes_ = 0;
};

}  // namespace wanbond
