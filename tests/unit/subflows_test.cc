// Captured MPTCP connections through both ends of a tunnel: each subflow has a path of its own, the
// same in both directions; it leaves it when that fails and comes back.
#include "core/subflows.h"

#include <doctest/doctest.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/flow_digest.h"
#include "crypto_support.h"
#include "inner_packets.h"
#include "pcap.h"

using namespace wanbond;
using namespace wanbond::test;

namespace {

const std::string kFolder = WANBOND_VECTORS "/mptcp/";
const std::string kSimple = "k618_v4_simple.pcap";
constexpr std::uint16_t kServerPort = 7001;

/// The IP packet of an Ethernet frame.
Bytes ip_of(const PcapPacket& packet) { return Bytes(packet.bytes).subspan(14); }

InnerPacket reversed(InnerPacket inner) {
  std::swap(inner.source, inner.destination);
  std::swap(inner.source_port, inner.destination_port);
  return inner;
}

/// One end of the tunnel.
struct End {
  /// A packet from its LAN; where it goes.
  std::optional<PathId> send(Time now, Bytes packet, const InnerPacket& inner) {
    REQUIRE(flows.use(now, digest(inner), FlowKind::Tcp) != nullptr);
    return try_send(now, packet, inner);
  }
  /// The same of a flow that may find no place.
  std::optional<PathId> try_send(Time now, Bytes packet, const InnerPacket& inner) {
    Flow* flow = flows.use(now, digest(inner), FlowKind::Tcp);
    if (flow == nullptr) return {};
    return subflows.place(now, *flow, digest(inner), packet, inner);
  }
  /// One that came from the other end.
  void receive(Time now, Bytes packet, const InnerPacket& inner, std::optional<PathId> path) {
    if (!subflows.is_worth(now, inner)) return;
    const MptcpOptions options = parse_mptcp(packet, inner);
    const std::uint64_t key = digest(reversed(inner));
    Flow* flow =
        Subflows::begins(inner, options) ? flows.use(now, key, FlowKind::Tcp) : flows.find(key);
    if (flow != nullptr) subflows.on_arrival(now, *flow, inner, options, path);
  }

  SeededRandom random{1};
  FlowDigest digest{random};
  FlowTable flows;
  Subflows subflows;
};

/// Both ends, and where each subflow's packets went, by the client's address: to the server, back.
struct Tunnel {
  explicit Tunnel(std::vector<Usability> usable = {3, Usability::Usable}) { set(usable); }

  void set(const std::vector<Usability>& usable) {
    std::vector<RulePath> paths;
    for (std::uint8_t i = 0; i < usable.size(); ++i)
      paths.push_back({{PathId{i}, usable[i], 0, 10ms + i * 2ms}, SocketId{i}});
    client.subflows.update(now, paths);
    for (RulePath& path : paths) path.view.delay = 30ms - path.view.delay;  // it sees it otherwise
    server.subflows.update(now, paths);
  }
  std::optional<PathId> feed(const PcapPacket& captured) {
    now += 1ms;
    const Bytes packet = ip_of(captured);
    const auto inner = parse_inner(packet);
    REQUIRE(inner);
    const bool goes = inner->destination_port == kServerPort;
    const auto path = (goes ? client : server).send(now, packet, *inner);
    (goes ? server : client).receive(now, packet, *inner, path);
    auto& taken = (goes ? there : back)[(goes ? inner->source : inner->destination).to_string()];
    if (path) taken.insert(*path);
    return path;
  }

  Time now{1s};
  End client, server;
  std::map<std::string, std::set<PathId>> there, back;
};

std::vector<PcapPacket> capture(const std::string& name) {
  auto read = read_pcap(kFolder + name);
  if (!read) MESSAGE("skipped: no vectors ", name);
  return read ? read->packets : std::vector<PcapPacket>();
}

/// The start of a connection that nobody means, from an address of its own: SYN, SYN/ACK.
void flood(Tunnel& tunnel, std::uint32_t number) {
  Buffer syn =
      make_packet({.payload_bytes = 0, .tcp_flags = kTcpSyn, .tcp_options = 4}, Checksum::Full);
  ByteWriter(MutableBytes(syn).subspan(12)).u32_be(0x0b000000 + number);
  ByteWriter(MutableBytes(syn).subspan(40)).u32_be(0x1e040101);
  const auto asked = parse_inner(syn);
  REQUIRE(asked);
  (void)tunnel.client.try_send(tunnel.now, syn, *asked);
  Buffer answer = make_packet(
      {.payload_bytes = 0, .tcp_flags = kTcpSyn | kTcpAck, .tcp_options = 12}, Checksum::Full);
  ByteWriter w(MutableBytes(answer).subspan(40));
  w.u32_be(0x1e0c0101);
  w.u64_be(0x1234567800000000 + number);  // the key
  InnerPacket answered = *parse_inner(answer);
  answered.source = asked->destination;
  answered.destination = asked->source;
  answered.source_port = asked->destination_port;
  answered.destination_port = asked->source_port;
  tunnel.client.receive(tunnel.now, answer, answered, PathId{0});
}

}  // namespace

TEST_SUITE("subflows") {
  TEST_CASE("each subflow of a connection has one path, no other has it, and both ends agree") {
    for (const std::string& name :
         {kSimple, std::string("k618_v6_simple.pcap"), std::string("k618_v4_fastclose.pcap")}) {
      Tunnel tunnel;
      for (const PcapPacket& packet : capture(name)) (void)tunnel.feed(packet);
      std::set<PathId> all;
      for (const auto& [client, paths] : tunnel.there) {
        CAPTURE(client);
        CHECK(paths.size() == 1);
        CHECK(tunnel.back[client] == paths);
        all.insert(paths.begin(), paths.end());
      }
      CHECK(all.size() == tunnel.there.size());
    }
  }

  TEST_CASE("a subflow leaves a path that fails at once and comes back to it") {
    const auto packets = capture(kSimple);
    if (packets.empty()) return;
    const std::size_t third = packets.size() / 3;
    Tunnel tunnel;
    for (std::size_t i = 0; i < third; ++i) (void)tunnel.feed(packets[i]);
    const auto before = tunnel.there;
    REQUIRE(before.size() == 3);
    tunnel.set({Usability::Usable, Usability::LastResort, Usability::Usable});
    tunnel.there.clear();
    for (std::size_t i = third; i < 2 * third; ++i) CHECK(tunnel.feed(packets[i]) != PathId{1});
    tunnel.set({3, Usability::Usable});
    tunnel.there.clear();
    for (std::size_t i = 2 * third; i < packets.size(); ++i) (void)tunnel.feed(packets[i]);
    for (const auto& [client, paths] : tunnel.there) CHECK(paths == before.at(client));
  }

  TEST_CASE("what falls back to TCP is not placed") {
    for (const char* name : {"k618_v4_plain_tcp.pcap", "k618_v4_fallback_server_tcp.pcap",
                             "k618_v4_client_tcp_server_mptcp.pcap"}) {
      Tunnel tunnel;
      const auto packets = capture(name);
      for (std::size_t i = 0; i < packets.size(); ++i) {
        const auto path = tunnel.feed(packets[i]);
        if (i >= 2) CHECK_FALSE(path);
      }
    }
  }

  TEST_CASE("one that comes in the middle is spread by chance, and stays where it is") {
    const auto packets = capture(kSimple);
    if (packets.size() < 40) return;
    Tunnel tunnel;
    for (std::size_t i = 20; i < packets.size(); ++i) (void)tunnel.feed(packets[i]);
    for (const auto& [client, paths] : tunnel.there) CHECK(paths.size() <= 1);
  }

  TEST_CASE("a flood of answered MP_CAPABLE SYNs costs no living connection its state") {
    const auto packets = capture(kSimple);
    if (packets.empty()) return;
    Tunnel tunnel;
    const std::size_t first = 5;  // both keys are known, no join has come
    for (std::size_t i = 0; i < first; ++i) (void)tunnel.feed(packets[i]);
    for (std::uint32_t i = 0; i < 100'000; ++i) flood(tunnel, i);
    tunnel.now += 2s;  // then it is forgotten
    CHECK(tunnel.client.subflows.connection_count(tunnel.now) == 1);
    for (std::size_t i = first; i < packets.size(); ++i) (void)tunnel.feed(packets[i]);
    std::set<PathId> all;
    for (const auto& [client, paths] : tunnel.there) {
      CHECK(paths.size() == 1);
      all.insert(paths.begin(), paths.end());
    }
    CHECK(all.size() == 3);
  }

  TEST_CASE("without any usable path nothing is placed") {
    Tunnel tunnel({Usability::Never, Usability::Never});
    for (const PcapPacket& packet : capture(kSimple)) CHECK_FALSE(tunnel.feed(packet));
  }
}
