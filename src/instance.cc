#include "instance.h"

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <sstream>

#include "crypto/aead.h"
#include "explain.h"
#include "io/service.h"
#include "metrics.h"
#include "sandbox.h"
#include "version.h"

namespace wanbond {
namespace {

constexpr int kSignalToken = 0;
constexpr int kMonitorToken = 1;
constexpr int kResolverToken = 2;
constexpr int kControlToken = 16;
constexpr int kMetricsToken = kControlToken + LineServer::kTokens;
/// The goodbye leaves in the first turn; the second sees to refused ones.
constexpr int kClosingTurns = 2;

/// The folder of the control socket, made if need be. Without the right to, bind() says it.
void make_folder_of(const std::string& path, const std::string& user) {
  std::error_code ignored;
  const auto folder = std::filesystem::path(path).parent_path();
  if (std::filesystem::create_directories(folder, ignored)) give_to_user(folder.string(), user);
}

/// Packets that the TUN may hold while we do not run: 16 ms and more of small ones. By default
/// 2000; the kernel's 500 overflow in the pauses of a busy box, and more than [Interface] Memory is
/// for would only wait.
std::uint32_t tun_queue(std::uint64_t memory_bytes) noexcept {
  constexpr std::uint64_t kBytesEach = 24'000;
  return static_cast<std::uint32_t>(
      std::clamp<std::uint64_t>(memory_bytes / kBytesEach, 500, 10'000));
}

/// True while another instance in this network namespace runs: then routes of ours may be its own.
/// To be asked with the rights of the start.
bool others_run(const std::string& own_socket) {
  std::error_code error;
  const auto folder = std::filesystem::path(own_socket).parent_path();
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    int connect_error = 0;
    if (entry.path() == own_socket || entry.path().extension() != ".sock") continue;
    const auto connection = connect_unix(entry.path().string(), connect_error);
    if (connection && may_share_network(*connection)) return true;
  }
  return false;
}

}  // namespace

Instance::Instance(Config config, std::unique_ptr<Hooks> hooks)
    : config_(std::move(config)), hooks_(std::move(hooks)), log_(config_.interface.log_level) {}

Result<std::unique_ptr<Instance>> Instance::start(Config config, std::unique_ptr<Hooks> hooks,
                                                  const RunOptions& options) {
  std::unique_ptr<Instance> instance(new Instance(std::move(config), std::move(hooks)));
  instance->log_all(instance->config_.warnings);
  forbid_dumps();
  raise_priority();
  if (auto done = instance->open_control(); !done) return done.error();
  for (const auto& step : {&Instance::open_network, &Instance::open_io}) {
    if (auto done = (instance.get()->*step)(options); !done) return done.error();
  }
  for (const auto& step : {&Instance::open_sockets, &Instance::watch_all}) {
    if (auto done = (instance.get()->*step)(); !done) return done.error();
  }
  if (auto done = restrict_system_calls(); !done) return done.error();
  instance->announce();
  return instance;
}

Result<void> Instance::open_control() {
  const std::string path = config_.control_path();
  make_folder_of(path, config_.interface.user);
  auto listener = listen_unix(path);
  if (!listener) return listener.error();
  owns_control_file_ = true;
  give_to_user(path, config_.interface.user);
  control_.emplace(LineServer(std::move(*listener), kControlToken));
  if (!config_.interface.metrics) return {};
  auto metrics = listen_tcp(*config_.interface.metrics);
  if (!metrics) return Error{"Metrics: " + metrics.error().message};
  metrics_.emplace(std::move(*metrics), kMetricsToken);
  return {};
}

Result<void> Instance::open_network(const RunOptions& options) {
  auto netlink = Netlink::open();
  if (!netlink) return netlink.error();
  netlink_.emplace(std::move(*netlink));
  const auto machine = read_machine(*netlink_);
  if (!machine) return machine.error();
  auto plan = make_plan(config_, *machine);
  if (!plan) return plan.error();
  plan_ = std::move(*plan);
  plan_.node.rekey_after = options.rekey_after;
  const auto aead = choose_aead(options.aead);
  if (!aead) return aead.error();
  plan_.node.aead = *aead;
  log_all(plan_.warnings);
  const bool whole = options.batching == Batching::Whole;
  for (WanPlan& wan : plan_.wans) wan.socket.gro = whole;
  auto tun =
      TunDevice::open(config_.interface.device, whole ? TunOffloads::All : TunOffloads::None);
  if (!tun) return tun.error();
  tun_.emplace(std::move(*tun));
  if (auto done = tun_->set_queue(tun_queue(config_.interface.memory_bytes)); !done) return done;
  plan_.node.tun_udp = tun_->udp_offload();
  const bool alone = !others_run(config_.control_path());
  if (auto done = drop_privileges(config_.interface.user); !done) return done;
  if (alone) {
    const auto swept = netlink_->sweep();
    if (swept && *swept > 0)
      log_.info("removed " + std::to_string(*swept) + " routes and rules of an earlier run");
  }
  const auto link = netlink_->link(tun_->name());
  if (!link) return link.error();
  network_.emplace(*netlink_, config_, tun_->name(), route_numbers(plan_.fwmark, link->index));
  return network_->set_up(plan_);
}

Result<void> Instance::open_io(const RunOptions& options) {
  if (!plan_.queries.empty()) {
    auto resolver = Resolver::start();
    if (!resolver) return resolver.error();
    resolver_ = std::move(*resolver);
  }
  pool_.emplace(config_.interface.memory_bytes);
  auto io = make_io(options.io, *pool_, why_not_uring_);
  if (!io) return io.error();
  io_ = std::move(*io);
  if (auto done = io_->add_tun(tun_->fd()); !done) return done;
  node_ = std::make_unique<Node>(plan_.node, *pool_, random_);
  driver_ = std::make_unique<Driver>(*io_, *node_, options.batching);
  names_ = std::make_unique<HostNames>(plan_.queries, resolver_.get(), *driver_);
  return {};
}

Result<void> Instance::open_sockets() {
  sockets_ = std::make_unique<WanSockets>(plan_.wans, *driver_, tun_->name());
  const auto machine = read_machine(*netlink_);
  if (!machine) return machine.error();
  std::vector<std::string> faults;
  (void)sockets_->follow(*machine, faults);
  if (!faults.empty()) return Error{faults.front()};
  log_all(network_->follow(*machine, plan_, {}));
  return {};
}

Result<void> Instance::watch_all() {
  auto signals = open_signals({SIGTERM, SIGINT, SIGHUP});
  if (!signals) return signals.error();
  signals_ = std::move(*signals);
  auto monitor = open_change_monitor();
  if (!monitor) return monitor.error();
  monitor_ = std::move(*monitor);
  if (auto done = io_->watch(signals_.get(), kSignalToken); !done) return done;
  if (auto done = io_->watch(monitor_.get(), kMonitorToken); !done) return done;
  if (resolver_) {
    if (auto done = io_->watch(resolver_->fd(), kResolverToken); !done) return done;
  }
  if (auto done = control_->server().start(*io_); !done) return done;
  return metrics_ ? metrics_->start(*io_) : Result<void>();
}

void Instance::announce() {
  started_ = monotonic_now();
  is_up_ = true;
  const auto named = std::count_if(plan_.wans.begin(), plan_.wans.end(),
                                   [](const WanPlan& wan) { return !wan.settings.name.empty(); });
  log_.info("wanbond " + std::string(kVersion) + " " + config_.name + ": device " + tun_->name() +
            ", " + std::to_string(named) + " WANs, " + std::to_string(config_.peers.size()) +
            " peers, ciphers by " + std::string(aead_library_name(plan_.node.aead)) + ", I/O by " +
            io_->name() + (why_not_uring_.empty() ? "" : " (io_uring: " + why_not_uring_ + ")"));
  log_all(hooks_->run(config_.interface.post_up, tun_->name()));
  notify_service("READY=1\nSTATUS=device " + tun_->name() + " is up");
  if (watchdog_pace() > Duration::zero()) watchdog_at_ = started_;
}

void Instance::run() {
  while (!stopping_) {
    driver_->turn(next_timeout(monotonic_now()));
    const std::vector<int> tokens(driver_->readable().begin(), driver_->readable().end());
    for (const int token : tokens) on_token(token);
    on_timers(monotonic_now());
    on_events();  // last, as tokens and timers make events, too
  }
  notify_service("STOPPING=1");
  log_.info("stopping");
  driver_->close();
  for (int i = 0; i < kClosingTurns; ++i) driver_->turn(monotonic_now());
}

Instance::~Instance() {
  if (network_) network_->remove_all();
  if (is_up_) log_all(hooks_->run(config_.interface.post_down, tun_->name()));
  std::error_code ignored;
  if (owns_control_file_) std::filesystem::remove(config_.control_path(), ignored);
}

void Instance::on_token(int token) {
  if (token == kSignalToken) {
    const int signal = take_signal(signals_.get());
    if (signal == SIGHUP) log_.warning("reload is not supported by this version; restart instead");
    stopping_ = stopping_ || signal == SIGTERM || signal == SIGINT;
  } else if (token == kMonitorToken) {
    drain_changes(monitor_.get());
    on_links_changed();
  } else if (token == kResolverToken) {
    for (const std::string& line : names_->on_readable(monotonic_now())) log_.info(line);
    if (!resolver_->alive()) io_->unwatch(kResolverToken);
  } else if (control_->server().owns(token)) {
    for (const LineRequest& request : control_->server().on_readable(token)) on_request(request);
  } else if (metrics_ && metrics_->owns(token)) {
    for (const LineRequest& request : metrics_->on_readable(token))
      metrics_->answer(request.client, http_answer(request.line, metrics_text(status())),
                       LineServer::After::Close);
  }
}

void Instance::on_request(const LineRequest& request) {
  if (request.line.starts_with("explain ")) return explain(request);
  if (!request.line.starts_with("set "))
    return control_->on_request(request, events_, [this] { return status(); });
  control_->server().answer(request.client, obey(request.line), LineServer::After::Close);
}

void Instance::explain(const LineRequest& request) {
  const auto question = parse_question(request.line.substr(sizeof "explain"));
  const std::string answer =
      question ? explanation_text(node_->explain(monotonic_now(), question->inner, question->bytes))
               : question.error().message + "\n";
  control_->server().answer(request.client, answer, LineServer::After::Close);
}

std::string Instance::obey(const std::string& line) {
  std::istringstream words(line);
  std::string set, kind, name, word;
  words >> set >> kind >> name >> word;
  const auto order = parse_path_order(word);
  if (!order || (kind != "wan" && kind != "path")) return "unknown request\n";
  if (kind == "path" && driver_->order_path(name, *order) == 0)
    return "there is no path " + name + "; see wanbond show\n";
  if (kind == "wan") {
    const auto found = std::find_if(plan_.wans.begin(), plan_.wans.end(),
                                    [&](const WanPlan& w) { return w.settings.name == name; });
    if (found == plan_.wans.end()) return "there is no WAN " + name + "; see wanbond show\n";
    driver_->order_wan(SocketId{static_cast<std::uint16_t>(found - plan_.wans.begin())}, *order);
  }
  log_.info(kind + " " + name + ": " + word + ", by hand");
  return "ok\n";
}

void Instance::on_events() {
  if (driver_->events().empty()) return;
  events_.learn_names(node_->status(monotonic_now()));
  for (const Event& event : driver_->events()) {
    const NamedEvent& named = events_.add(event);
    log_.info(event_text(named));
    if (event.kind == EventKind::PeerUp || event.kind == EventKind::PeerDown)
      log_all(network_->set_peer(event.peer.value, event.kind == EventKind::PeerUp));
  }
  control_->publish(events_);
}

void Instance::on_links_changed() {
  const auto machine = read_machine(*netlink_);
  if (!machine) return log_.warning(machine.error().message);
  std::vector<std::string> faults;
  const std::vector<std::size_t> renewed = sockets_->follow(*machine, faults);
  for (const std::size_t wan : renewed) {
    log_.info("WAN " + plan_.wans[wan].settings.name + ": device " + plan_.wans[wan].socket.device +
              ", or addresses of it, are new");
    if (const auto done = network_->set_gateway(wan, plan_.wans[wan]); !done)
      faults.push_back(done.error().message);
  }
  log_all(network_->follow(*machine, plan_, renewed));
  log_all(faults);
}

void Instance::on_timers(Time now) {
  if (resolver_) names_->on_timer(now);
  control_->server().flush();
  if (metrics_) metrics_->flush();
  if (now < watchdog_at_) return;
  notify_service("WATCHDOG=1");
  watchdog_at_ = now + watchdog_pace();
}

Time Instance::next_timeout(Time now) const noexcept {
  Time next = std::min(watchdog_at_, control_->server().next_timeout(now));
  if (metrics_) next = std::min(next, metrics_->next_timeout(now));
  return resolver_ ? std::min(next, names_->next_timeout()) : next;
}

InstanceStatus Instance::status() const {
  const Time now = monotonic_now();
  InstanceStatus status;
  status.name = config_.name;
  status.device = tun_->name();
  status.mtu = plan_.node.tun_mtu_bytes;
  status.io = io_->name();
  status.cipher_backend = aead_library_name(plan_.node.aead);
  status.uptime = now - started_;
  for (const WanPlan& wan : plan_.wans) status.wans.push_back(wan.settings.name);
  status.node = node_->status(now);
  status.io_counters = io_->counters();
  status.lost_events = driver_->lost_events();
  return status;
}

void Instance::log_all(const std::vector<std::string>& faults) {
  for (const std::string& fault : faults) log_.warning(fault);
}

}  // namespace wanbond
