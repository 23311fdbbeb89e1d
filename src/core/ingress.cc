#include "core/ingress.h"

#include "proto/limits.h"
#include "tun/offload.h"

namespace wanbond {
namespace {

DropReason reason_of(OpenResult result) noexcept {
  switch (result) {
    case OpenResult::BadTag:
      return DropReason::BadTag;
    case OpenResult::Replayed:
      return DropReason::Replayed;
    case OpenResult::Expired:
      return DropReason::Expired;
    case OpenResult::NoKey:
    case OpenResult::Ok:
      break;
  }
  return DropReason::UnknownConnection;
}

}  // namespace

std::optional<OpenedDatagram> Ingress::open(Time now, EpochId epoch, const Header& header,
                                            MutableBytes datagram) noexcept {
  const std::size_t text_bytes = datagram.size() - kClearHeaderBytes - kTagBytes;
  const MutableBytes text = datagram.subspan(kClearHeaderBytes, text_bytes);
  const SealedPacket sealed{.cid = header.cid.value,
                            .number = header.packet_number,
                            .ad = datagram.first(kClearHeaderBytes),
                            .text = text,
                            .tag = ConstTag(datagram.last<kTagBytes>())};
  const Opened opened = keyring_.open(now, epoch, sealed);
  if (opened.result != OpenResult::Ok) {
    drops_.add(reason_of(opened.result));
    return {};
  }
  OpenedDatagram result{.newest = opened.newest, .promoted = opened.promoted, .content = {}};
  if (header.type == MessageType::Ctrl) {
    const auto body = parse_ctrl(text);
    const auto frames = body ? FrameReader::open(body->frames) : std::nullopt;
    if (frames)
      result.content = ControlArrival{*frames, body->stamp};
    else
      drops_.add(DropReason::BadFrame);
    return result;
  }
  const auto body = parse_data(text);
  if (!body) {
    drops_.add(DropReason::BadFrame);
    return result;
  }
  const DataFields& fields = body->fields;
  InnerArrival inner{{}, fields.stamp, fields.stream, fields.sequence, fields.flags};
  if (!fields.has(kDataVoid)) {
    const std::size_t inner_at = kClearHeaderBytes + fields.bytes();
    inner.room =
        datagram.subspan(inner_at - kVirtioHeaderBytes, kVirtioHeaderBytes + body->inner.size());
  }
  result.content = inner;
  return result;
}

}  // namespace wanbond
