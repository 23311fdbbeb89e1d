#include "tests/bond/far_end.h"

#include <algorithm>
#include <cstring>
#include <type_traits>
#include <utility>

namespace wanbond::bond {
namespace {

static_assert(std::is_trivially_copyable_v<InnerPacket>);
constexpr ReportHabits kHabits;
constexpr Duration kClockOffset = 123'456'789us;  // of this gateway's clock
constexpr Duration kStampUnit{32'768};            // of the wire (protocol 1.5)
constexpr std::uint64_t kFastBytesPerSecond = 12'500'000;
constexpr Duration kSilence = 45ms;
constexpr std::uint16_t kReportBytes = 120;

Duration stamped(Duration time) { return time / kStampUnit * kStampUnit; }

}  // namespace

FarEnd::FarEnd(sim::World& world, std::size_t paths, Send send, Deliver deliver)
    : world_(world),
      send_(std::move(send)),
      deliver_(std::move(deliver)),
      pool_(128 << 20),
      resequencer_(pool_),
      paths_(paths) {}

void FarEnd::start() { report(); }

Duration FarEnd::clock() const noexcept {
  return stamped(world_.now().time_since_epoch() + kClockOffset);
}

void FarEnd::from_wan(const Datagram& datagram) {
  Path& path = paths_[datagram.path];
  path.heard = world_.now();
  ++path.packets;
  const Duration delay = clock() - stamped(datagram.sent.time_since_epoch());
  path.delay_least = std::min(path.delay_least, delay);
  path.slots.on_packet({clock(), delay, datagram.bytes, datagram.arrival});
  if (datagram.kind == DatagramKind::Train) path.train.on_packet(clock(), datagram.bytes);
  const auto place = path.received.on_number(datagram.number);
  if (place == ReceivedNumbers::Place::Gap && world_.now() - gap_reported_ > 1ms) {
    gap_reported_ = world_.now();
    report_at(world_.now() + kHabits.after_gap);
  }
  bytes_since_ += datagram.bytes;
  if (datagram.kind == DatagramKind::Data && datagram.stream == 0) deliver_(datagram.inner);
  if (datagram.stream != 0) take_ordered(datagram);
  if (datagram.kind != DatagramKind::Heartbeat)
    report_at(reported_ + (is_fast_ ? kHabits.fast : kHabits.busy));
}

void FarEnd::take_ordered(const Datagram& datagram) {
  SequencedArrival arrival{datagram.stream, datagram.sequence, datagram.flags, 0, {}};
  if (datagram.kind == DatagramKind::Data)
    arrival.content = std::as_bytes(std::span(&datagram.inner, 1));
  const auto verdict = resequencer_.push(world_.now(), arrival);
  if (verdict == Resequencer::Verdict::Pass) deliver_(datagram.inner);
  deliver_released();
  depths_.push_back(static_cast<std::uint16_t>(resequencer_.held_count()));
  watch_holes();
}

void FarEnd::deliver_released() {
  while (const auto released = resequencer_.take_released()) {
    InnerPacket inner;
    std::memcpy(&inner, released->packet.bytes().data(), sizeof inner);
    deliver_(inner);
  }
}

void FarEnd::watch_holes() {
  const Time due = resequencer_.next_timeout();
  if (due >= hole_armed_) return;
  hole_armed_ = due;
  world_.at(due, [this, due] {
    if (hole_armed_ != due) return;
    hole_armed_ = kNever;
    resequencer_.on_timer(world_.now());
    deliver_released();
    watch_holes();
  });
}

void FarEnd::report_at(Time time) {
  if (time >= report_due_) return;
  report_due_ = time;
  world_.at(time, [this, time] {
    if (report_due_ == time) report();
  });
}

/// `except` is left out; kBondPathsMax leaves out none.
std::uint8_t FarEnd::fastest(std::size_t except) const {
  std::size_t best = 0;
  Duration least = Duration::max();
  for (std::size_t i = 0; i < paths_.size(); ++i) {
    const bool is_silent = world_.now() - paths_[i].heard > kSilence;
    if (i == except || !paths_[i].is_up || is_silent || paths_[i].delay_least >= least) continue;
    least = paths_[i].delay_least;
    best = i;
  }
  return static_cast<std::uint8_t>(best);
}

/// All reports over the two fastest paths, so that the failure of one does not hide what arrived,
/// and each over its own.
void FarEnd::report() {
  report_due_ = kNever;
  reported_ = world_.now();
  if (world_.now() - rate_since_ > 100ms) {
    is_fast_ = bytes_since_ * 10 > kFastBytesPerSecond;
    bytes_since_ = 0;
    rate_since_ = world_.now();
  }
  std::vector<PathReport> all;
  for (std::size_t i = 0; i < paths_.size(); ++i) {
    Path& path = paths_[i];
    const auto slots = path.slots.report(clock());
    const auto ranges = path.received.ranges();
    all.push_back({.path = static_cast<std::uint8_t>(i),
                   .number = ++path.report_number,
                   .written = clock(),
                   .received = {ranges.begin(), ranges.end()},
                   .packets = path.packets,
                   .slots = {slots.begin(), slots.end()},
                   .train = path.train.report()});
  }
  const std::uint8_t first = fastest(kBondPathsMax), second = fastest(first);
  for (std::size_t i = 0; i < paths_.size(); ++i) {
    const auto id = static_cast<std::uint8_t>(i);
    if (!paths_[i].is_up) continue;
    Datagram datagram{.kind = DatagramKind::Report, .path = id, .bytes = kReportBytes};
    datagram.reports = std::make_shared<const std::vector<PathReport>>(
        id == first || id == second ? all : std::vector<PathReport>{all[i]});
    send_(id, datagram);
  }
  report_at(world_.now() + kHabits.idle);
}

void FarEnd::from_lan(const InnerPacket& packet) {
  Datagram datagram{.path = fastest(kBondPathsMax), .bytes = packet.bytes};
  datagram.inner = packet;
  send_(datagram.path, datagram);
}

}  // namespace wanbond::bond
