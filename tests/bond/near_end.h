// NearEnd: the sending gateway of the scheduler's simulator: a Bond and what the session does
// around it (SentLog, repairs, heartbeats, suspicion), with numbers in place of packets.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <vector>

#include "sched/ack_hold.h"
#include "sched/bond.h"
#include "sched/sent.h"
#include "tests/bond/datagram.h"
#include "tests/sim/world.h"

namespace wanbond::bond {

class NearEnd {
 public:
  using Send = std::function<void(std::uint8_t path, const Datagram&)>;
  using Deliver = std::function<void(const InnerPacket&)>;
  NearEnd(sim::World& world, std::size_t paths, Send send, Deliver deliver);
  NearEnd(const NearEnd&) = delete;
  NearEnd& operator=(const NearEnd&) = delete;

  void start();
  /// A packet of a host behind this gateway: data or ping.
  void from_lan(const InnerPacket& packet);
  /// A datagram with reports came over `via`.
  void on_reports(std::uint8_t via, const std::vector<PathReport>& reports);
  /// An acknowledgement for a host behind this gateway.
  void from_wan(const InnerPacket& packet);
  void set_hold(FlowHold hold) noexcept { hold_ = hold; }
  /// Its timers go off late by this in the mean, exponentially.
  void set_lateness(Duration mean) noexcept { lateness_ = mean; }
  /// What BFD says.
  void on_down(std::uint8_t path);
  void on_up(std::uint8_t path);

  const Bond& bond() const noexcept { return bond_; }
  struct Counters {
    std::uint64_t repairs = 0, rescues = 0, suspicions = 0;
  };
  const Counters& counters() const noexcept { return counters_; }
  /// Sojourns in the bond queue since clear_sojourns(), milliseconds.
  const std::vector<float>& sojourns() const noexcept { return sojourns_; }
  void clear_sojourns() { sojourns_.clear(); }

 private:
  struct Kept {
    InnerPacket inner;
    std::uint32_t sequence = 0;
    bool is_live = true;
  };
  struct Path {
    SentLog log;
    std::uint32_t next_number = 0;
    std::uint32_t report_number = 0;
    std::uint32_t acknowledged_largest = 0;
  };
  void pump();
  void wake_at(Time time);
  void send_grant(const Grant& grant);
  void send_repairs();
  void send_again(const SentSegment& segment, std::uint8_t path);
  void transmit(std::uint8_t path, Datagram datagram);
  void log(std::uint8_t path, SentSegment segment);
  void on_report(const PathReport& report);
  void lose(const SentSegment& segment) { repairs_.push_back(segment); }
  void settle(const SentSegment& segment);
  void rescue(std::uint8_t path);
  void copy_late(std::uint8_t path);
  void heartbeat(std::uint8_t path);
  void watch();
  Kept& kept(std::uint32_t packet) { return kept_[packet - kept_first_]; }

  sim::World& world_;
  Send send_;
  Deliver deliver_;
  std::size_t path_count_;
  Bond bond_;
  std::vector<Path> paths_;
  std::deque<Kept> kept_;
  std::uint32_t kept_first_ = SentSegment::kKeptMin;
  std::array<std::uint32_t, 64> next_sequence_{};
  std::map<std::uint16_t, AckHold> holds_;  // by flow
  std::deque<SentSegment> repairs_;
  Time armed_ = kNever;
  Duration lateness_{};
  FlowHold hold_{};
  bool saw_data_ = false;
  Counters counters_;
  std::vector<float> sojourns_;
};

}  // namespace wanbond::bond
