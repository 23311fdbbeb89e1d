#include "tests/sim/tcp_sender.h"

#include <algorithm>
#include <cstdlib>

#include "tests/sim/tcp_receiver.h"

namespace wanbond::sim {
namespace {

constexpr Duration kTimeoutMin = 200ms;
constexpr Duration kTimeoutMax = 60s;
constexpr Duration kTimeoutFirst = 1s;
constexpr unsigned kDuplicates = 3;

}  // namespace

TcpSender::TcpSender(World& world, Lan& lan, const Settings& settings)
    : world_(world), lan_(lan), settings_(settings), cubic_(settings.mss_bytes) {
  lan.listen(kProtocolTcp, settings.who.from.port,
             [this](const ParsedPacket& packet) { receive(packet); });
  lan.listen_too_big(settings.who.from.port,
                     [this](std::size_t mtu_bytes) { on_too_big(mtu_bytes); });
}

void TcpSender::start() {
  lan_.send(
      make_tcp(settings_.who, {wrap_sequence(0) - 1, 0, kTcpSyn, settings_.mss_bytes, {}}, {}));
  deadline_ = world_.now() + timeout();
  arm();
}

void TcpSender::receive(const ParsedPacket& packet) {
  if (is_done()) return;
  if (established_) return on_acknowledgement(packet);
  if ((packet.tcp.flags & kTcpSyn) == 0) return;
  established_ = true;
  backoff_ = 0;
  deadline_ = kNever;
  if (packet.tcp.mss_bytes != 0)
    settings_.mss_bytes = std::min(settings_.mss_bytes, packet.tcp.mss_bytes);
  send_what_fits();
}

// As Linux: what is larger than the new size was lost and goes out again in smaller segments.
void TcpSender::on_too_big(std::size_t mtu_bytes) {
  const std::size_t headers = settings_.who.from.address.is_v4() ? 40 : 60;
  const auto mss = static_cast<std::uint16_t>(mtu_bytes - headers);
  if (is_done() || mss >= settings_.mss_bytes) return;
  settings_.mss_bytes = mss;
  ++report_.too_big;
  std::deque<Segment> cut;
  for (const Segment& segment : segments_) {
    if (segment.bytes > mss && segment.in_flight()) in_flight_ -= segment.bytes;
    for (std::uint32_t at = 0; at < segment.bytes; at += mss) {
      cut.push_back(segment);
      if (segment.bytes <= mss) break;
      cut.back().start += at;
      cut.back().bytes = std::min<std::uint32_t>(mss, segment.bytes - at);
      cut.back().lost = !segment.sacked;
    }
  }
  segments_ = std::move(cut);
  send_what_fits();
}

void TcpSender::on_acknowledgement(const ParsedPacket& packet) {
  const std::uint64_t offset =
      unwrap_sequence(packet.tcp.acknowledgement, report_.acknowledged_bytes);
  const bool window_limited = in_flight_ + settings_.mss_bytes > cubic_.window_bytes();
  const std::uint64_t acked = take_acknowledged(offset);
  for (const SackBlock& block : packet.tcp.sacks) take_sack(block);
  if (find_losses() && report_.acknowledged_bytes >= recovery_until_) {
    recovery_until_ = next_;
    ++report_.recoveries;
    cubic_.on_loss();
  }
  if (acked > 0) {
    backoff_ = 0;
    deadline_ = segments_.empty() ? kNever : world_.now() + timeout();
    if (window_limited && report_.acknowledged_bytes >= recovery_until_)
      cubic_.on_ack(world_.now(), acked, report_.srtt);
  }
  if (report_.acknowledged_bytes == settings_.bytes) {
    report_.finished = world_.now();
    deadline_ = kNever;
    return;
  }
  send_what_fits();
}

std::uint64_t TcpSender::take_acknowledged(std::uint64_t offset) {
  if (offset <= report_.acknowledged_bytes || offset > next_) return 0;
  const std::uint64_t acked = offset - report_.acknowledged_bytes;
  report_.acknowledged_bytes = offset;
  while (!segments_.empty() && segments_.front().end() <= offset) {
    const Segment segment = segments_.front();
    segments_.pop_front();
    if (segment.in_flight()) in_flight_ -= segment.bytes;
    if (!segment.sacked) note_delivery(segment);
  }
  return acked;
}

void TcpSender::take_sack(const SackBlock& block) {
  const std::uint64_t left = unwrap_sequence(block.left, report_.acknowledged_bytes);
  const std::uint64_t right = unwrap_sequence(block.right, report_.acknowledged_bytes);
  auto segment = std::lower_bound(segments_.begin(), segments_.end(), left,
                                  [](const Segment& s, std::uint64_t at) { return s.start < at; });
  for (; segment != segments_.end() && segment->end() <= right; ++segment) {
    if (segment->sacked) continue;
    if (segment->in_flight()) in_flight_ -= segment->bytes;
    segment->sacked = true;
    segment->lost = false;
    note_delivery(*segment);
  }
}

// Round-trip time only from what was sent once (Karn).
void TcpSender::note_delivery(const Segment& segment) {
  if (segment.retransmitted && world_.now() - segment.sent < report_.srtt / 2) return;
  newest_delivered_ = std::max(newest_delivered_, segment.sent);
  if (!segment.retransmitted) measure(world_.now() - segment.sent);
}

bool TcpSender::find_losses() {
  unsigned sacked_above = 0;
  bool found = false;
  const Duration reordering = report_.srtt / 4;
  for (auto segment = segments_.rbegin(); segment != segments_.rend(); ++segment) {
    if (segment->sacked) ++sacked_above;
    if (!segment->in_flight() || sacked_above == 0) continue;
    const bool overtaken = newest_delivered_ > segment->sent + reordering;
    if (!overtaken && (segment->retransmitted || sacked_above < kDuplicates)) continue;
    segment->lost = true;
    in_flight_ -= segment->bytes;
    found = true;
  }
  return found;
}

void TcpSender::send_what_fits() {
  while (in_flight_ + settings_.mss_bytes <= cubic_.window_bytes() || in_flight_ == 0) {
    if (!retransmit_one() && !send_new()) break;
  }
  arm();
}

bool TcpSender::retransmit_one() {
  for (Segment& segment : segments_) {
    if (!segment.lost) continue;
    segment.lost = false;
    segment.retransmitted = true;
    segment.sent = world_.now();
    in_flight_ += segment.bytes;
    ++report_.retransmits;
    transmit(segment);
    return true;
  }
  return false;
}

bool TcpSender::send_new() {
  const std::uint64_t limit =
      std::min(settings_.bytes, report_.acknowledged_bytes + settings_.window_bytes_max);
  if (next_ >= limit) return false;
  const auto bytes = static_cast<std::uint32_t>(
      std::min<std::uint64_t>(settings_.mss_bytes, settings_.bytes - next_));
  segments_.push_back({next_, bytes, world_.now()});
  next_ += bytes;
  in_flight_ += bytes;
  transmit(segments_.back());
  return true;
}

void TcpSender::transmit(const Segment& segment) {
  ByteString payload(segment.bytes);
  for (std::uint32_t i = 0; i < segment.bytes; ++i) payload[i] = stream_byte(segment.start + i);
  const TcpHeader header{wrap_sequence(segment.start), wrap_sequence(0), kTcpAck, 0, {}};
  if (deadline_ == kNever) deadline_ = world_.now() + timeout();
  lan_.send(make_tcp(settings_.who, header, payload));
}

void TcpSender::measure(Duration rtt) {
  if (report_.srtt == Duration{}) {
    report_.srtt = rtt;
    rttvar_ = rtt / 2;
    return;
  }
  const Duration error = report_.srtt > rtt ? report_.srtt - rtt : rtt - report_.srtt;
  rttvar_ = (3 * rttvar_ + error) / 4;
  report_.srtt = (7 * report_.srtt + rtt) / 8;
}

Duration TcpSender::timeout() const noexcept {
  const Duration base = report_.srtt == Duration{}
                            ? kTimeoutFirst
                            : report_.srtt + std::max(kTimeoutMin, 4 * rttvar_);
  return std::min(kTimeoutMax, base * (1 << std::min(backoff_, 8U)));
}

void TcpSender::arm() {
  if (deadline_ >= armed_) return;
  armed_ = deadline_;
  world_.at(deadline_, [this, at = deadline_] {
    if (armed_ != at) return;  // an earlier one has taken over
    armed_ = kNever;
    on_timer();
  });
}

void TcpSender::on_timer() {
  if (deadline_ == kNever || is_done()) return;
  if (world_.now() < deadline_) return arm();
  ++backoff_;
  if (!established_) return start();
  ++report_.timeouts;
  cubic_.on_timeout();
  recovery_until_ = next_;
  for (Segment& segment : segments_)
    if (!segment.sacked) segment.lost = true;
  in_flight_ = 0;
  deadline_ = world_.now() + timeout();
  send_what_fits();
}

}  // namespace wanbond::sim
