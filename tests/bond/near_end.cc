#include "tests/bond/near_end.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "sched/resequencer.h"

namespace wanbond::bond {
namespace {

constexpr Duration kHeartbeat = 20ms, kHeartbeatFast = 4ms, kLearning = 3s;
constexpr std::uint16_t kHeartbeatBytes = 80, kVoidBytes = 60;
constexpr Duration kWatch = 5ms;

}  // namespace

NearEnd::NearEnd(sim::World& world, std::size_t paths, Send send, Deliver deliver)
    : world_(world),
      send_(std::move(send)),
      deliver_(std::move(deliver)),
      path_count_(paths),
      paths_(paths) {}

void NearEnd::start() {
  for (std::size_t i = 0; i < path_count_; ++i) {
    bond_.on_path_up(world_.now(), static_cast<std::uint8_t>(i));
    heartbeat(static_cast<std::uint8_t>(i));
  }
  watch();
}

void NearEnd::transmit(std::uint8_t path, Datagram datagram) {
  datagram.path = path;
  datagram.number = paths_[path].next_number++;
  datagram.sent = world_.now();
  send_(path, datagram);
}

void NearEnd::log(std::uint8_t path, SentSegment segment) {
  Path& p = paths_[path];
  if (p.log.is_full_for(p.next_number))
    p.log.make_room(p.next_number, [&](const SentSegment& s) { settle(s); });
  p.log.push(world_.now(), p.next_number, segment);
}

void NearEnd::heartbeat(std::uint8_t path) {
  if (bond_.is_up(path)) {
    transmit(path, {.kind = DatagramKind::Heartbeat, .bytes = kHeartbeatBytes});
    const TrainSize train = saw_data_ ? TrainSize{} : bond_.take_train(world_.now(), path);
    const auto bytes = static_cast<std::uint16_t>(train.bytes_max + 28);  // IP and UDP
    for (unsigned i = 0; i < train.count; ++i)
      transmit(path, {.kind = DatagramKind::Train, .arrival = ArrivalKind::Probe, .bytes = bytes});
  }
  const bool learns = !saw_data_ && world_.now() < Time{1s} + kLearning;
  world_.after(learns ? kHeartbeatFast : kHeartbeat, [this, path] { heartbeat(path); });
}

void NearEnd::from_lan(const InnerPacket& packet) {
  saw_data_ = saw_data_ || packet.kind == InnerKind::Data;
  if (packet.kind == InnerKind::Ping) {
    const auto path = bond_.urgent_path();
    if (!path) return;
    Datagram datagram{.arrival = ArrivalKind::Plain, .bytes = packet.bytes};
    datagram.inner = packet;
    bond_.on_sent(world_.now(), *path, packet.bytes);
    log(*path, {.packet = SentSegment::kPlain});
    transmit(*path, datagram);
    return;
  }
  const auto number = static_cast<std::uint32_t>(kept_first_ + kept_.size());
  bond_.set_hold(packet.flow, hold_);
  const std::uint16_t bucket =
      packet.pinned < 0 ? packet.bucket
                        : bond_.pinned(static_cast<std::uint8_t>(packet.pinned), packet.bucket);
  if (const auto direct = bond_.pass(world_.now(), bucket, 1, packet.bytes)) {
    kept_.push_back({packet, next_sequence_[packet.flow]++});
    return send_grant({.run = {number, 0, 1, packet.bytes, packet.bytes},
                       .path = direct->path,
                       .flow = bucket,
                       .kind = direct->kind});
  }
  const SegmentRun run{number, 0, 1, packet.bytes, packet.bytes};
  const EcnCapable ecn = packet.is_ect ? EcnCapable::Yes : EcnCapable::No;
  if (!bond_.push(world_.now(), bucket, run, ecn)) return;
  kept_.push_back({packet, next_sequence_[packet.flow]++});
  pump();
}

void NearEnd::pump() {
  send_repairs();
  while (const auto grant = bond_.pull(world_.now())) send_grant(*grant);
  wake_at(bond_.next_timeout());
}

void NearEnd::wake_at(Time time) {
  if (time >= armed_) return;
  armed_ = time;
  const double late =
      lateness_ > Duration{}
          ? -std::log(1 - static_cast<double>(world_.random().below(1'000'000)) * 1e-6)
          : 0;
  world_.at(time + scaled(lateness_, late), [this, time] {
    if (armed_ != time) return;
    armed_ = kNever;
    pump();
  });
}

void NearEnd::send_grant(const Grant& grant) {
  sojourns_.push_back(static_cast<float>(to_ms(grant.sojourn)));
  Kept& packet = kept(grant.run.packet);
  Datagram datagram{.arrival = grant.kind, .flags = SequencedArrival::kOrdered};
  datagram.bytes = packet.inner.bytes;
  datagram.stream = static_cast<std::uint16_t>(packet.inner.flow + 1);
  datagram.sequence = packet.sequence & 0xff'ffff;
  if (packet.sequence == 0) datagram.flags |= SequencedArrival::kFirst;
  if (grant.verdict == QueueVerdict::Mark) packet.inner.is_ce = true;
  if (grant.verdict == QueueVerdict::Void) {
    datagram.kind = DatagramKind::Void;
    datagram.flags |= SequencedArrival::kVoid;
    datagram.bytes = kVoidBytes;
  }
  datagram.inner = packet.inner;
  SentSegment segment{.packet = grant.run.packet, .stream = datagram.stream};
  segment.sequence = datagram.sequence & 0xff'ffff;
  segment.flags = datagram.flags;
  log(grant.path, segment);
  holds_[packet.inner.flow].on_sent(world_.now(), packet.inner.segment * kMssBytes,
                                    (packet.inner.segment + 1) * kMssBytes);
  transmit(grant.path, datagram);
}

void NearEnd::from_wan(const InnerPacket& packet) {
  std::uint32_t end = packet.ack.cumulative;
  for (unsigned i = 0; i < packet.ack.block_count; ++i)
    end = std::max(end, packet.ack.blocks[i].end);
  const auto round_trip = bond_.held_round_trip(packet.flow);
  const Time due =
      holds_[packet.flow].release(world_.now(), end * kMssBytes, round_trip.value_or(Duration{}));
  if (due <= world_.now()) return deliver_(packet);
  world_.at(due, [this, packet] { deliver_(packet); });
}

void NearEnd::settle(const SentSegment& segment) {
  if (!segment.is_kept() || segment.packet < kept_first_) return;  // a copy came first
  kept(segment.packet).is_live = false;
  while (!kept_.empty() && !kept_.front().is_live) {
    kept_.pop_front();
    ++kept_first_;
  }
}

void NearEnd::send_again(const SentSegment& lost, std::uint8_t path) {
  const Kept& packet = kept(lost.packet);
  SentSegment segment = lost;
  segment.flags = lost.flags | SequencedArrival::kCopy;
  Datagram datagram{.arrival = ArrivalKind::Plain};
  datagram.flags = static_cast<std::uint8_t>(segment.flags);
  const bool is_void = (segment.flags & SequencedArrival::kVoid) != 0;
  datagram.kind = is_void ? DatagramKind::Void : DatagramKind::Data;
  datagram.bytes = is_void ? kVoidBytes : packet.inner.bytes;
  datagram.stream = segment.stream;
  datagram.sequence = segment.sequence;
  datagram.inner = packet.inner;
  bond_.on_sent(world_.now(), path, datagram.bytes);
  log(path, segment);
  transmit(path, datagram);
  ++counters_.repairs;
}

void NearEnd::send_repairs() {
  while (!repairs_.empty()) {
    if (!repairs_.front().is_kept() || repairs_.front().packet < kept_first_ ||
        !kept(repairs_.front().packet).is_live) {
      repairs_.pop_front();
      continue;
    }
    const auto plan = bond_.repair_path(world_.now());
    if (!plan) return;
    if (plan->at > world_.now()) return wake_at(plan->at);
    const SentSegment segment = repairs_.front();
    repairs_.pop_front();
    send_again(segment, plan->path);
  }
}

void NearEnd::on_reports(std::uint8_t via, const std::vector<PathReport>& reports) {
  const Time now = world_.now();
  bond_.on_heard(now, via, now.time_since_epoch() - reports.front().written);
  for (const PathReport& report : reports) on_report(report);
  pump();
}

void NearEnd::on_report(const PathReport& report) {
  Path& path = paths_[report.path];
  if (report.number <= path.report_number) return;
  path.report_number = report.number;
  const Time now = world_.now();
  for (const NumberRange& range : report.received)
    path.log.on_acknowledged(now, range, [&](const SentSegment& segment) { settle(segment); });
  const Duration patience = 2ms + bond_.model(report.path).spread();
  path.log.find_lost(now, patience, [&](const SentSegment& segment) { lose(segment); });
  if (!report.received.empty() && report.received.front().last > path.acknowledged_largest) {
    path.acknowledged_largest = report.received.front().last;
    if (bond_.is_suspended(report.path)) bond_.resume(now, report.path);
  }
  bond_.on_report(now, {.path = report.path,
                        .written = report.written,
                        .slots = report.slots,
                        .train = report.train,
                        .largest = report.received.empty() ? 0 : report.received.front().last,
                        .packets = report.packets,
                        .in_flight = path.log.live_count()});
  copy_late(report.path);
}

/// Copies what stands in a queue that the path should not have.
void NearEnd::copy_late(std::uint8_t path) {
  const auto behind = bond_.late_behind(world_.now(), path);
  if (!behind) return;
  double ahead = 0, budget = 30 * kSegmentBytes;
  paths_[path].log.look_at([&](SentSegment& segment) {
    if (!segment.is_kept() || segment.packet < kept_first_) return true;
    const std::uint16_t bytes = kept(segment.packet).inner.bytes;
    ahead += bytes;
    if (ahead <= *behind || (segment.flags & SequencedArrival::kCopy) != 0) return true;
    lose(segment);
    segment.flags = (segment.flags | SequencedArrival::kCopy) & 0xff;
    bond_.on_rescue(path, bytes);
    ++counters_.rescues;
    budget -= bytes;
    return budget > 0;
  });
}

/// Everything under way on `path` goes again over others, in the order of its first sending.
void NearEnd::rescue(std::uint8_t path) {
  const auto middle = static_cast<std::ptrdiff_t>(repairs_.size());
  paths_[path].log.take_all([&](const SentSegment& segment) {
    ++counters_.rescues;
    lose(segment);
  });
  std::inplace_merge(
      repairs_.begin(), repairs_.begin() + middle, repairs_.end(),
      [](const SentSegment& a, const SentSegment& b) { return a.packet < b.packet; });
}

void NearEnd::watch() {
  const Time now = world_.now();
  for (std::size_t i = 0; i < path_count_; ++i) {
    const auto id = static_cast<std::uint8_t>(i);
    Path& path = paths_[i];
    if (path.log.next_timeout() <= now)
      path.log.find_lost(now, 2ms + bond_.model(id).spread(),
                         [&](const SentSegment& segment) { lose(segment); });
    if (!bond_.is_up(id) || bond_.is_suspended(id) || path.log.live_count() == 0) continue;
    if (!bond_.is_suspect(now, id, path.log.oldest_sent())) continue;
    ++counters_.suspicions;
    bond_.suspend(now, id);
    rescue(id);
  }
  pump();
  world_.after(kWatch, [this] { watch(); });
}

void NearEnd::on_down(std::uint8_t path) {
  bond_.on_path_down(world_.now(), path);
  rescue(path);
  pump();
}

void NearEnd::on_up(std::uint8_t path) {
  bond_.on_path_up(world_.now(), path);
  pump();
}

}  // namespace wanbond::bond
