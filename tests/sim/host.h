// Host: a gateway of the simulation: a Node with its WANs, its LAN, its clock and its memory. It
// does for the Node what the driver does in the program, and has no policy of its own.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/node.h"
#include "tests/sim/checker.h"
#include "tests/sim/host_clock.h"
#include "tests/sim/lan.h"
#include "tests/sim/wan.h"

namespace wanbond::sim {

/// What a host is built from; `node` is complete but for nothing.
struct HostPlan {
  std::string name;
  std::vector<WanPlan> wans;  // as NodeSettings::wans
  NodeSettings node;
  Duration clock_offset{};
  std::int64_t drift_ppm = 0;
};

/// An event and the World's time when it was reported.
struct HostEvent {
  Time time;
  Event event;
};

/// Number `number` in Checker and Internet. The program on it can be started, stopped by signals
/// and started anew; the machine's clock goes on.
class Host {
 public:
  struct Place {
    World& world;
    Internet& internet;
    Checker& checker;
    unsigned number;
  };
  Host(const Place& place, HostPlan plan);
  ~Host() { kill(); }
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  void start();
  /// SIGTERM: says goodbye, then is gone.
  void terminate();
  /// SIGKILL, or the power: gone.
  void kill();
  void restart() {
    kill();
    start();
  }
  /// SIGSTOP now, SIGCONT after `duration`: what arrives waits in the kernel's queues.
  void freeze(Duration duration);
  /// Sends on this WAN fail with `error` from now on; 0: they work again.
  void refuse_sends(std::size_t wan, int error) { send_errors_[wan] = error; }
  /// The machine has news of a WAN: carrier, addresses, MTU. A node that is started later, or runs
  /// again, hears of it then.
  void tell_wan(std::size_t wan, const WanState& state);
  /// The name server has.
  void tell_endpoint(std::size_t index, const Endpoint& endpoint);
  /// `wanbond set wan`.
  void order_wan(std::size_t wan, PathOrder order);
  bool is_running() const noexcept { return node_ != nullptr; }

  const std::string& name() const noexcept { return plan_.name; }
  const HostPlan& plan() const noexcept { return plan_; }
  Wan& wan(std::size_t i) { return *wans_[i]; }
  std::size_t wan_count() const noexcept { return wans_.size(); }
  Lan& lan() noexcept { return lan_; }
  HostClock& clock() noexcept { return clock_; }
  /// Only while running.
  NodeStatus status() const;
  /// All lives of the node.
  const std::vector<HostEvent>& events() const noexcept { return events_; }

 private:
  static constexpr std::size_t kSocketQueueMax = 4096;  // datagrams, all sockets together
  static constexpr std::size_t kTunQueueMax = 500;      // packets, as txqueuelen
  static constexpr std::size_t kBatchMax = 64;
  static constexpr std::size_t kPoolBytes = 8 << 20;

  struct Arrival {
    SocketId socket;
    Datagram datagram;
    Time at;  // by this machine's clock
  };
  void on_arrival(SocketId socket, Datagram&& datagram);
  void on_lan_packet(ByteString&& packet);
  void wake();
  void serve();
  void read_sockets();
  std::size_t give_train(std::vector<ByteString>& memory);
  void read_tun();
  void call_timer();
  void arm();
  void drain();
  void send_train(Transmit& train);
  void note_sent(const Datagram& datagram);
  void write_tun(const TunWrite& write);
  void note_datagram(const Datagram& datagram) const;
  void note_event(const Event& event) const;
  Time local_now() const noexcept { return clock_.local(place_.world.now()); }

  Place place_;
  HostPlan plan_;
  HostClock clock_;
  PacketPool pool_;
  std::unique_ptr<SeededRandom> random_;
  std::unique_ptr<Node> node_;
  Lan lan_;
  std::vector<std::unique_ptr<Wan>> wans_;
  std::vector<int> send_errors_;
  std::vector<std::optional<WanState>> told_;  // by WAN
  std::vector<Transmit> refused_;  // trains of the present call that the kernel did not take
  std::unique_ptr<Outbox> outbox_ = std::make_unique<Outbox>();
  std::deque<Arrival> sockets_;
  std::deque<ByteString> tun_;
  std::vector<HostEvent> events_;
  Time frozen_until_{};
  Time armed_ = kNever;
  bool woken_ = false;
};

}  // namespace wanbond::sim
