// Station 5 of the way out: a super packet cut into self-contained segments, beside a mere copy.
#include <cstring>
#include <memory>

#include "cases.h"
#include "samples.h"

namespace wanbond {

void add_split(Measure& measure) {
  constexpr std::size_t kStride = kTcpPacketBytes + 32;
  const auto room = std::make_shared<Sample>(kTcpSegmentCount * kStride);
  const Sample sample = tcp_super_packet();
  measure.add({"copy tcp 64 KB",
               [=] {
                 for (std::size_t i = 0; i < kTcpSegmentCount; ++i)
                   std::memcpy(room->data() + i * kStride, sample.data() + i * kTcpSegmentBytes,
                               kTcpPacketBytes);
                 keep(*room);
               },
               kTcpSegmentCount, kTcpPacketBytes, ""});
  const auto split = [=](Checksum wanted) {
    const auto super = SuperPacket::parse(sample);
    for (std::uint32_t i = 0; i < super->segment_count(); ++i)
      (void)super->write_segment(i, wanted, MutableBytes(*room).subspan(i * kStride, kStride));
    keep(*room);
  };
  measure.add({"split tcp 64 KB", [=] { split(Checksum::Partial); }, kTcpSegmentCount,
               kTcpPacketBytes, "copy tcp 64 KB"});
  measure.add({"split tcp 64 KB, checksums", [=] { split(Checksum::Full); }, kTcpSegmentCount,
               kTcpPacketBytes, "copy tcp 64 KB"});
}

}  // namespace wanbond
