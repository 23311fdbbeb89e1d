#include "show.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <chrono>

#include "version.h"

namespace wanbond {
namespace {

constexpr const char* kGreen = "\033[32m";
constexpr const char* kYellow = "\033[33m";
constexpr const char* kRed = "\033[31m";
constexpr const char* kPlain = "\033[0m";

/// `text` padded to `width` and then coloured, so that escapes do not count as columns.
std::string paint(std::string_view text, std::size_t width, const char* colour, Colours colours) {
  const std::string padded = fmt::format("{:<{}}", text, width);
  return colours == Colours::On ? colour + padded + kPlain : padded;
}

const char* colour_of(PathState state) {
  switch (state) {
    case PathState::Up:
      return kGreen;
    case PathState::Candidate:
    case PathState::Validating:
    case PathState::Suspect:
      return kYellow;
    case PathState::Down:
      return kRed;
  }
  return kPlain;
}

/// "1.2 GB".
std::string bytes_text(std::uint64_t bytes) {
  constexpr std::array<const char*, 5> kUnits{"B", "kB", "MB", "GB", "TB"};
  auto amount = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (amount >= 1000 && unit + 1 < kUnits.size()) {
    amount /= 1000;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", amount, kUnits[unit]);
}

/// "3 h 5 min".
std::string time_text(Duration time) {
  const auto s = std::chrono::duration_cast<std::chrono::seconds>(time).count();
  if (s < 60) return fmt::format("{} s", s);
  if (s < 3600) return fmt::format("{} min {} s", s / 60, s % 60);
  if (s < 86400) return fmt::format("{} h {} min", s / 3600, s / 60 % 60);
  return fmt::format("{} d {} h", s / 86400, s / 3600 % 24);
}

std::string ms_text(Duration time) {
  return time == Duration::zero() ? "-" : fmt::format("{:.1f} ms", to_ms(time));
}

/// What a path takes, or why it does not; empty where its state says it all.
std::string use_line(const PathStatus& path) {
  using State = BondStatus::State;
  using Why = PathUse::Why;
  const BondStatus& bond = path.bond;
  const Why why = path.use.why;
  if (why == Why::Down || why == Why::Unproven) return "";
  if (why != Why::Used) return "  not used: " + use_text(path.use);
  if (bond.state != State::In && bond.state != State::Competing) return "";
  return fmt::format("  {:.0f} % of the bond: {:.1f} Mbit/s, queue {:.1f} ms{}",
                     bond.share_ppm / 1e4, static_cast<double>(bond.capacity_bits) / 1e6,
                     to_ms(bond.queue), bond.state == State::Competing ? " (shares its link)" : "");
}

std::string path_line(const PathStatus& path, std::size_t width, Colours colours) {
  std::string line = fmt::format(
      "  {} {:<{}} {} {:>9} {:>6.2f} % {:>7.1f} Mbit/s  tx {:>9}  rx {:>9}",
      path.selected ? '*' : ' ', path.name, width,
      paint(to_string(path.state), 10, colour_of(path.state), colours), ms_text(path.rtt),
      path.loss_ppm / 1e4, static_cast<double>(path.rate.bits_per_second) / 1e6,
      bytes_text(path.tx_bytes), bytes_text(path.rx_bytes));
  line += use_line(path);
  if (path.downs > 0)
    line += fmt::format("  {} down{}, last: {}", path.downs, path.downs == 1 ? "" : "s",
                        to_string(path.last_down_cause));
  return line + "\n";
}

std::string peer_block(const PeerStatus& peer, Colours colours) {
  std::string text =
      fmt::format("\npeer {}: {}  {}\n", peer.name,
                  paint(peer.up ? "up" : "down", 0, peer.up ? kGreen : kRed, colours),
                  peer.public_key.to_text());
  text += peer.has_keys ? fmt::format("  {}, handshake {} ago, sent {}, received {}\n",
                                      cipher_name(peer.cipher), time_text(peer.handshake_age),
                                      bytes_text(peer.tx_bytes), bytes_text(peer.rx_bytes))
                        : "  no keys yet\n";
  std::size_t width = 4;
  for (const PathStatus& path : peer.paths) width = std::max(width, path.name.size());
  for (const PathStatus& path : peer.paths) text += path_line(path, width, colours);
  return text;
}

/// "rule voip (duplicate): 3 flows, 120 packets, 24.0 kB".
std::string rule_lines(const InstanceStatus& status) {
  std::string text;
  for (const RuleStatus& rule : status.node.rules)
    text += fmt::format("{}rule {} ({}): {} flow{}, {} packets, {}\n", text.empty() ? "\n" : "",
                        rule.name, to_string(rule.mode), rule.total.flows,
                        rule.total.flows == 1 ? "" : "s", rule.total.packets,
                        bytes_text(rule.total.bytes));
  return text;
}

}  // namespace

std::string status_table(const InstanceStatus& status, Colours colours) {
  std::string text = fmt::format("{}: device {} mtu {}, {}, {}, up for {}, wanbond {}\n",
                                 status.name, status.device, status.mtu, status.io,
                                 status.cipher_backend, time_text(status.uptime), kVersion);
  for (const PeerStatus& peer : status.node.peers) text += peer_block(peer, colours);
  text += rule_lines(status);
  std::string drops;
  for (std::size_t i = 0; i < kDropReasonCount; ++i) {
    const auto reason = static_cast<DropReason>(i);
    if (status.node.drops.of(reason) > 0)
      drops += fmt::format("  {} {}", to_string(reason), status.node.drops.of(reason));
  }
  if (!drops.empty()) text += "\ndropped:" + drops + "\n";
  return text;
}

}  // namespace wanbond
