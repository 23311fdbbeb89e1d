// Station 8 of the way in: segments put together into super packets, without copying them.
#include <cstring>
#include <memory>

#include "cases.h"
#include "samples.h"

namespace wanbond {
namespace {

constexpr std::size_t kHeadBytes = 80;  // virtio header and headers of the inner packet

// The packets of a batch. A coalescer writes into the headers of what it is given, so each call
// puts them back first.
class Batch {
 public:
  explicit Batch(std::vector<Sample> packets) : pristine_(packets), packets_(std::move(packets)) {}

  void push_all(UdpOffload udp) {
    Coalescer coalescer(udp);
    std::size_t written = 0;
    const auto write = [&](std::span<const Bytes> parts) { written += parts.size(); };
    for (std::size_t i = 0; i < packets_.size(); ++i) {
      std::memcpy(packets_[i].data(), pristine_[i].data(), kHeadBytes);
      (void)coalescer.push(packets_[i], Checksum::Partial, write);
    }
    coalescer.flush(write);
    keep(written);
  }
  std::size_t count() const { return packets_.size(); }
  std::size_t packet_bytes() const { return packets_.front().size() - kVirtioHeaderBytes; }

 private:
  std::vector<Sample> pristine_, packets_;
};

std::vector<Sample> segments_of(const Sample& read) {
  const auto super = SuperPacket::parse(read);
  std::vector<Sample> segments;
  for (std::uint32_t i = 0; i < super->segment_count(); ++i) {
    Sample segment(kVirtioHeaderBytes + super->segment_bytes(i));
    (void)super->write_segment(i, Checksum::Partial,
                               MutableBytes(segment).subspan(kVirtioHeaderBytes));
    segments.push_back(std::move(segment));
  }
  return segments;
}

}  // namespace

void add_coalesce(Measure& measure) {
  const auto add = [&](const std::string& name, std::vector<Sample> packets, UdpOffload udp,
                       const std::string& baseline) {
    const auto batch = std::make_shared<Batch>(std::move(packets));
    measure.add(
        {name, [=] { batch->push_all(udp); }, batch->count(), batch->packet_bytes(), baseline});
  };
  add("coalesce tcp", segments_of(tcp_super_packet()), UdpOffload::On, "");
  add("coalesce udp 200", udp_packets(64, 200), UdpOffload::On, "coalesce tcp");
  add("coalesce udp 200, no USO", udp_packets(64, 200), UdpOffload::Off, "coalesce tcp");
}

}  // namespace wanbond
