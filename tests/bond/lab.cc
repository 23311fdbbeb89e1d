#include "tests/bond/lab.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "sched/units.h"

namespace wanbond::bond {
namespace {

constexpr std::uint16_t kPingFlow = 63;
constexpr Duration kPingEvery = 10ms;
constexpr Duration kDetection = 80ms;  // BFD: 20 ms x 4

Time at_second(double s) { return Time{1s} + from_seconds(s); }
std::uint32_t ppm(double percent) { return static_cast<std::uint32_t>(std::lround(percent * 1e4)); }

template <class T>
double quantile(std::vector<T> values, double q) {
  if (values.empty()) return 0;
  const auto at = static_cast<std::ptrdiff_t>(q * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), values.begin() + at, values.end());
  return static_cast<double>(values[static_cast<std::size_t>(at)]);
}

LinkSettings make_settings(const WanSpec& wan, LinkStyle style, bool is_forward) {
  LinkSettings settings;
  settings.delay = from_seconds(wan.delay_ms / 1e3);
  settings.rate = {static_cast<std::uint64_t>(wan.mbit * 1e6)};
  if (style == LinkStyle::Netem || is_forward) {
    settings.loss_ppm = ppm(wan.loss_percent);
    settings.jitter = from_seconds(wan.jitter_ms / 1e3);
    settings.burst_begin_ppm = ppm(wan.burst_begin_percent);
    settings.burst_end_ppm = ppm(wan.burst_end_percent);
  }
  if (style == LinkStyle::Netem) {
    settings.semantics = LinkSemantics::Netem;
    settings.overhead_bytes = 14;
    return settings;
  }
  settings.jitter_kind = LinkJitter::Exponential;
  settings.queue_packets_max = 0;
  settings.queue_bytes_max = static_cast<std::uint64_t>(wan.mbit * 125 * wan.buffer_ms);
  return settings;
}

}  // namespace

Lab::Lab(const Scenario& scenario, std::uint64_t seed)
    : scenario_(scenario),
      world_(seed),
      near_(
          world_, scenario.wans.size(),
          [this](std::uint8_t path, const Datagram& datagram) {
            forward_[scenario_.wans[path].is_behind_first ? 0 : path]->send(datagram);
          },
          [this](const InnerPacket& packet) { sources_[packet.flow]->on_ack(packet.ack); }),
      far_(
          world_, scenario.wans.size(),
          [this](std::uint8_t path, const Datagram& datagram) { backward_[path]->send(datagram); },
          [this](const InnerPacket& packet) { deliver(packet); }) {
  near_.set_hold(scenario_.hold);
  near_.set_lateness(from_seconds(scenario_.late_ms / 1e3));
  make_pipes();
  make_flows();
  script();
}

void Lab::make_pipes() {
  for (const WanSpec& wan : scenario_.wans) {
    forward_.push_back(
        std::make_unique<Pipe>(world_, make_settings(wan, scenario_.style, true),
                               [this](const Datagram& datagram) { receive(datagram); }));
    backward_.push_back(std::make_unique<Pipe>(
        world_, make_settings(wan, scenario_.style, false), [this](const Datagram& datagram) {
          if (datagram.reports)
            near_.on_reports(datagram.path, *datagram.reports);
          else
            near_.from_wan(datagram.inner);
        }));
  }
}

/// What comes out of a WAN's line.
void Lab::receive(const Datagram& datagram) {
  if (datagram.kind == DatagramKind::Cross)
    return sinks_[datagram.inner.flow]->on_data(datagram.inner);
  const WanSpec& wan = scenario_.wans[datagram.path];
  if (!wan.is_behind_first) return far_.from_wan(datagram);
  const double extra_ms = wan.delay_ms - scenario_.wans[0].delay_ms;
  world_.after(from_seconds(extra_ms / 1e3), [this, datagram] { far_.from_wan(datagram); });
}

void Lab::make_flow(const FlowSpec& flow, std::uint16_t id) {
  TcpSource::Output out = [this, id, pinned = flow.pinned](InnerPacket packet) {
    packet.bucket = id;
    packet.pinned = pinned;
    near_.from_lan(packet);
  };
  TcpSink::Output back = [this](const InnerPacket& packet) { far_.from_lan(packet); };
  if (flow.beside >= 0) {
    const auto wan = static_cast<std::uint8_t>(flow.beside);
    out = [this, wan](const InnerPacket& packet) {
      Datagram datagram{.kind = DatagramKind::Cross, .path = wan, .bytes = packet.bytes};
      datagram.inner = packet;
      forward_[wan]->send(datagram);
    };
    back = [this, wan](const InnerPacket& packet) {
      const Duration delay = from_seconds(scenario_.wans[wan].delay_ms / 1e3);
      world_.after(delay, [this, packet] { sources_[packet.flow]->on_ack(packet.ack); });
    };
  }
  sources_.push_back(std::make_unique<TcpSource>(world_,
                                                 TcpSource::Settings{.flow = id,
                                                                     .congestion = flow.congestion,
                                                                     .segments = flow.segments,
                                                                     .is_ect = scenario_.is_ect},
                                                 std::move(out)));
  sinks_.push_back(std::make_unique<TcpSink>(world_, id, std::move(back)));
}

void Lab::make_flows() {
  for (const FlowSpec& flow : scenario_.flows) {
    const auto id = static_cast<std::uint16_t>(sources_.size());
    make_flow(flow, id);
    world_.at(at_second(flow.start_s), [this, id] { sources_[id]->start(); });
  }
}

void Lab::script() {
  world_.at(world_.now(), [this] {
    near_.start();
    far_.start();
    tick();
    ping();
  });
  for (const LinkChange& c : scenario_.changes)
    world_.at(at_second(c.at_s), [this, c] { change(c); });
  const double watch_s = scenario_.watch_s > 0 ? scenario_.watch_s : scenario_.from_s;
  world_.at(at_second(watch_s), [this] { begin_window(); });
}

void Lab::change(const LinkChange& c) {
  for (const auto& pipes : {&forward_, &backward_}) {
    LinkSettings settings = (*pipes)[c.wan]->settings();
    settings.state = c.mbit > 0 ? LinkState::Up : LinkState::Cut;
    if (c.mbit > 0) settings.rate = {static_cast<std::uint64_t>(c.mbit * 1e6)};
    const bool was_cut = (*pipes)[c.wan]->is_cut();
    (*pipes)[c.wan]->set(settings);
    if (pipes == &backward_ || was_cut == (c.mbit <= 0)) continue;
    world_.after(kDetection, [this, c] {  // BFD sees it, unless it has passed
      const bool is_cut = forward_[c.wan]->is_cut();
      if (is_cut != (c.mbit <= 0)) return;
      const auto path = static_cast<std::uint8_t>(c.wan);
      if (near_.bond().is_up(path) == !is_cut) return;
      is_cut ? near_.on_down(path) : near_.on_up(path);
      is_cut ? far_.on_down(path) : far_.on_up(path);
    });
  }
}

void Lab::ping() {
  InnerPacket packet;
  packet.flow = kPingFlow;
  packet.kind = InnerKind::Ping;
  packet.bytes = 100;
  packet.sent = world_.now();
  near_.from_lan(packet);
  world_.after(kPingEvery, [this] { ping(); });
}

void Lab::tick() {
  far_.set_hold(near_.bond().hold_time());
  if (in_window_ && !sources_.empty()) {
    rtt_sum_ms_ += to_ms(sources_[0]->report().srtt);
    ++rtt_count_;
  }
  world_.after(5ms, [this] { tick(); });
}

void Lab::deliver(const InnerPacket& packet) {
  if (packet.kind == InnerKind::Ping) {
    if (in_window_) pings_.push_back(static_cast<float>(to_ms(world_.now() - packet.sent)));
    return;
  }
  if (in_window_) gap_any_ = std::max(gap_any_, world_.now() - last_delivery_);
  last_delivery_ = world_.now();
  sinks_[packet.flow]->on_data(packet);
}

void Lab::begin_window() {
  in_window_ = true;
  last_delivery_ = world_.now();
  far_.clear_depths();
  near_.clear_sojourns();
  for (const auto& sink : sinks_) sink->watch_gaps();
}

void Lab::set_watcher(Duration every, std::function<void(const Lab&, Time)> watcher) {
  watcher(*this, world_.now());
  world_.after(every, [this, every, watcher = std::move(watcher)] { set_watcher(every, watcher); });
}

double Lab::goodput(Side side, double from_s, double to_s) const {
  double segments = 0;
  for (std::size_t i = 0; i < sinks_.size(); ++i) {
    if ((scenario_.flows[i].beside >= 0) != (side == Side::Beside)) continue;
    const auto& bins = sinks_[i]->bins();
    const std::size_t end = std::min(bins.size(), static_cast<std::size_t>(to_s * 100));
    for (auto bin = static_cast<std::size_t>(from_s * 100); bin < end; ++bin) segments += bins[bin];
  }
  return segments * kMssBytes * 8 / (to_s - from_s) / 1e6;
}

/// Mean rate of all links over the window, net of inner headers.
double Lab::available() const {
  double sum = 0;
  for (std::size_t i = 0; i < scenario_.wans.size(); ++i) {
    double mbit = scenario_.wans[i].is_behind_first ? 0 : scenario_.wans[i].mbit, since = 0;
    const auto add = [&](double until) {
      sum +=
          mbit * std::max(0.0, std::min(until, scenario_.to_s) - std::max(since, scenario_.from_s));
      since = until;
    };
    for (const LinkChange& c : scenario_.changes) {
      if (c.wan != i) continue;
      add(c.at_s);
      mbit = c.mbit;
    }
    add(scenario_.to_s);
  }
  return sum / (scenario_.to_s - scenario_.from_s) * kMssBytes / kSegmentBytes;
}

Figures Lab::collect() const {
  Figures figures;
  figures.mbit = goodput(Side::Ours, scenario_.from_s, scenario_.to_s);
  figures.rival_mbit = goodput(Side::Beside, scenario_.from_s, scenario_.to_s);
  double base = 1e9;
  for (const WanSpec& wan : scenario_.wans) base = std::min(base, wan.delay_ms);
  figures.share = figures.mbit / available();
  figures.ping_base_ms = base;
  figures.ping50_ms = quantile(pings_, 0.5);
  figures.ping99_ms = quantile(pings_, 0.99);
  figures.depth99 = quantile(far_.depths(), 0.99);
  figures.depth_max = quantile(far_.depths(), 1.0);
  figures.gap_any_ms = to_ms(gap_any_);
  figures.rtt_ms = rtt_count_ == 0 ? 0 : rtt_sum_ms_ / static_cast<double>(rtt_count_);
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    const auto& report = sources_[i]->report();
    figures.gap_order_ms = std::max(figures.gap_order_ms, to_ms(sinks_[i]->gap_max()));
    figures.timeouts += report.timeouts;
    figures.recoveries += report.recoveries;
    figures.retransmits += report.retransmits;
    figures.finished_ms.push_back(
        sources_[i]->is_done() ? to_ms(report.finished - at_second(scenario_.flows[i].start_s))
                               : -1);
  }
  figures.repairs = near_.counters().repairs;
  figures.rescues = near_.counters().rescues;
  figures.suspicions = near_.counters().suspicions;
  figures.voids = near_.bond().queue().counters().voided;
  figures.marks = near_.bond().queue().counters().marked;
  figures.refused = near_.bond().queue().counters().refused;
  figures.skipped = far_.resequencer().counters().timeouts;
  double offered = 0, full = 0;
  for (const auto& pipe : forward_) {
    offered += static_cast<double>(pipe->counters().in_packets);
    full += static_cast<double>(
        pipe->counters().packets[static_cast<std::size_t>(LinkFate::QueueFull)]);
  }
  figures.link_loss = offered > 0 ? full / offered : 0;
  for (double s = 0; s + 1 <= scenario_.to_s; ++s)
    figures.per_second.push_back(goodput(Side::Ours, s, s + 1));
  return figures;
}

Figures Lab::run() {
  world_.run_until(at_second(scenario_.to_s));
  return collect();
}

}  // namespace wanbond::bond
