// TcpSource: the sending end of a TCP flow in the scheduler's simulator, close to Linux: SACK, RACK
// with a reordering window that D-SACKs widen, TLP, PRR, undo, time-outs of at least 200 ms.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>

#include "tests/bond/congestion_model.h"
#include "tests/bond/inner.h"
#include "tests/sim/world.h"

namespace wanbond::bond {

class TcpSource {
 public:
  struct Settings {
    std::uint16_t flow = 0;
    CongestionKind congestion = CongestionKind::Cubic;
    std::uint32_t segments = ~0U;       // how many; ~0: endless
    std::uint32_t window_max = 11'000;  // the receiver's: 16 MB
    bool is_ect = false;
  };
  struct Report {
    std::uint64_t retransmits = 0, recoveries = 0, timeouts = 0, undone = 0;
    Duration srtt{};
    Time finished = kNever;
  };
  using Output = std::function<void(const InnerPacket&)>;

  TcpSource(sim::World& world, const Settings& settings, Output output);
  TcpSource(const TcpSource&) = delete;
  TcpSource& operator=(const TcpSource&) = delete;

  void start();
  void on_ack(const AckInfo& ack);
  const Report& report() const noexcept { return report_; }
  double window() const noexcept { return is_bbr() ? bbr_.window() : cubic_.window(); }
  bool is_done() const noexcept { return report_.finished != kNever; }

 private:
  struct Segment {
    Time sent{};
    bool is_sacked = false, is_lost = false, is_again = false, is_again_out = false;
    std::uint64_t delivered = 0;
    Time delivered_at{}, first_sent{};
  };
  bool is_bbr() const noexcept { return settings_.congestion == CongestionKind::Bbr; }
  Segment& at(std::uint32_t segment) { return segments_[segment - una_]; }
  std::int64_t pipe() const noexcept {
    return static_cast<std::int64_t>(next_ - una_) - sacked_ - lost_ + again_out_;
  }
  void take(Segment& segment, std::uint32_t number, AckSample& sample);
  void take_blocks(const AckInfo& ack, AckSample& sample);
  void take_cumulative(std::uint32_t cumulative, AckSample& sample);
  void note_duplicate();
  void measure(Duration rtt);
  void detect_losses();
  Duration reordering() const noexcept;
  void enter_recovery();
  void send_what_fits();
  bool may_send(bool is_again) const noexcept;
  void transmit(std::uint32_t segment, bool is_again);
  void mark_lost(Segment& segment);
  Duration timeout() const noexcept;
  void arm();
  void on_timer();
  void on_timeout();
  void schedule(Time at);

  sim::World& world_;
  Settings settings_;
  Output output_;
  CubicModel cubic_;
  BbrModel bbr_;
  Report report_;
  std::deque<Segment> segments_;
  std::uint32_t una_ = 0, next_ = 0, highest_sacked_ = 0, lost_hint_ = 0, lost_end_ = 0;
  std::int64_t sacked_ = 0, lost_ = 0, again_out_ = 0;
  std::uint64_t delivered_ = 0;
  Time delivered_at_{}, first_sent_{};
  Duration rttvar_{}, rtt_min_{};
  bool in_recovery_ = false, may_undo_ = false, saw_reordering_ = false, probe_sent_ = false;
  std::uint32_t recovery_end_ = 0, echo_end_ = 0;
  std::int64_t undo_left_ = 0;
  std::int64_t prr_delivered_ = 0, prr_sent_ = 0, prr_flight_ = 0;
  unsigned reordering_steps_ = 1, backoff_ = 0;
  Time last_duplicate_{};
  Time rack_sent_{};
  std::uint32_t rack_segment_ = 0;
  Duration rack_rtt_{};
  Time deadline_ = kNever, rack_deadline_ = kNever, pace_at_{};
  Time armed_ = kNever;
  bool is_probe_timer_ = false;
};

}  // namespace wanbond::bond
