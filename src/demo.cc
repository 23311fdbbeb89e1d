#include "demo.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "io/io.h"
#include "io/random.h"
#include "io/service.h"

namespace wanbond {
namespace {

constexpr Duration kLookPace = 200ms;
constexpr Duration kPathsLimit = 15s;
constexpr Duration kEndLimit = 15s;  // for the last bytes, after the end

Error missing_rights(const Error& error) {
  if (::geteuid() != 0)
    return Error{
        "the demo makes network namespaces and TUN devices, which only root may: sudo "
        "wanbond demo"};
  return Error{error.message +
               "; in a container, root needs --cap-add=SYS_ADMIN --cap-add=NET_ADMIN "
               "--device=/dev/net/tun, or --privileged"};
}

Result<void> check_tun() {
  if (::access("/dev/net/tun", F_OK) == 0) return {};
  return Error{
      "there is no /dev/net/tun; cure: modprobe tun; in a container, start it with "
      "--device=/dev/net/tun"};
}

std::string states_text(const std::vector<DemoPath>& paths) {
  std::string text;
  for (const DemoPath& path : paths) text += " " + path.wan + " " + path.state;
  return text.empty() ? " no answer" : text;
}

std::string wan_text(const DemoWan& wan) {
  char text[96];
  std::snprintf(text, sizeof(text), "WAN %s: RTT %d ms, %d Mbit/s, %.1f %% loss", wan.name,
                static_cast<int>(wan.rtt / 1ms), static_cast<int>(wan.rate_mbps),
                wan.loss_ppm / 1e4);
  return text;
}

/// The WAN that a site's flows use now.
std::string selected_wan(const std::vector<DemoPath>& paths) {
  const auto found =
      std::find_if(paths.begin(), paths.end(), [](const DemoPath& path) { return path.selected; });
  return found == paths.end() ? kDemoWans.front().name : found->wan;
}

}  // namespace

Result<Demo> Demo::make(const DemoFolder& folder, DemoScreen& screen, Fd signals) {
  auto branch = Netns::make();
  if (!branch) return missing_rights(branch.error());
  auto hq = Netns::make();
  if (!hq) return missing_rights(hq.error());
  if (auto there = check_tun(); !there) return there.error();
  return Demo(folder, screen, std::move(signals),
              {Site{.netns = std::move(*branch)}, Site{.netns = std::move(*hq)}});
}

Result<DemoFacts> Demo::run(Duration duration) {
  DemoFacts facts;
  if (auto done = start_sites(); !done) return done.error();
  if (auto done = wait_for_paths(); !done) return done.error();
  if (auto done = run_traffic(duration, facts); !done) return done.error();
  if (auto done = compare_files(facts); !done) return done.error();
  evaluate(facts);
  return facts;
}

Result<void> Demo::start_sites() {
  auto wans = DemoWans::start(sites_[kBranch].netns, sites_[kHq].netns);
  if (!wans) return wans.error();
  wans_.emplace(std::move(*wans));
  for (const DemoWan& wan : kDemoWans) screen_.say({}, wan_text(wan));
  KernelRandom random;
  if (auto done = write_demo_configs(folder_, random); !done) return done;
  for (const SiteIndex i : {kHq, kBranch}) {
    auto node = DemoNode::start(folder_, i == kHq ? kDemoHq : kDemoBranch, sites_[i].netns);
    if (!node) return node.error();
    sites_[i].node.emplace(std::move(*node));
  }
  return {};
}

Result<void> Demo::wait_for_paths() {
  const auto is_ready = [](const Site& site) {
    return site.state.size() == kDemoWans.size() &&
           std::all_of(site.state.begin(), site.state.end(),
                       [](const DemoPath& path) { return path.state == "up"; });
  };
  const Time limit = monotonic_now() + kPathsLimit;
  while (!is_ready(sites_[kBranch]) || !is_ready(sites_[kHq])) {
    if (monotonic_now() > limit)
      return Error{
          "not all paths came up within 15 s; branch:" + states_text(sites_[kBranch].state) +
          "; hq:" + states_text(sites_[kHq].state) + "; --keep keeps the logs"};
    if (auto done = work_until(monotonic_now() + kLookPace / 4); !done) return done;
  }
  return {};
}

Result<void> Demo::run_traffic(Duration duration, DemoFacts& facts) {
  facts.began = monotonic_now();
  const Time end = facts.began + duration;
  screen_.start_clock(facts.began);
  keep_snapshot();
  auto traffic = DemoTraffic::start({.folder = &folder_,
                                     .branch = &sites_[kBranch].netns,
                                     .hq = &sites_[kHq].netns,
                                     .begin = facts.began,
                                     .end = end});
  if (!traffic) return traffic.error();
  traffic_.emplace(std::move(*traffic));
  screen_.say(facts.began, "a file goes from hq to branch over TCP, voice over UDP the other way");
  if (auto done = work_until(facts.began + duration * 35 / 100); !done) return done;

  facts.wan = selected_wan(sites_[kHq].state);
  keep_snapshot();
  const auto cut = wans_->cut(facts.wan);
  if (!cut) return cut.error();
  facts.cut_at = *cut;
  screen_.say(*cut, "WAN " + facts.wan + " is cut silently: its devices stay up");
  if (auto done = work_until(facts.began + duration * 65 / 100); !done) return done;

  keep_snapshot();
  const auto restored = wans_->restore(facts.wan);
  if (!restored) return restored.error();
  facts.restored_at = *restored;
  screen_.say(*restored, "WAN " + facts.wan + " is back");
  while (!traffic_->is_complete()) {
    if (monotonic_now() > end + kEndLimit)
      return Error{"the file has not arrived 15 s after its end was sent"};
    if (auto done = work_until(monotonic_now() + kLookPace); !done) return done;
  }
  keep_snapshot();
  return {};
}

Result<void> Demo::work_until(Time until) {
  do {
    if (auto done = turn(until); !done) return done;
  } while (monotonic_now() < until);
  return {};
}

/// Waits for the next thing to do, at most until `until`, and does it.
Result<void> Demo::turn(Time until) {
  std::vector<pollfd> waiting{{.fd = signals_.get(), .events = POLLIN, .revents = 0}};
  for (const Site& site : sites_)
    waiting.push_back({.fd = site.node->events_fd(), .events = POLLIN, .revents = 0});
  const Duration left = std::min(until, next_look_) - monotonic_now();
  const auto milliseconds = std::chrono::ceil<std::chrono::milliseconds>(left).count();
  (void)::poll(waiting.data(), waiting.size(),
               static_cast<int>(std::clamp<std::int64_t>(milliseconds, 0, kLookPace / 1ms)));
  if (take_signal(signals_.get()) != 0) return Error{"interrupted"};
  for (Site& site : sites_)
    if (auto taken = take_events(site); !taken) return taken;
  if (monotonic_now() < next_look_) return {};
  next_look_ = monotonic_now() + kLookPace;
  if (traffic_) {
    if (auto taken = traffic_->take_samples(); !taken) return taken;
  }
  look();
  return {};
}

Result<void> Demo::take_events(Site& site) {
  auto events = site.node->take_events();
  if (!events) return events.error();
  for (DemoEvent& event : *events) {
    if (event.kind == "path_state" || event.kind == "path_selected")
      screen_.say(event.at, site.node->name() + ": " + event.text);
    site.events.push_back(std::move(event));
  }
  return {};
}

/// Asks both nodes for their state, and shows it.
void Demo::look() {
  for (Site& site : sites_) site.state = site.node->state();
  DemoView view{.now = monotonic_now(), .branch = sites_[kBranch].state, .hq = sites_[kHq].state};
  if (traffic_) {
    view.file = traffic_->tcp_receiver.history().latest();
    view.packets = traffic_->udp_receiver.history().latest();
  }
  screen_.draw(view);
}

void Demo::keep_snapshot() {
  snapshots_.push_back({sites_[kBranch].node->state(), sites_[kHq].node->state()});
}

}  // namespace wanbond
