// TcpSender: the sending end of the TCP model: window, SACK scoreboard (RFC 6675), loss by
// duplicates and by time (RFC 8985 in short), retransmission timer of at least 200 ms (RFC 6298 as
// Linux has it). Good enough to see failover; what is in flight is Cubic's matter.
#pragma once

#include <cstdint>
#include <deque>

#include "tests/sim/congestion.h"
#include "tests/sim/lan.h"
#include "tests/sim/world.h"

namespace wanbond::sim {

/// Sends `bytes` of stream_byte() from `who.from` to `who.to`.
class TcpSender {
 public:
  struct Settings {
    Conversation who;
    std::uint64_t bytes = 1'000'000;
    std::uint16_t mss_bytes = 1360;
    std::uint64_t window_bytes_max = 4 << 20;  // the receiver's
  };
  struct Report {
    std::uint64_t acknowledged_bytes = 0;
    std::uint64_t retransmits = 0;
    std::uint64_t recoveries = 0;
    std::uint64_t timeouts = 0;
    std::uint64_t too_big = 0;  // times that its segments had to become smaller
    Duration srtt{};
    Time finished = kNever;
  };
  TcpSender(World& world, Lan& lan, const Settings& settings);
  TcpSender(const TcpSender&) = delete;
  TcpSender& operator=(const TcpSender&) = delete;

  void start();
  bool is_done() const noexcept { return report_.finished != kNever; }
  const Report& report() const noexcept { return report_; }

 private:
  struct Segment {
    std::uint64_t start;
    std::uint32_t bytes;
    Time sent;
    bool sacked = false;
    bool lost = false;
    bool retransmitted = false;
    std::uint64_t end() const noexcept { return start + bytes; }
    bool in_flight() const noexcept { return !sacked && !lost; }
  };
  void receive(const ParsedPacket& packet);
  void on_too_big(std::size_t mtu_bytes);
  void on_acknowledgement(const ParsedPacket& packet);
  std::uint64_t take_acknowledged(std::uint64_t offset);
  void take_sack(const SackBlock& block);
  void note_delivery(const Segment& segment);
  bool find_losses();
  void send_what_fits();
  bool retransmit_one();
  bool send_new();
  void transmit(const Segment& segment);
  void measure(Duration rtt);
  Duration timeout() const noexcept;
  void arm();
  void on_timer();

  World& world_;
  Lan& lan_;
  Settings settings_;
  Cubic cubic_;
  Report report_;
  std::deque<Segment> segments_;      // sent and not acknowledged, by offset
  std::uint64_t next_ = 0;            // offset of the next new byte
  std::uint64_t in_flight_ = 0;       // bytes
  std::uint64_t recovery_until_ = 0;  // recovery ends when this is acknowledged
  Time newest_delivered_{};           // send time of the youngest segment known to have arrived
  Duration rttvar_{};
  unsigned backoff_ = 0;
  Time deadline_ = kNever;
  Time armed_ = kNever;  // when the timer looks at the deadline next
  bool established_ = false;
};

}  // namespace wanbond::sim
