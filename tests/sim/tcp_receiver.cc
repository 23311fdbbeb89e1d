#include "tests/sim/tcp_receiver.h"

#include <algorithm>

namespace wanbond::sim {
namespace {

constexpr Duration kDelayedAck = 40ms;  // as Linux: 40 ms, or the second segment

}  // namespace

std::uint64_t unwrap_sequence(std::uint32_t sequence, std::uint64_t expected) noexcept {
  const auto distance = static_cast<std::int32_t>(sequence - wrap_sequence(expected));
  return expected + static_cast<std::uint64_t>(static_cast<std::int64_t>(distance));
}

TcpReceiver::TcpReceiver(World& world, Lan& lan, const Conversation& who, std::uint16_t mss_bytes)
    : world_(world), lan_(lan), who_(who), mss_bytes_(mss_bytes) {
  lan.listen(kProtocolTcp, who.from.port, [this](const ParsedPacket& packet) { receive(packet); });
}

void TcpReceiver::receive(const ParsedPacket& packet) {
  if ((packet.tcp.flags & kTcpSyn) != 0) {
    report_.last_progress = world_.now();
    TcpHeader answer{wrap_sequence(0) - 1, wrap_sequence(0), kTcpSyn | kTcpAck, mss_bytes_, {}};
    lan_.send(make_tcp(who_, answer, {}));
    return;
  }
  if (!packet.payload.empty())
    on_data(unwrap_sequence(packet.tcp.sequence, report_.bytes), packet.payload);
}

void TcpReceiver::on_data(std::uint64_t offset, Bytes payload) {
  for (std::size_t i = 0; i < payload.size(); ++i) {
    if (payload[i] == stream_byte(offset + i)) continue;
    ++report_.damaged;
    return;
  }
  const std::uint64_t end = offset + payload.size();
  const bool in_order = offset <= report_.bytes && end > report_.bytes && islands_.empty();
  if (end <= report_.bytes) {
    ++report_.duplicates;
    return acknowledge();
  }
  std::uint64_t& island_end = islands_[offset];
  island_end = std::max(island_end, end);
  latest_island_ = offset;
  advance();
  if (in_order && ++unacknowledged_ < 2) return acknowledge_later();
  acknowledge();
}

void TcpReceiver::advance() {
  const std::uint64_t before = report_.bytes;
  while (!islands_.empty() && islands_.begin()->first <= report_.bytes) {
    report_.bytes = std::max(report_.bytes, islands_.begin()->second);
    islands_.erase(islands_.begin());
  }
  if (report_.bytes == before) return;
  report_.gap_max = std::max(report_.gap_max, world_.now() - report_.last_progress);
  report_.last_progress = world_.now();
}

void TcpReceiver::acknowledge_later() {
  world_.after(kDelayedAck, [this, number = ack_number_] {
    if (number == ack_number_) acknowledge();
  });
}

void TcpReceiver::acknowledge() {
  ++ack_number_;
  unacknowledged_ = 0;
  TcpHeader header{wrap_sequence(0), wrap_sequence(report_.bytes), kTcpAck, 0, {}};
  add_sacks(header);
  lan_.send(make_tcp(who_, header, {}));
}

// The block of the latest segment first, then the lowest others; neighbours count as one.
void TcpReceiver::add_sacks(TcpHeader& header) const {
  const auto block_at = [&](auto island) {
    std::uint64_t end = island->second;
    const std::uint64_t start = island->first;
    for (++island; island != islands_.end() && island->first <= end; ++island)
      end = std::max(end, island->second);
    return SackBlock{wrap_sequence(start), wrap_sequence(end)};
  };
  const auto latest = islands_.find(latest_island_);
  if (latest != islands_.end()) (void)header.sacks.push(block_at(latest));
  std::uint64_t covered = 0;
  for (auto island = islands_.begin(); island != islands_.end(); ++island) {
    if (island->first < covered) continue;
    const SackBlock block = block_at(island);
    covered = unwrap_sequence(block.right, island->first) + 1;
    if (!header.sacks.push(block)) return;
  }
}

}  // namespace wanbond::sim
