// UdpFlow: numbered datagrams at a fixed pace from one Lan to another, and what became of them.
#pragma once

#include <cstdint>

#include "tests/sim/lan.h"
#include "tests/sim/world.h"

namespace wanbond::sim {

/// What the receiver saw.
struct UdpReport {
  std::uint64_t sent = 0;
  std::uint64_t received = 0;
  std::uint64_t late = 0;     // behind a higher number
  std::uint64_t damaged = 0;  // contents not as sent
  Duration gap_max{};         // longest time between two arrivals
  Time gap_end{};             // when that gap ended
  Duration delay_max{};
  Time last_arrival{};
};

/// Runs from start() until stop(). Both Lans and the World outlive it.
class UdpFlow {
 public:
  struct Settings {
    Conversation who;
    Duration interval = 1ms;
    std::size_t payload_bytes = 1000;  // at least 16
  };
  UdpFlow(World& world, Lan& from, Lan& to, const Settings& settings);
  UdpFlow(const UdpFlow&) = delete;
  UdpFlow& operator=(const UdpFlow&) = delete;

  void start();
  void stop() { running_ = false; }
  /// From the packet after the next one on.
  void set_interval(Duration interval) { settings_.interval = interval; }
  /// The gap is counted anew from now on.
  void reset_gap();
  const UdpReport& report() const noexcept { return report_; }
  /// Sent and not yet seen: lost, once everything has had time to arrive.
  std::uint64_t missing() const noexcept { return report_.sent - report_.received; }

 private:
  void send();
  void receive(Bytes payload);

  World& world_;
  Lan& from_;
  Settings settings_;
  UdpReport report_;
  bool running_ = false;
  std::uint64_t highest_ = 0;
};

}  // namespace wanbond::sim
