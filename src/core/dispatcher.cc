#include "core/dispatcher.h"

#include <algorithm>
#include <utility>

#include "proto/feedback_block.h"
#include "proto/limits.h"
#include "proto/wire.h"

namespace wanbond {
namespace {

// So long flows are still paced when the other paths fail: what they had under way over two must
// not flood the buffer of one.
constexpr Duration kPacedAlone = 60s;

std::uint32_t number_of(const Flow& flow) noexcept {
  return flow.stream(FlowTrack::Data) / kFlowTrackCount;
}

/// Of a flow that takes all paths. Flows are numbered by sets of eight, of which mostly the first
/// place is taken: multiplied (Knuth 6.4), their numbers fill all buckets.
std::uint16_t shared_bucket(const Flow& flow) noexcept {
  return static_cast<std::uint16_t>((number_of(flow) * 0x9e37'79b1U >> 16) % BondQueue::kFlowsMax);
}

EcnCapable ecn_of(const InnerPacket& inner) noexcept {
  const Ecn ecn{inner.ecn()};
  return ecn == Ecn::Ect0 || ecn == Ecn::Ect1 ? EcnCapable::Yes : EcnCapable::No;
}

}  // namespace

Path* Dispatcher::path_at(std::uint8_t index) const noexcept {
  return path_of_[index] ? control_.find(*path_of_[index]) : nullptr;
}

Dispatcher::Membership Dispatcher::membership(const PathView& view,
                                              const PathView& best) const noexcept {
  if (view.usability == Usability::Never || view.rank != best.rank) return Membership::Out;
  if (view.usability != Usability::LastResort)
    return view.usability == best.usability ? Membership::In : Membership::Out;
  // What is suspect stays where it was: it may only be silent for a moment.
  const bool stays = best.usability == view.usability || is_in(index_of_[view.id.value]);
  return stays ? Membership::Suspended : Membership::Out;
}

/// An index that no path has, else that of a path that is gone or away.
std::uint8_t Dispatcher::take_index(PathId path) noexcept {
  std::uint8_t found = kNone;
  for (std::uint8_t i = 0; i < kBondPathsMax && found == kNone; ++i)
    if (!path_of_[i]) found = i;
  for (std::uint8_t i = 0; i < kBondPathsMax && found == kNone; ++i)
    if (!bond_->is_up(i)) found = i;
  if (found == kNone) return kNone;
  if (path_of_[found]) index_of_[path_of_[found]->value] = kNone;
  path_of_[found] = path;
  index_of_[path.value] = found;
  return found;
}

void Dispatcher::set(Time now, const Path& path, Membership wanted) noexcept {
  std::uint8_t index = index_of_[path.id().value];
  if (wanted == Membership::Out) {
    if (is_in(index)) bond_->on_path_down(now, index);
    if (index != kNone) doubted_[index].reset();
    return;
  }
  if (!is_in(index)) {
    if (index == kNone) index = take_index(path.id());
    if (index == kNone) return;  // eight others are in use
    bond_->on_path_up(now, index);
    reported_[index] = Duration::min();
    sent_bytes_[index] = path.counters().tx_bytes;
    doubted_[index].reset();
  }
  if (wanted == Membership::In && doubted_[index]) wanted = Membership::Suspended;
  const bool is_suspended = bond_->is_suspended(index);
  if (wanted == Membership::Suspended && !is_suspended) bond_->suspend(now, index);
  if (wanted == Membership::In && is_suspended) bond_->resume(now, index);
}

void Dispatcher::update(Time now) noexcept {
  PathView best{.rank = ~0U};
  unsigned equals = 0;
  for (const auto& path : control_.paths()) {
    const PathView view = path->view(now, FlowCare::Repaired);
    const bool is_equal = view.usability == best.usability && view.rank == best.rank;
    const bool is_better = view.usability > best.usability ||
                           (view.usability == best.usability && view.rank < best.rank);
    if (is_better) best = view;
    equals = is_better ? 1 : equals + (is_equal ? 1 : 0);
  }
  if (bond_ == nullptr) {
    if (equals < 2 || best.usability != Usability::Usable) return;
    bond_ = std::make_unique<Bond>();
  }
  for (const auto& path : control_.paths())
    set(now, *path, membership(path->view(now, FlowCare::Repaired), best));
  const std::size_t count = std::exchange(count_, 0);
  for (std::uint8_t i = 0; i < kBondPathsMax; ++i) {
    if (bond_->is_up(i) && path_at(i) == nullptr) bond_->on_path_down(now, i);  // it was removed
    if (bond_->is_up(i)) ++count_;
  }
  if (count_ != count) acks_.release_all(now);
  if (count_ >= 2) divided_at_ = now;
  is_active_ = has_queue() || (count_ > 0 && now - divided_at_ < kPacedAlone);
}

std::optional<std::uint16_t> Dispatcher::bucket_of(const Flow& flow,
                                                   const Path* pinned) const noexcept {
  if (pinned == nullptr) return shared_bucket(flow);
  const std::uint8_t index = index_of_[pinned->id().value];
  if (!is_in(index)) return {};
  const auto& connection = flow.mptcp().connection;
  constexpr std::uint32_t kConnection = 1U << 31;  // connections and flows are numbered apart
  return bond_->pinned(index, connection ? kConnection + connection->value : number_of(flow));
}

std::optional<SentCount> Dispatcher::pass(Time now, std::uint16_t bucket, const SuperPacket& super,
                                          const Marking& marking, Outbox& out) noexcept {
  const std::uint32_t count = super.segment_count();
  const std::size_t bytes = (count - 1) * (super.segment_bytes(0) + kDataOverheadBytes) +
                            super.segment_bytes(count - 1) + kDataOverheadBytes;
  const auto grant = bond_->pass(now, bucket, count, static_cast<std::uint32_t>(bytes));
  if (!grant) return {};
  Path* path = path_at(grant->path);
  if (path == nullptr) return {};  // update() was called: it is there
  Marking mark = marking;
  if (grant->kind == ArrivalKind::Backlogged) mark.flags |= kDataBacklogged;
  const std::uint64_t before = path->counters().tx_bytes;
  const SendPath route{*path, egress_.payload_bytes_max(*path)};
  const SentCount sent = egress_.send(now, super, route, mark, out);
  note_held(now, bucket, super, mark);
  sent_bytes_[grant->path] += path->counters().tx_bytes - before;
  return sent;
}

bool Dispatcher::push(Time now, std::uint16_t bucket, const SuperPacket& super, Packet packet,
                      const Marking& marking) noexcept {
  // What waits must not cost what is under way its repair.
  if (packet.is_scarce() && !bond_->queue().empty()) return false;
  const std::uint32_t count = super.segment_count();
  const auto size_of = [&](std::uint32_t index) {
    return static_cast<std::uint16_t>(super.segment_bytes(index) + kDataOverheadBytes);
  };
  const SegmentRun run{.packet = retained_.next_number(),
                       .first = 0,
                       .count = static_cast<std::uint16_t>(count),
                       .segment_bytes = size_of(0),
                       .last_bytes = size_of(count - 1)};
  if (!bond_->push(now, bucket, run, ecn_of(super.inner()))) return false;
  retained_.keep(now, std::move(packet), count,
                 {.stream = marking.stream, .flags = marking.flags, .sequence = marking.sequence});
  return true;
}

void Dispatcher::pump(Time now, Outbox& out) noexcept {
  if (bond_ == nullptr) return;
  note_others(now);
  send_trains(now, out);
  if (!bond_->queue().empty())
    while (const auto grant = bond_->pull(now)) send(now, *grant, out);
  note_sent();
}

/// Repairs, acknowledgements, UDP and control took their share of the paths without being asked.
void Dispatcher::note_others(Time now) noexcept {
  for (std::uint8_t i = 0; bond_ != nullptr && i < kBondPathsMax; ++i) {
    const Path* path = bond_->is_up(i) ? path_at(i) : nullptr;
    if (path == nullptr) continue;
    const std::uint64_t others = path->counters().tx_bytes - sent_bytes_[i];
    sent_bytes_[i] += others;
    if (others > 0) bond_->on_sent(now, i, static_cast<std::uint32_t>(others));
  }
}

void Dispatcher::note_sent() noexcept {
  for (std::uint8_t i = 0; i < kBondPathsMax; ++i) {
    const Path* path = bond_->is_up(i) ? path_at(i) : nullptr;
    if (path != nullptr) sent_bytes_[i] = path->counters().tx_bytes;
  }
}

void Dispatcher::send(Time now, const Grant& grant, Outbox& out) noexcept {
  Path* path = path_at(grant.path);
  if (path == nullptr) return;  // update() was called: it is there
  const SegmentRun& run = grant.run;
  const StreamPlace place = retained_.place_of(run.packet);
  Marking marking{.stream = place.stream,
                  .sequence = place.sequence + run.first,
                  .flags = place.flags,
                  .kept = run.packet};
  const Packet* packet = retained_.find(run.packet);
  if (grant.verdict == QueueVerdict::Void || packet == nullptr)
    return give_up(now, run, marking, *path, out);
  if (grant.kind == ArrivalKind::Backlogged) marking.flags |= kDataBacklogged;
  if (grant.verdict == QueueVerdict::Mark) marking.is_marked = true;
  marking.first = run.first;
  marking.count = run.count;
  const auto super = SuperPacket::parse(packet->bytes());
  const SendPath route{*path, egress_.payload_bytes_max(*path)};
  const SentCount sent = egress_.send(now, *super, route, marking, out);
  note_held(now, grant.flow, *super, marking);
  if (sent.segments == run.count) return;
  marking.sequence += sent.segments;
  SegmentRun rest = run;
  rest.count = static_cast<std::uint16_t>(run.count - sent.segments);
  give_up(now, rest, marking, *path, out);
}

BulkPath Dispatcher::bulk_path(const Path& path) const noexcept {
  const auto index = is_active_ ? index_of(path) : std::nullopt;
  if (!index || !bond_->model(*index).is_known() || bond_->model(*index).outruns_us()) return {};
  return {bond_->rate(*index).capacity(), bond_->model(*index).is_busy()};
}

void Dispatcher::set_hold(const Flow& flow, FlowHold hold) noexcept {
  if (bond_ != nullptr) bond_->set_hold(shared_bucket(flow), hold);
}

Duration Dispatcher::held_round_trip(const Flow& flow) const noexcept {
  if (!is_active_) return {};
  return bond_->held_round_trip(shared_bucket(flow)).value_or(Duration{});
}

void Dispatcher::note_held(Time now, std::uint16_t bucket, const SuperPacket& super,
                           const Marking& marking) noexcept {
  if (!super.inner().is_tcp() || !bond_->held_round_trip(bucket)) return;
  const bool is_first = (super.inner().tcp_flags & kTcpSyn) != 0;
  const std::uint32_t count = std::min(marking.count, super.segment_count() - marking.first);
  acks_.on_sent(now, marking.stream, tcp_range(super, marking.first, count),
                is_first ? HoldFrom::Start : HoldFrom::Midst);
}

/// Their numbers will not come: nobody is to wait for them.
void Dispatcher::give_up(Time now, const SegmentRun& run, const Marking& marking, Path& path,
                         Outbox& out) noexcept {
  Marking mark = marking;
  for (std::uint16_t i = 0; i < run.count; ++i, ++mark.sequence) {
    egress_.send_void(now, mark, path, out);
    retained_.release(run.packet);
  }
}

void Dispatcher::send_trains(Time now, Outbox& out) noexcept {
  if (count_ < 2 || !bond_->queue().empty()) return;
  for (std::uint8_t i = 0; i < kBondPathsMax; ++i) {
    if (!bond_->is_up(i)) continue;
    Path* path = path_at(i);
    const TrainSize train = bond_->take_train(now, i);
    const RateController& rate = bond_->rate(i);
    const bool is_wanted = rate.is_starting() || bond_->model(i).is_jittery();
    if (path == nullptr || train.count == 0 || !is_wanted) continue;
    const std::size_t bytes =
        std::min<std::size_t>(train.bytes_max, egress_.payload_bytes_max(*path));
    egress_.send_train(now, *path, {.count = train.count, .bytes = bytes}, out);
  }
}

void Dispatcher::on_heard(Time now, const Path& via, const StampedAt& stamped) noexcept {
  written_ = clock_.on_stamp(stamped.at, stamped.stamp);
  if (bond_ == nullptr) return;
  if (const auto index = index_of(via))
    bond_->on_heard(now, *index, stamped.at.time_since_epoch() - written_);
}

void Dispatcher::on_report(Time now, const Path& path, const FeedbackFrame& report) noexcept {
  const auto index = index_of(path);
  if (bond_ == nullptr || !index || written_ <= reported_[*index]) return;  // a copy, or overtaken
  reported_[*index] = written_;
  largest_[*index] = report.largest_packet_number;
  if (doubted_[*index] && report.largest_packet_number != *doubted_[*index])
    doubted_[*index].reset();  // update() resumes it
  FixedVector<SlotReport, kReportedSlotsMax> slots;
  for (const WireSlot& wire : slots_of(report)) (void)slots.push(clock_.slot(wire));
  const auto train = train_of(report);
  bond_->on_report(now, {.path = *index,
                         .written = written_,
                         .slots = {slots.begin(), slots.size()},
                         .train = train ? clock_.train(*train) : TrainReport{},
                         .largest = report.largest_packet_number,
                         .packets = report.packet_count,
                         .in_flight = path.sent_log().live_count()});
}

RepairPolicy Dispatcher::repair_policy() const noexcept {
  if (!is_active_) return RepairPolicy::Careful;
  const auto ranks = bond_->look_ahead().ranks();
  const bool is_ours = !ranks.empty() && bond_->model(ranks.front().path).outruns_us();
  return is_ours ? RepairPolicy::Careful : RepairPolicy::Unlimited;
}

Time Dispatcher::repair_at(Time now) const noexcept {
  const auto plan = is_active() ? bond_->repair_path(now) : std::nullopt;
  return plan ? plan->at : now;
}

void Dispatcher::doubt(Time now, const Path& path) noexcept {
  const auto index = is_divided() ? index_of(path) : std::nullopt;
  if (!index || !bond_->is_up(*index) || bond_->is_suspended(*index) ||
      !bond_->is_suspect(now, *index, path.sent_log().oldest_sent()))
    return;
  for (std::uint8_t i = 0; i < kBondPathsMax; ++i) {
    if (i == *index || !bond_->is_up(i) || bond_->is_suspended(i) || bond_->is_silent(now, i))
      continue;
    doubted_[*index] = largest_[*index];
    return bond_->suspend(now, *index);
  }
}

Path* Dispatcher::repair_path(Time now) const noexcept {
  if (!is_active()) return nullptr;
  const auto plan = bond_->repair_path(now);
  return plan ? path_at(plan->path) : nullptr;
}

std::size_t Dispatcher::payload_bytes_max() const noexcept {
  std::size_t least = kUdpPayloadBytesMax;
  for (std::uint8_t i = 0; i < kBondPathsMax; ++i) {
    const Path* path = bond_->is_up(i) ? path_at(i) : nullptr;
    if (path != nullptr) least = std::min(least, egress_.payload_bytes_max(*path));
  }
  return least;
}

std::uint64_t Dispatcher::busy_paths() const noexcept {
  std::uint64_t busy = 0;
  for (std::uint8_t i = 0; is_active_ && i < kBondPathsMax; ++i) {
    const PathModel& model = bond_->model(i);
    const bool is_busy = (model.is_busy() || model.is_backlogged()) && !model.outruns_us();
    if (bond_->is_up(i) && path_of_[i] && is_busy) busy |= std::uint64_t{1} << path_of_[i]->value;
  }
  return busy;
}

BondStatus Dispatcher::status(const Path& path) const noexcept {
  using State = BondStatus::State;
  BondStatus status;
  const auto index = index_of(path);
  if (!is_active_) return status;
  status.state = State::Out;
  if (!index) return status;
  const auto bits = [](BytesPerSecond rate) { return static_cast<std::uint64_t>(8 * rate); };
  const auto ppm = [](double share) { return static_cast<std::uint32_t>(1e6 * share); };
  const RateController& rate = bond_->rate(*index);
  const PathModel& model = bond_->model(*index);
  status.capacity_bits = model.is_known() ? bits(rate.capacity()) : 0;
  status.loss_ppm = ppm(model.loss_long());
  if (!bond_->is_up(*index)) return status;
  status.state = bond_->cross_traffic().is_competing(*index) ? State::Competing : State::In;
  if (bond_->is_suspended(*index)) status.state = State::Suspended;
  status.rate_bits = bits(rate.rate());
  status.queue = model.queue();
  status.share_ppm = ppm(rate.capacity() / bond_->capacity());
  return status;
}

}  // namespace wanbond
