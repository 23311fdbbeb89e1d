// Lab: hosts, gateways and WANs of the scheduler's simulator put together; runs one scenario and
// says what its users would have noticed.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/bond/far_end.h"
#include "tests/bond/near_end.h"
#include "tests/bond/pipe.h"
#include "tests/bond/tcp_sink.h"
#include "tests/bond/tcp_source.h"
#include "tests/sim/world.h"

namespace wanbond::bond {

/// One WAN. Classic links lose and jitter in the forward direction only.
struct WanSpec {
  double mbit = 100;
  double delay_ms = 10;  // one way
  double buffer_ms = 200;
  double loss_percent = 0;
  double jitter_ms = 0;
  double burst_begin_percent = 0, burst_end_percent = 100;  // Gilbert
  bool is_behind_first = false;  // its packets go through the first WAN's line
};

/// How a scenario's links behave: a modem behind a router, or Linux's netem in both directions.
enum class LinkStyle : std::uint8_t { Modem, Netem };

struct FlowSpec {
  CongestionKind congestion = CongestionKind::Cubic;
  double start_s = 0.4;
  std::uint32_t segments = ~0U;
  int beside = -1;  // not through the tunnel: a competitor on this WAN
  int pinned = -1;  // to this WAN
};

/// At `at_s`: a cut (0 Mbit/s), or another rate.
struct LinkChange {
  double at_s = 0;
  std::size_t wan = 0;
  double mbit = 0;
};

/// Times are from the start of the tunnel.
struct Scenario {
  std::string name;
  std::vector<WanSpec> wans;
  std::vector<FlowSpec> flows;
  std::vector<LinkChange> changes;
  LinkStyle style = LinkStyle::Modem;
  double from_s = 10, to_s = 40;  // the window that counts
  double watch_s = 0;             // from here on pings and gaps count; 0: from_s
  bool is_ect = false;
  FlowHold hold = FlowHold::No;  // of all flows
  double late_ms = 0;            // mean by which the sending gateway wakes late: a busy machine
};

struct Figures {
  double rival_mbit = 0;  // goodput of the flows beside the tunnel
  double mbit = 0;        // goodput of all flows in the window
  double share = 0;       // of the sum of the links' rates, net of inner headers
  double ping50_ms = 0, ping99_ms = 0, ping_base_ms = 0;  // one way
  double depth99 = 0, depth_max = 0;
  double gap_any_ms = 0, gap_order_ms = 0;
  double rtt_ms = 0;
  std::uint64_t timeouts = 0, recoveries = 0, retransmits = 0;
  std::uint64_t repairs = 0, rescues = 0, suspicions = 0;
  std::uint64_t voids = 0, marks = 0, refused = 0, skipped = 0;
  double link_loss = 0;             // of the packets offered to the links' queues
  std::vector<double> per_second;   // goodput, Mbit/s, from the start on
  std::vector<double> finished_ms;  // of each flow, from its start; below 0: not
};

class Lab {
 public:
  Lab(const Scenario& scenario, std::uint64_t seed);
  Figures run();
  /// Called each `every` of virtual time, to watch.
  void set_watcher(Duration every, std::function<void(const Lab&, Time)> watcher);

  const NearEnd& near_end() const noexcept { return near_; }
  const FarEnd& far_end() const noexcept { return far_; }
  const TcpSource& source(std::size_t flow) const noexcept { return *sources_[flow]; }
  const Pipe& forward(std::size_t wan) const noexcept { return *forward_[wan]; }

 private:
  void make_pipes();
  void make_flows();
  void script();
  void change(const LinkChange& change);
  void ping();
  void tick();
  void deliver(const InnerPacket& packet);
  void begin_window();
  Figures collect() const;
  double available() const;
  enum class Side : std::uint8_t { Ours, Beside };
  double goodput(Side side, double from_s, double to_s) const;
  void make_flow(const FlowSpec& flow, std::uint16_t id);
  void receive(const Datagram& datagram);

  Scenario scenario_;
  sim::World world_;
  std::vector<std::unique_ptr<Pipe>> forward_, backward_;
  NearEnd near_;
  FarEnd far_;
  std::vector<std::unique_ptr<TcpSource>> sources_;
  std::vector<std::unique_ptr<TcpSink>> sinks_;
  std::vector<float> pings_;
  bool in_window_ = false;
  Time last_delivery_{};
  Duration gap_any_{};
  double rtt_sum_ms_ = 0;
  std::uint64_t rtt_count_ = 0;
};

}  // namespace wanbond::bond
