#include "core/egress.h"

#include <algorithm>

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
  const std::size_t stride = super.segment_bytes_max() + kDataOverheadBytes;
  if (stride > payload_bytes_max) {
    drops_.add(DropReason::TooBig, super.segment_count());
    return 0;
  }
  const auto fit = static_cast<std::uint32_t>(kTrainBytesMax / stride);
  const std::uint32_t per_train = std::min(kTrainCountMax, std::max(fit, 1u));
  std::uint64_t bytes = 0;
  for (std::uint32_t i = 0; i < super.segment_count(); i += per_train)
    bytes += send_train(now, super, i, std::min(per_train, super.segment_count() - i), path, out);
  return bytes;
}

std::uint64_t Egress::send_train(Time now, const SuperPacket& super, std::uint32_t first,
                                 std::uint32_t count, Path& path, Outbox& out) noexcept {
  const std::size_t stride = super.segment_bytes_max() + kDataOverheadBytes;
  Segments train{pool_.acquire(stride * count), static_cast<std::uint32_t>(stride)};
  if (!train.buffer.valid()) {
    drops_.add(DropReason::NoBuffer, count);
    return 0;
  }
  train.buffer.resize(stride * count);
  std::size_t used = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    const MutableBytes place = train.buffer.bytes().subspan(used, stride);
    const std::size_t sealed = seal_segment(now, super, first + i, path.id(), place);
    if (sealed == 0) {
      drops_.add(DropReason::Expired, count - i);
      break;
    }
    used += sealed;
  }
  if (used == 0) return 0;
  train.buffer.resize(used);
  const auto packets = static_cast<std::uint32_t>(train.count());
  path.on_data_sent(now, packets, used);
  const PathAddress& to = path.address();
  if (!out.transmit({to.socket, to.remote, to.local, 0, std::move(train)})) {
    drops_.add(DropReason::QueueFull, packets);
    return 0;
  }
  return used - packets * kDataOverheadBytes;
}

std::size_t Egress::seal_segment(Time now, const SuperPacket& super, std::uint32_t index,
                                 PathId path, MutableBytes place) noexcept {
  auto number = keyring_.take_number(now, path);
  if (!number) return 0;
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
  return sealed ? kClearHeaderBytes + text + kTagBytes : 0;
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
  auto number = keyring_.take_number(now, path.id());
  if (!number) return;
  Segments datagram{pool_.acquire(kControlPacketBytes), 0};
  if (!datagram.buffer.valid()) return drops_.add(DropReason::NoBuffer);
  datagram.buffer.resize(kControlPacketBytes);
  const MutableBytes place = datagram.buffer.bytes();
  ByteWriter header(place);
  write_header(header, {MessageType::Ctrl, Cid{number->cid()}, number->number()});
  const std::size_t room = kControlPacketBytes - kClearHeaderBytes - kTagBytes;
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
