#include "core/held_acks.h"

#include <algorithm>
#include <cstring>
#include <tuple>
#include <utility>

#include "base/sequence.h"
#include "base/tcp_option.h"

namespace wanbond {
namespace {

constexpr Duration kForget = 2s;  // nothing is under way of a flow that was silent for so long
constexpr std::uint8_t kOptionSack = 5;

std::uint32_t tcp_u32(Bytes packet, const InnerPacket& inner, std::size_t at) noexcept {
  ByteReader reader(packet.subspan(inner.l4_offset + at, 4));
  return reader.u32_be();
}

}  // namespace

TcpRange tcp_range(const SuperPacket& super, std::uint32_t first, std::uint32_t count) noexcept {
  const InnerPacket& inner = super.inner();
  const auto step = static_cast<std::uint32_t>(super.segment_bytes(0) - inner.header_bytes());
  const auto payload = static_cast<std::uint32_t>(inner.payload_bytes());
  const std::uint32_t base = tcp_u32(super.packet(), inner, 4);
  return {base + first * step, base + std::min(payload, (first + count) * step)};
}

std::uint32_t newest_acknowledged(Bytes packet, const InnerPacket& inner) noexcept {
  std::uint32_t newest = tcp_u32(packet, inner, 8);
  TcpOptionReader options(packet.subspan(inner.l4_offset, inner.l4_header_bytes));
  while (const auto option = options.next()) {
    if (option->kind != kOptionSack) continue;
    ByteReader blocks(option->value);
    for (std::size_t i = 0; i < option->value.size() / 8; ++i) {
      blocks.skip(4);
      const std::uint32_t end = blocks.u32_be();
      if (serial_distance<32>(end, newest) > 0) newest = end;
    }
  }
  return newest;
}

bool HeldAcks::may_wait(const InnerPacket& inner) noexcept {
  const unsigned kind = inner.tcp_flags & (kTcpSyn | kTcpFin | kTcpRst | kTcpAck);
  return inner.is_tcp() && inner.payload_bytes() == 0 &&
         (kind == kTcpAck || kind == (kTcpSyn | kTcpAck));
}

HeldAcks::Noted* HeldAcks::find(std::uint16_t stream) noexcept {
  for (const auto& noted : flows_)
    if (noted != nullptr && noted->stream == stream) return noted.get();
  return nullptr;
}

void HeldAcks::on_sent(Time now, std::uint16_t stream, const TcpRange& range,
                       HoldFrom from) noexcept {
  Noted* noted = find(stream);
  const bool is_known = noted != nullptr && now - noted->used < kForget && from != HoldFrom::Start;
  if (!is_known) {
    auto place = std::find_if(flows_.begin(), flows_.end(), [&](const auto& flow) {
      return flow == nullptr || flow.get() == noted || now - flow->used >= kForget;
    });
    if (noted == nullptr && place == flows_.end()) return;
    if (noted == nullptr && *place == nullptr) *place = std::make_unique<Noted>();
    if (noted == nullptr) noted = place->get();
    *noted = Noted{.stream = stream, .used = now, .hold = AckHold(from)};
  }
  noted->used = now;
  noted_until_ = now + kForget;
  noted->hold.on_sent(now, range.begin, range.end);
}

/// For a heap that has what is due first in front.
bool HeldAcks::is_later(const Held& a, const Held& b) noexcept {
  return std::tie(a.due, a.number) > std::tie(b.due, b.number);
}

bool HeldAcks::hold(Time now, std::uint16_t stream, const Arrival& ack,
                    Duration round_trip) noexcept {
  now_ = now;
  Noted* noted = find(stream);
  if (noted == nullptr) return false;
  const Time due = noted->hold.release(now, ack.end, round_trip);
  if (due <= now && held_.empty()) return false;
  Packet packet = pool_.acquire_spare(ack.content.size());
  if (held_.size() >= kHeldMax || !packet.valid()) {
    ++counters_.overflows;
    release_all(now);
    if (!packet.valid()) packet = pool_.acquire(ack.content.size());
  }
  if (held_.capacity() == 0) held_.reserve(kHeldMax + 1);
  if (!packet.valid() || held_.size() > kHeldMax) return false;  // at least it is not lost
  packet.resize(ack.content.size());
  std::memcpy(packet.bytes().data(), ack.content.data(), ack.content.size());
  held_.push_back({due, number_++, stream, {std::move(packet), ack.flags, ack.note}});
  std::push_heap(held_.begin(), held_.end(), is_later);
  ++counters_.held;
  return true;
}

void HeldAcks::release(Time now, std::uint16_t stream) noexcept {
  now_ = now;
  bool is_changed = false;
  for (Held& held : held_) {
    if (held.stream != stream || held.due <= now) continue;
    held.due = now;
    is_changed = true;
  }
  if (is_changed) std::make_heap(held_.begin(), held_.end(), is_later);
}

void HeldAcks::release_all(Time now) noexcept {
  now_ = now;
  for (Held& held : held_) held.due = std::min(held.due, now);
  std::make_heap(held_.begin(), held_.end(), is_later);
}

std::optional<ReleasedPacket> HeldAcks::take() noexcept {
  if (held_.empty() || held_.front().due > now_) return {};
  std::pop_heap(held_.begin(), held_.end(), is_later);
  ReleasedPacket ack = std::move(held_.back().ack);
  held_.pop_back();
  return ack;
}

}  // namespace wanbond
