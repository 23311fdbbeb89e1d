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
constexpr std::uint8_t kVoidTos = 0;  // outer traffic class of what carries no packet
// Of DATA, before the inner packet.
constexpr std::size_t kDataHeadBytes = kClearHeaderBytes + kDataFieldsBytes;

void write_data(Time now, MutableBytes datagram, const SendNumber& number, const Marking& marking,
                Checksum checksum) noexcept {
  ByteWriter writer(datagram);
  write_header(writer, {MessageType::Data, Cid{number.cid()}, number.number()});
  const bool partial = checksum == Checksum::Partial;
  const auto flags =
      static_cast<std::uint8_t>(marking.flags | (partial ? kDataPartialSum : std::uint8_t{0}));
  write_data_fields(writer, {wire_stamp(now), marking.stream, marking.sequence, flags});
}

bool seal(Keyring& keyring, SendNumber number, MutableBytes datagram) noexcept {
  const std::size_t text = datagram.size() - kClearHeaderBytes - kTagBytes;
  return keyring.seal(std::move(number), datagram.first(kClearHeaderBytes),
                      datagram.subspan(kClearHeaderBytes, text), Tag(datagram.last<kTagBytes>()));
}

}  // namespace

SentCount Egress::send(Time now, const SuperPacket& super, const SendPath& route,
                       const Marking& marking, Outbox& out) noexcept {
  SentCount sent;
  const std::uint32_t count = std::min(marking.count, super.segment_count() - marking.first);
  if (super.segment_bytes_max() + kDataOverheadBytes > route.payload_bytes_max) {
    drops_.add(DropReason::TooBig, count);
    return sent;
  }
  std::uint64_t bytes = 0;
  Marking mark = marking;
  for (; sent.segments < count; ++sent.segments, ++mark.sequence) {
    const std::size_t added = add(now, super, marking.first + sent.segments, route.path, mark, out);
    if (added == 0) break;
    bytes += added;
  }
  if (sent.segments < count) drops_.add(DropReason::NoBuffer, count - sent.segments);
  if (sent.segments == 0) return sent;
  route.path.on_data_sent(now, sent.segments, bytes);
  sent.bytes = bytes - sent.segments * kDataOverheadBytes;
  return sent;
}

bool Egress::send_segment(Time now, const SuperPacket& super, std::uint32_t index,
                          const SendPath& route, const Marking& marking, Outbox& out) noexcept {
  const std::size_t bytes = super.segment_bytes(index) + kDataOverheadBytes;
  const bool fits = bytes <= route.payload_bytes_max;
  if (!fits || add(now, super, index, route.path, marking, out) == 0) {
    drops_.add(fits ? DropReason::NoBuffer : DropReason::TooBig);
    return false;
  }
  route.path.on_data_sent(now, 1, bytes);
  return true;
}

std::size_t Egress::add(Time now, const SuperPacket& super, std::uint32_t index, Path& path,
                        const Marking& marking, Outbox& out) noexcept {
  const std::size_t size = super.segment_bytes(index) + kDataOverheadBytes;
  std::uint8_t tos = outer_class(super.inner().traffic_class, ecn_);
  if (marking.is_marked && ecn_ == EcnMode::Normal) tos |= static_cast<std::uint8_t>(Ecn::Ce);
  OpenTrain* train = open_for(path, size, tos, out);
  if (train == nullptr || append(now, super, index, path, marking, *train) == 0) return 0;
  if (is_complete(*train, size)) close(*train, out);
  return size;
}

Egress::OpenTrain* Egress::open_for(const Path& path, std::size_t bytes, std::uint8_t tos,
                                    Outbox& out) noexcept {
  OpenTrain& train = place_for(path.address(), out);
  if (train.tos == tos && may_join(train, bytes)) return &train;
  close(train, out);
  if (!begin(train, path, bytes)) return nullptr;
  train.tos = tos;
  return &train;
}

Egress::OpenTrain& Egress::place_for(const PathAddress& to, Outbox& out) noexcept {
  OpenTrain* empty = nullptr;
  for (OpenTrain& train : open_) {
    const bool is_open = train.segments.buffer.valid();
    if (is_open && train.to == to) return train;
    if (!is_open && empty == nullptr) empty = &train;
  }
  if (empty != nullptr) return *empty;
  flush(out);
  return open_.front();
}

MutableBytes Egress::extend(OpenTrain& train, std::size_t bytes) noexcept {
  Packet& buffer = train.segments.buffer;
  const std::size_t before = buffer.size();
  buffer.resize(before + bytes);
  ++train.count;
  return buffer.bytes().subspan(before);
}

// A shorter one ends a train (UDP_SEGMENT), and so does what the next one would not fit into.
bool Egress::is_complete(const OpenTrain& train, std::size_t bytes) noexcept {
  return bytes < train.segments.segment_bytes || !may_join(train, bytes);
}

bool Egress::may_join(const OpenTrain& train, std::size_t bytes) noexcept {
  const Packet& buffer = train.segments.buffer;
  return buffer.valid() && bytes <= train.segments.segment_bytes && train.count < kTrainCountMax &&
         bytes <= buffer.tailroom() && buffer.size() + bytes <= kTrainBytesMax;
}

bool Egress::begin(OpenTrain& train, const Path& path, std::size_t bytes) noexcept {
  Packet buffer = pool_.acquire(kTrainBytesMax);
  if (!buffer.valid()) buffer = pool_.acquire(bytes);  // room for one is better than none
  if (!buffer.valid()) return false;
  train = {path.address(), 0, {std::move(buffer), static_cast<std::uint32_t>(bytes)}, 0};
  return true;
}

void Egress::close(OpenTrain& train, Outbox& out) noexcept {
  if (!train.segments.buffer.valid()) return;
  OpenTrain full = std::exchange(train, OpenTrain{});
  if (full.count == 0) return;
  if (!out.transmit(
          {full.to.socket, full.to.remote, full.to.local, full.tos, std::move(full.segments)}))
    drops_.add(DropReason::QueueFull, full.count);
}

void Egress::flush(Outbox& out) noexcept {
  for (OpenTrain& train : open_) close(train, out);
}

std::size_t Egress::append(Time now, const SuperPacket& super, std::uint32_t index, Path& path,
                           const Marking& marking, OpenTrain& train) noexcept {
  auto number = keyring_.take_number(now, path.id());
  if (!number) return 0;
  const std::size_t size = super.segment_bytes(index) + kDataOverheadBytes;
  const MutableBytes place = extend(train, size);
  const std::uint32_t used = number->number();
  write_data(now, place, *number, marking, super.checksum());
  (void)super.write_segment(index, Checksum::Partial, place.subspan(kDataHeadBytes));
  check(seal(keyring_, std::move(*number), place));  // the number is of a living epoch
  log(now, path, used,
      {.packet = marking.kept,
       .segment = static_cast<std::uint16_t>(index),
       .stream = marking.stream,
       .sequence = marking.sequence & 0xff'ffff,
       .flags = marking.flags});
  return size;
}

void Egress::log(Time now, Path& path, std::uint32_t number, const SentSegment& segment) noexcept {
  SentLog& log = path.sent_log();
  if (log.is_full_for(number))
    log.make_room(number, [&](const SentSegment& lost) {
      if (lost.is_kept()) retained_.release(lost.packet);
    });
  log.push(now, number, segment);
  path.on_number(number);
}

void Egress::send_void(Time now, const Marking& marking, Path& path, Outbox& out) noexcept {
  OpenTrain* train = open_for(path, kDataOverheadBytes, kVoidTos, out);
  if (train == nullptr) return drops_.add(DropReason::NoBuffer);
  auto number = keyring_.take_number(now, path.id());
  if (!number) return;
  Marking mark = marking;
  mark.flags |= kDataVoid;
  path.on_number(number->number());
  const MutableBytes place = extend(*train, kDataOverheadBytes);
  write_data(now, place, *number, mark, Checksum::Full);
  check(seal(keyring_, std::move(*number), place));  // the number is of a living epoch
  path.on_data_sent(now, 1, kDataOverheadBytes);
  if (is_complete(*train, kDataOverheadBytes)) close(*train, out);
}

void Egress::send_train(Time now, Path& path, const TrainPlan& plan, Outbox& out) noexcept {
  close(place_for(path.address(), out), out);
  Segments train{pool_.acquire(kTrainBytesMax), static_cast<std::uint32_t>(plan.bytes)};
  if (!train.buffer.valid()) return drops_.add(DropReason::NoBuffer);
  unsigned count = 0;
  for (; count < plan.count && train.buffer.size() + plan.bytes <= kTrainBytesMax; ++count) {
    auto number = keyring_.take_number(now, path.id());
    if (!number) break;
    const std::size_t before = train.buffer.size();
    train.buffer.resize(before + plan.bytes);
    const MutableBytes place = train.buffer.bytes().subspan(before);
    std::fill(place.begin(), place.end(), std::byte{0});
    path.on_number(number->number());
    write_data(now, place, *number, {.flags = kDataTrain}, Checksum::Full);
    check(seal(keyring_, std::move(*number), place));  // the number is of a living epoch
  }
  path.on_train_sent(now, count, train.buffer.size());
  const PathAddress& to = path.address();
  if (count > 0 && !out.transmit({to.socket, to.remote, to.local, 0, std::move(train)}))
    drops_.add(DropReason::QueueFull, count);
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
  close(place_for(path.address(), out), out);
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
  path.on_number(number->number());
  if (!keyring_.seal(std::move(*number), place.first(kClearHeaderBytes), text, tag)) return;
  datagram.buffer.resize(size);
  datagram.segment_bytes = static_cast<std::uint32_t>(size);
  path.on_control_sent(size);
  if (!out.transmit({plan.to.socket, plan.to.remote, plan.to.local, 0, std::move(datagram)}))
    drops_.add(DropReason::QueueFull);
}

}  // namespace wanbond
