// The whole way of a packet in memory: TUN read at one node to TUN write at the other, with each
// cipher. "copy" is the one thing in it that the kernel does in life: the read into the packet.
#include <cstring>
#include <memory>

#include "cases.h"
#include "cipher_choice.h"
#include "node_pair.h"
#include "samples.h"

namespace wanbond {
namespace {

// What a TUN gives in one batch, again and again.
struct Traffic {
  std::string name;
  std::vector<Sample> reads;
  std::uint64_t packets = 0;
  std::uint64_t packet_bytes = 0;
  std::vector<Bytes> views() const { return {reads.begin(), reads.end()}; }
};

std::vector<Traffic> all_traffic() {
  constexpr std::size_t kSingles = 32;
  return {{"tcp 64 KB", {tcp_super_packet()}, kTcpSegmentCount, kTcpPacketBytes},
          {"udp 200", udp_packets(kSingles, 200), kSingles, 200},
          {"udp 1200", udp_packets(kSingles, 1200), kSingles, 1200}};
}

void add_copy(Measure& measure, const Traffic& traffic) {
  const auto room = std::make_shared<Sample>(kPacketBytesMax);
  measure.add({"pipeline " + traffic.name + " copy",
               [=] {
                 for (const Sample& read : traffic.reads)
                   std::memcpy(room->data(), read.data(), read.size());
                 keep(*room);
               },
               traffic.packets, traffic.packet_bytes, ""});
}

// Made on first use, so that a run of other cases does not wait for handshakes.
struct Line {
  std::unique_ptr<NodePair> pair;
  std::vector<Bytes> views;
  std::uint64_t batch_bytes = 0;  // written for the first batch: never less

  void run(const BenchCipher& cipher, const Traffic& traffic) {
    if (!pair) {
      choose_cipher_work(cipher.work);
      pair = std::make_unique<NodePair>(
          cipher.cipher == Cipher::Aes256Gcm ? CipherPolicy::Aes : CipherPolicy::ChaCha,
          cipher.library);
      pair->bring_up();
      views = traffic.views();
      batch_bytes = traffic.packets * (traffic.packet_bytes - 52);
    }
    check(pair->carry(views) >= batch_bytes);
  }
};

}  // namespace

void add_pipeline(Measure& measure) {
  for (const Traffic& traffic : all_traffic()) {
    add_copy(measure, traffic);
    for (const BenchCipher& cipher : bench_ciphers())
      measure.add({"pipeline " + traffic.name + " " + cipher.name,
                   [=, line = std::make_shared<Line>()] { line->run(cipher, traffic); },
                   traffic.packets, traffic.packet_bytes, "pipeline " + traffic.name + " null"});
  }
}

}  // namespace wanbond
