#include "lab/link_model.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace wanbond {
namespace {

constexpr double kTwoPi = 6.283185307179586;
constexpr double kNormalCut = 4.0;        // sigmas; the reach of netem's table
constexpr double kExponentialCut = 20.0;  // means; one in 5e8 is beyond

Duration scale(Duration duration, double factor) noexcept {
  return Duration(std::llround(static_cast<double>(duration.count()) * factor));
}

// Orders a heap so that its top is the earliest, and the first that entered among equals.
constexpr auto kLater = [](const auto& a, const auto& b) noexcept {
  return a.due != b.due ? a.due > b.due : a.number > b.number;
};

}  // namespace

const char* to_string(LinkFate fate) noexcept {
  switch (fate) {
    case LinkFate::Delivered:
      return "delivered";
    case LinkFate::Outage:
      return "outage";
    case LinkFate::TooBig:
      return "too_big";
    case LinkFate::Lost:
      return "lost";
    case LinkFate::QueueFull:
      return "queue_full";
  }
  return "";
}

LinkModel::LinkModel(const LinkSettings& settings, std::uint64_t seed)
    : settings_(settings), random_state_(seed) {}

void LinkModel::set(Time now, const LinkSettings& settings) {
  advance(now);
  const std::uint64_t old_rate = settings_.rate.bits_per_second;
  const std::uint64_t new_rate = settings.rate.bits_per_second;
  settings_ = settings;
  if (settings.state == LinkState::Cut) return discard_all(now);
  if (queue_.empty() || old_rate == new_rate) return;
  const double slower =
      new_rate == 0 ? 0.0 : static_cast<double>(old_rate) / static_cast<double>(new_rate);
  head_done_ = now + scale(head_done_ - now, slower);
  advance(now);
}

LinkFate LinkModel::push(Time now, LinkPacket packet) {
  advance(now);
  ++counters_.in_packets;
  counters_.in_bytes += packet.size_bytes;
  if (settings_.state == LinkState::Cut) return refuse(LinkFate::Outage, packet);
  if (settings_.mtu_bytes != 0 && packet.size_bytes > settings_.mtu_bytes)
    return refuse(LinkFate::TooBig, packet);
  const bool netem = settings_.semantics == LinkSemantics::Netem;
  if (netem && draw_loss()) return refuse(LinkFate::Lost, packet);
  if (!queue_has_room(packet)) return refuse(LinkFate::QueueFull, packet);
  if (netem) {
    push_netem(now, packet);
    return LinkFate::Delivered;
  }
  if (queue_.empty()) head_done_ = now + line_time(packet);
  queue_.push_back(packet);
  queue_bytes_ += packet.size_bytes;
  advance(now);
  return LinkFate::Delivered;
}

std::optional<LinkDeparture> LinkModel::pop_due(Time now) {
  advance(now);
  if (!discarded_.empty()) {
    const LinkDeparture departure = discarded_.front();
    discarded_.pop_front();
    return departure;
  }
  if (pipe_.empty() || pipe_.front().due > now) return std::nullopt;
  const Travelling first = pipe_.front();
  std::pop_heap(pipe_.begin(), pipe_.end(), kLater);
  pipe_.pop_back();
  pipe_bytes_ -= first.packet.size_bytes;
  return depart(first.packet, LinkFate::Delivered, first.due);
}

Time LinkModel::next_timeout() const noexcept {
  if (!discarded_.empty()) return discarded_.front().due;
  Time next = pipe_.empty() ? kNever : pipe_.front().due;
  if (!queue_.empty()) next = std::min(next, head_done_ + least_delay());
  return next;
}

std::size_t LinkModel::queue_packets() const noexcept {
  return settings_.semantics == LinkSemantics::Netem ? queue_.size() + pipe_.size() : queue_.size();
}

std::uint64_t LinkModel::queue_bytes() const noexcept {
  const std::uint64_t overhead = queue_packets() * settings_.overhead_bytes;
  if (settings_.semantics != LinkSemantics::Netem) return queue_bytes_ + overhead;
  return queue_bytes_ + pipe_bytes_ + overhead;
}

// SplitMix64 (Steele, Lea, Flood 2014): small, and good enough for loss and jitter.
std::uint64_t LinkModel::random() noexcept {
  random_state_ += 0x9e3779b97f4a7c15;
  std::uint64_t z = random_state_;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

// In (0, 1]: its logarithm is finite.
double LinkModel::uniform() noexcept { return static_cast<double>((random() >> 11) + 1) * 0x1p-53; }

bool LinkModel::chance(std::uint32_t ppm) noexcept {
  return ppm != 0 && random() % 1'000'000 < ppm;
}

// A packet meets the state that the one before left behind (netem's gemodel, Gilbert's case).
bool LinkModel::draw_loss() noexcept {
  const bool lost = burst_;
  if (settings_.burst_begin_ppm == 0)
    burst_ = false;
  else
    burst_ = burst_ ? !chance(settings_.burst_end_ppm) : chance(settings_.burst_begin_ppm);
  return chance(settings_.loss_ppm) || lost;
}

// May be negative: each semantics has its own way with that.
Duration LinkModel::draw_delay() noexcept {
  if (settings_.jitter == Duration{0}) return settings_.delay;
  const double u = uniform();
  if (settings_.jitter_kind == LinkJitter::Exponential)
    return settings_.delay + scale(settings_.jitter, std::min(-std::log(u), kExponentialCut));
  const double normal = std::sqrt(-2.0 * std::log(u)) * std::cos(kTwoPi * uniform());
  return settings_.delay + scale(settings_.jitter, std::clamp(normal, -kNormalCut, kNormalCut));
}

Duration LinkModel::least_delay() const noexcept {
  if (settings_.jitter_kind == LinkJitter::Exponential) return settings_.delay;
  return std::max(Duration{0}, settings_.delay - scale(settings_.jitter, kNormalCut));
}

std::uint64_t LinkModel::line_bytes(LinkPacket packet) const noexcept {
  return std::uint64_t{packet.size_bytes} + settings_.overhead_bytes;
}

Duration LinkModel::line_time(LinkPacket packet) const noexcept {
  const std::uint64_t rate = settings_.rate.bits_per_second;
  if (rate == 0) return Duration{0};
  return Duration(static_cast<Duration::rep>(line_bytes(packet) * 8'000'000'000 / rate));
}

// An empty link takes any packet, so that a limit below one packet does not close it.
bool LinkModel::queue_has_room(LinkPacket packet) const noexcept {
  const std::size_t packets = queue_packets();
  if (packets == 0) return true;
  if (settings_.queue_packets_max != 0 && packets >= settings_.queue_packets_max) return false;
  return settings_.queue_bytes_max == 0 ||
         queue_bytes() + line_bytes(packet) <= settings_.queue_bytes_max;
}

LinkFate LinkModel::refuse(LinkFate fate, LinkPacket packet) noexcept {
  return depart(packet, fate, Time{}).fate;
}

// netem_enqueue() of sch_netem.c: with a rate, the last packet in the link is the reference, and
// the time that this one waits for it counts towards its delay.
void LinkModel::push_netem(Time now, LinkPacket packet) {
  Duration delay = draw_delay();
  Time from = now;
  if (settings_.rate.bits_per_second != 0) {
    if (!pipe_.empty()) {
      delay = std::max(Duration{0}, delay - (last_due_ - now));
      from = last_due_;
    }
    delay += line_time(packet);
  }
  travel(std::max(now, from + delay), packet);
}

// Sends what the line has finished by `now`; its times do not depend on when this is called.
void LinkModel::advance(Time now) {
  while (!queue_.empty() && head_done_ <= now) finish_head();
}

void LinkModel::finish_head() {
  const LinkPacket packet = queue_.front();
  const Time sent = head_done_;
  queue_.pop_front();
  queue_bytes_ -= packet.size_bytes;
  if (!queue_.empty()) head_done_ = sent + line_time(queue_.front());
  if (draw_loss()) {
    discarded_.push_back(depart(packet, LinkFate::Lost, sent));
    return;
  }
  Time due = sent + std::max(Duration{0}, draw_delay());
  if (settings_.order == LinkOrder::Kept && !pipe_.empty()) due = std::max(due, last_due_);
  travel(due, packet);
}

void LinkModel::travel(Time due, LinkPacket packet) {
  last_due_ = pipe_.empty() ? due : std::max(due, last_due_);
  pipe_.push_back({due, entered_++, packet});
  std::push_heap(pipe_.begin(), pipe_.end(), kLater);
  pipe_bytes_ += packet.size_bytes;
}

void LinkModel::discard_all(Time now) {
  const auto discard = [&](LinkPacket packet) {
    discarded_.push_back(depart(packet, LinkFate::Outage, now));
  };
  std::sort(pipe_.begin(), pipe_.end(),
            [](const Travelling& a, const Travelling& b) { return a.number < b.number; });
  for (const Travelling& t : pipe_) discard(t.packet);
  for (const LinkPacket& packet : queue_) discard(packet);
  pipe_.clear();
  queue_.clear();
  pipe_bytes_ = queue_bytes_ = 0;
}

LinkDeparture LinkModel::depart(LinkPacket packet, LinkFate fate, Time due) noexcept {
  ++counters_.packets[static_cast<std::size_t>(fate)];
  counters_.bytes[static_cast<std::size_t>(fate)] += packet.size_bytes;
  return {packet, fate, due};
}

}  // namespace wanbond
