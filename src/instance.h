// Instance: everything of a running `wanbond run` together: set up in order, looped, taken down.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config.h"
#include "control.h"
#include "driver.h"
#include "event_log.h"
#include "hooks.h"
#include "host_names.h"
#include "io/io.h"
#include "io/netlink.h"
#include "io/random.h"
#include "io/resolver.h"
#include "log.h"
#include "network.h"
#include "tun/device.h"
#include "wan_sockets.h"

namespace wanbond {

/// What the environment may ask for (wanbond(8), ENVIRONMENT).
struct RunOptions {
  IoChoice io = IoChoice::Auto;
  std::optional<AeadLibrary> aead;  // none: the fastest
  Batching batching = Batching::Whole;
  Duration rekey_after = 120s;
};

/// Made by start(); run() returns when a signal ended it; destruction restores the network.
class Instance {
 public:
  /// An error is one line with its cure; what was set until then is undone.
  static Result<std::unique_ptr<Instance>> start(Config config, std::unique_ptr<Hooks> hooks,
                                                 const RunOptions& options);
  ~Instance();
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;

  /// Loops until SIGTERM or SIGINT; says goodbye to the peers.
  void run();

 private:
  Instance(Config config, std::unique_ptr<Hooks> hooks);

  Result<void> open_network(const RunOptions& options);
  Result<void> open_control();
  Result<void> open_io(const RunOptions& options);
  Result<void> watch_all();
  Result<void> open_sockets();
  void announce();

  void on_token(int token);
  void on_request(const LineRequest& request);
  void explain(const LineRequest& request);
  std::string obey(const std::string& line);
  void on_events();
  void on_links_changed();
  void on_timers(Time now);
  Time next_timeout(Time now) const noexcept;
  InstanceStatus status() const;
  void log_all(const std::vector<std::string>& faults);

  Config config_;
  std::unique_ptr<Hooks> hooks_;
  Log log_;
  KernelRandom random_;
  std::optional<Netlink> netlink_;
  Plan plan_;
  std::optional<TunDevice> tun_;
  std::optional<Network> network_;
  std::unique_ptr<Resolver> resolver_;
  std::optional<PacketPool> pool_;
  std::unique_ptr<Io> io_;  // before the node: its packets go back to the pool first
  std::string why_not_uring_;
  std::unique_ptr<Node> node_;
  std::unique_ptr<Driver> driver_;
  std::unique_ptr<WanSockets> sockets_;
  std::unique_ptr<HostNames> names_;
  std::optional<ControlService> control_;
  std::optional<LineServer> metrics_;
  EventLog events_;
  Fd signals_, monitor_;
  Time started_{};
  Time watchdog_at_ = kNever;
  bool owns_control_file_ = false;
  bool is_up_ = false;
  bool stopping_ = false;
};

}  // namespace wanbond
