#include "tests/sim/udp_flow.h"

#include <algorithm>
#include <utility>

namespace wanbond::sim {
namespace {

std::byte filler(std::uint64_t number, std::size_t i) {
  return static_cast<std::byte>((number * 31 + i * 7) & 0xff);
}

}  // namespace

UdpFlow::UdpFlow(World& world, Lan& from, Lan& to, const Settings& settings)
    : world_(world), from_(from), settings_(settings) {
  to.listen(kProtocolUdp, settings.who.to.port,
            [this](const ParsedPacket& packet) { receive(packet.payload); });
}

void UdpFlow::start() {
  running_ = true;
  reset_gap();
  send();
}

void UdpFlow::reset_gap() {
  report_.gap_max = {};
  report_.last_arrival = world_.now();
}

void UdpFlow::send() {
  if (!running_) return;
  ByteString payload(settings_.payload_bytes);
  ByteWriter writer(payload);
  const std::uint64_t number = ++report_.sent;
  writer.u64(number);
  writer.u64(static_cast<std::uint64_t>(world_.now().time_since_epoch().count()));
  for (std::size_t i = 16; i < payload.size(); ++i) payload[i] = filler(number, i);
  from_.send(make_udp(settings_.who, payload));
  world_.after(settings_.interval, [this] { send(); });
}

void UdpFlow::receive(Bytes payload) {
  ByteReader reader(payload);
  const std::uint64_t number = reader.u64();
  const Time sent{Duration(static_cast<Duration::rep>(reader.u64()))};
  bool whole = payload.size() == settings_.payload_bytes;
  for (std::size_t i = 16; whole && i < payload.size(); ++i)
    whole = payload[i] == filler(number, i);
  if (!whole) {
    ++report_.damaged;
    return;
  }
  ++report_.received;
  if (number < highest_) ++report_.late;
  highest_ = std::max(highest_, number);
  const Duration gap = world_.now() - report_.last_arrival;
  if (gap > report_.gap_max) {
    report_.gap_max = gap;
    report_.gap_end = world_.now();
  }
  report_.last_arrival = world_.now();
  report_.delay_max = std::max(report_.delay_max, world_.now() - sent);
}

}  // namespace wanbond::sim
