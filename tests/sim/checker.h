// Checker: the promises that hold in every scenario, looked at after every step. It judges only
// what can be seen from outside: LAN packets, datagrams on the wire, events, timer calls, buffers.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/event.h"
#include "core/status.h"
#include "tests/sim/datagram.h"
#include "tests/sim/nonce_checker.h"
#include "tests/sim/order_checker.h"
#include "tests/sim/world.h"

namespace wanbond::sim {

/// Collects violations; whoever runs the scenario asks at its end. Hosts are numbers.
class Checker {
 public:
  struct Limits {
    unsigned timer_calls_per_second_max = 10'000;  // a paced packet each 100 us
    /// DATA may be sent into an outage so long: detection time and one interval, and the way of
    /// what is already sent by the other side. The default is an idle path's.
    Duration dead_path_use_max = 1700ms;
    /// Packets that a node may hold between two inputs: kept for repair, or waiting for others.
    std::size_t buffers_held_max = 2048;
  };
  static constexpr std::size_t kViolationsMax = 20;

  explicit Checker(World& world) : world_(world) {}
  Limits& limits() noexcept { return limits_; }
  OrderChecker& order() noexcept { return order_; }

  void fail(const std::string& host, const std::string& what);
  const std::vector<std::string>& violations() const noexcept { return violations_; }

  void on_lan_in(unsigned host, Bytes packet);
  void on_lan_out(unsigned host, Bytes packet);
  void on_datagram_out(unsigned from, unsigned to, const Datagram& datagram);
  void on_datagram_in(unsigned host, const Datagram& datagram);
  void on_outage_use(const Datagram& datagram, Time cut_at);
  void on_event(unsigned host, const Event& event);
  void on_timer_call(unsigned host);
  void on_buffers(unsigned host, std::size_t used);

  /// A node begins or ends: packets in = packets out + dropped by reason, for this life of it.
  void on_start(unsigned host) { ledgers_[host] = {}; }
  void on_end(unsigned host, const NodeStatus& status);

  std::uint64_t timer_calls(unsigned host) { return timers_[host].total; }

 private:
  struct Ledger {
    std::uint64_t lan_in = 0;
    std::uint64_t lan_out = 0;
    std::uint64_t data_out = 0;
    std::uint64_t data_in = 0;
  };
  struct TimerCalls {
    std::uint64_t total = 0;
    std::int64_t second = 0;
    unsigned in_second = 0;
  };
  void fail(unsigned host, const std::string& what) { fail(std::to_string(host), what); }

  World& world_;
  Limits limits_;
  OrderChecker order_;
  NonceChecker nonces_;
  std::map<unsigned, Ledger> ledgers_;
  std::map<unsigned, TimerCalls> timers_;
  std::vector<std::string> violations_;
};

}  // namespace wanbond::sim
