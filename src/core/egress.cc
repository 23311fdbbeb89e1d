#include "core/egress.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "proto/limits.h"
#include "proto/wire.h"

namespace wanbond {
namespace {

// One UDP_SEGMENT send: what kernels from 4.18 on take, and what fits one UDP datagram of IPv6.
constexpr std::uint32_t kTrainCountMax = 64;
constexpr std::size_t kTrainBytesMax = 65'000;
constexpr std::size_t kControlPacketBytes = 1500;

}  // namespace

std::uint64_t Egress::send(Time now, const SuperPacket& super, Path& path,
                           std::size_t payload_bytes_max, Outbox& out) noexcept {
  const std::uint32_t count = super.segment_count();
  if (super.segment_bytes_max() + kDataOverheadBytes > payload_bytes_max) {
    drops_.add(DropReason::TooBig, count);
    return 0;
  }
  const std::uint8_t tos = outer_class(super.inner().traffic_class, ecn_);
  if (open_.to != path.address() || open_.tos != tos) flush(out);
  std::uint32_t sent = 0;
  std::uint64_t bytes = 0;
  for (; sent < count; ++sent) {
    const std::size_t size = super.segment_bytes(sent) + kDataOverheadBytes;
    if (!may_join(size) && !begin_train(path, size, out)) {
      drops_.add(DropReason::NoBuffer, count - sent);
      break;
    }
    open_.tos = tos;
    const std::size_t sealed = append(now, super, sent, path);
    if (sealed == 0) {
      drops_.add(DropReason::Expired, count - sent);
      break;
    }
    bytes += sealed;
    // A shorter one ends a train (UDP_SEGMENT), and so does what the next one would not fit into.
    if (sealed < open_.segments.segment_bytes || !may_join(sealed)) flush(out);
  }
  if (sent == 0) return 0;
  path.on_data_sent(now, sent, bytes);
  return bytes - sent * kDataOverheadBytes;
}

bool Egress::may_join(std::size_t bytes) const noexcept {
  const Segments& train = open_.segments;
  return train.buffer.valid() && bytes <= train.segment_bytes && open_.count < kTrainCountMax &&
         bytes <= train.buffer.tailroom() && train.buffer.size() + bytes <= kTrainBytesMax;
}

bool Egress::begin_train(const Path& path, std::size_t bytes, Outbox& out) noexcept {
  flush(out);
  Packet buffer = pool_.acquire(kTrainBytesMax);
  if (!buffer.valid()) buffer = pool_.acquire(bytes);  // room for one is better than none
  if (!buffer.valid()) return false;
  open_ = {path.address(), 0, {std::move(buffer), static_cast<std::uint32_t>(bytes)}, 0};
  return true;
}

void Egress::flush(Outbox& out) noexcept {
  if (!open_.segments.buffer.valid()) return;
  OpenTrain train = std::exchange(open_, OpenTrain{});
  if (train.count == 0) return;
  if (!out.transmit(
          {train.to.socket, train.to.remote, train.to.local, train.tos, std::move(train.segments)}))
    drops_.add(DropReason::QueueFull, train.count);
}

std::size_t Egress::append(Time now, const SuperPacket& super, std::uint32_t index,
                           const Path& path) noexcept {
  auto number = keyring_.take_number(now, path.id());
  if (!number) return 0;
  Packet& buffer = open_.segments.buffer;
  const std::size_t before = buffer.size();
  const std::size_t size = super.segment_bytes(index) + kDataOverheadBytes;
  buffer.resize(before + size);
  const MutableBytes place = buffer.bytes().subspan(before);
  ByteWriter writer(place);
  write_header(writer, {MessageType::Data, Cid{number->cid()}, number->number()});
  const bool partial = super.checksum() == Checksum::Partial;
  write_data_fields(
      writer, {.stamp = wire_stamp(now), .flags = partial ? kDataPartialSum : std::uint8_t{0}});
  const std::size_t head = writer.size();
  const std::size_t inner = super.write_segment(index, Checksum::Partial, place.subspan(head));
  const std::size_t text = head - kClearHeaderBytes + inner;
  const bool sealed = keyring_.seal(
      std::move(*number), place.first(kClearHeaderBytes), place.subspan(kClearHeaderBytes, text),
      Tag(place.subspan(kClearHeaderBytes + text).first<kTagBytes>()));
  check(sealed && kClearHeaderBytes + text + kTagBytes == size);  // the number is of a living epoch
  ++open_.count;
  return size;
}

void send_plain(const PathAddress& to, Bytes message, PacketPool& pool, DropCounters& drops,
                Outbox& out) noexcept {
  Segments datagram{pool.acquire(message.size()), static_cast<std::uint32_t>(message.size())};
  if (!datagram.buffer.valid()) return drops.add(DropReason::NoBuffer);
  datagram.buffer.resize(message.size());
  std::copy(message.begin(), message.end(), datagram.buffer.bytes().begin());
  if (!out.transmit({to.socket, to.remote, to.local, 0, std::move(datagram)}))
    drops.add(DropReason::QueueFull);
}

void Egress::send_control(Time now, const ControlPlan& plan, Path& path, Outbox& out) noexcept {
  flush(out);
  auto number = keyring_.take_number(now, path.id());
  if (!number) return;
  const std::size_t packet_bytes = std::max(kControlPacketBytes, plan.padded_bytes);
  Segments datagram{pool_.acquire(packet_bytes), 0};
  if (!datagram.buffer.valid()) return drops_.add(DropReason::NoBuffer);
  datagram.buffer.resize(packet_bytes);
  const MutableBytes place = datagram.buffer.bytes();
  ByteWriter header(place);
  write_header(header, {MessageType::Ctrl, Cid{number->cid()}, number->number()});
  const std::size_t room = packet_bytes - kClearHeaderBytes - kTagBytes;
  FrameWriter writer(place.subspan(kClearHeaderBytes, room), wire_stamp(now));
  for (const Frame& frame : plan.frames) (void)writer.push(frame);  // eight of 26 bytes fit
  const std::size_t around = kClearHeaderBytes + kTagBytes;
  const std::size_t padded = plan.padded_bytes > around ? plan.padded_bytes - around : 0;
  const MutableBytes text = writer.finish(std::min(padded, room));
  const std::size_t size = around + text.size();
  const Tag tag(place.subspan(kClearHeaderBytes + text.size()).first<kTagBytes>());
  if (!keyring_.seal(std::move(*number), place.first(kClearHeaderBytes), text, tag)) return;
  datagram.buffer.resize(size);
  datagram.segment_bytes = static_cast<std::uint32_t>(size);
  path.on_control_sent(size);
  if (!out.transmit({plan.to.socket, plan.to.remote, plan.to.local, 0, std::move(datagram)}))
    drops_.add(DropReason::QueueFull);
}

}  // namespace wanbond
