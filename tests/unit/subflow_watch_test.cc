// Captured MPTCP handshakes through SubflowWatch: its verdicts are those of k618_expected.json.
#include "core/subflow_watch.h"

#include <doctest/doctest.h>

#include <map>
#include <string>
#include <vector>

#include "base/tcp_option.h"
#include "core/flow_digest.h"
#include "crypto_support.h"
#include "pcap.h"

using namespace wanbond;
using namespace wanbond::test;

namespace {

const std::string kFolder = WANBOND_VECTORS "/mptcp/";

/// The IP packet of an Ethernet frame.
Bytes ip_of(const PcapPacket& packet) { return Bytes(packet.bytes).subspan(14); }

/// The same headers as seen by the other direction.
InnerPacket reversed(InnerPacket inner) {
  std::swap(inner.source, inner.destination);
  std::swap(inner.source_port, inner.destination_port);
  return inner;
}

/// A watch, its flows by the client's end, and what a capture is fed through.
struct Watched {
  std::uint64_t key_of(const InnerPacket& inner) {
    const std::uint64_t there = digest(inner);
    const std::uint64_t back = digest(reversed(inner));
    return std::min(there, back);
  }
  Flow& feed(Bytes packet) {
    const auto inner = parse_inner(packet);
    REQUIRE(inner);
    REQUIRE(inner->is_tcp());
    Flow* flow = flows.use(now, key_of(*inner), FlowKind::Tcp);
    REQUIRE(flow != nullptr);
    if (SubflowWatch::is_worth(*flow, *inner))
      watch.on_packet(now, *flow, *inner, parse_mptcp(packet, *inner));
    return *flow;
  }

  SeededRandom random{1};
  FlowDigest digest{random};
  SubflowGroups groups;
  FlowTable flows;
  SubflowWatch watch{groups};
  Time now{1s};
};

/// The flow of a capture's expected entry.
Flow& flow_of(Watched& watched, const Json& entry) {
  InnerPacket inner{.source = *IpAddress::parse(entry["client"].string()),
                    .destination = *IpAddress::parse(entry["server"].string())};
  inner.source_port = static_cast<std::uint16_t>(entry["cport"].integer());
  inner.destination_port = static_cast<std::uint16_t>(entry["sport"].integer());
  inner.protocol = kProtocolTcp;
  inner.version = entry["client"].string().find(':') == std::string::npos ? 4 : 6;
  Flow* flow = watched.flows.use(watched.now, watched.key_of(inner), FlowKind::Tcp);
  REQUIRE(flow != nullptr);
  return *flow;
}

/// Changes each byte of the HMAC of the MP_JOIN in `packet`, if it is of this length.
void spoil_join(std::vector<std::byte>& packet, std::size_t option_bytes) {
  const auto inner = parse_inner(Bytes(packet).subspan(14));
  TcpOptionReader options(Bytes(packet).subspan(14U + inner->l4_offset, inner->l4_header_bytes));
  while (const auto option = options.next()) {
    if (option->kind != 30 || option->value.size() + 2 != option_bytes) continue;
    if (std::to_integer<unsigned>(option->value[0]) >> 4 != 1) continue;
    packet[14U + inner->l4_offset + option->at + 4] ^= std::byte{1};
  }
}

const std::vector<std::string> kWithJoins{"k618_v4_simple.pcap", "k618_v6_simple.pcap",
                                          "k618_v4_full.pcap", "k618_v6_csum.pcap"};

}  // namespace

TEST_SUITE("subflow_watch") {
  TEST_CASE("each captured flow is what its host meant it to be") {
    const auto known = vectors("mptcp/k618_expected.json");
    if (!known) return;
    for (const auto& [name, entries] : known->object()) {
      const auto capture = read_pcap(kFolder + name);
      REQUIRE(capture);
      Watched watched;
      for (const PcapPacket& packet : capture->packets) (void)watched.feed(ip_of(packet));
      std::map<long long, ConnectionId> connections;
      for (const Json& entry : entries.array()) {
        CAPTURE(name);
        CAPTURE(entry["client"].string());
        const Flow& flow = flow_of(watched, entry);
        const std::string& verdict = entry["verdict"].string();
        const bool is_mptcp = verdict == "mptcp" || verdict == "mptcp-join";
        if (verdict == "join-refused") {
          CHECK(flow.mptcp().stage != MptcpStage::Settled);
          continue;
        }
        CHECK((flow.kind() == FlowKind::Mptcp) == is_mptcp);
        CHECK(flow.mptcp().connection.has_value() == is_mptcp);
        CHECK(flow.mptcp().stage == MptcpStage::Settled);
        if (!is_mptcp) continue;
        const auto [at, first] =
            connections.emplace(entry["connection"].integer(), *flow.mptcp().connection);
        CHECK(at->second == *flow.mptcp().connection);
        const bool prio = entry.has("frames_MP_PRIO");
        CHECK((flow.mptcp().role == SubflowRole::Backup) == prio);
      }
    }
  }

  TEST_CASE("a join with a wrong HMAC of either end joins nothing") {
    for (const std::string& name : kWithJoins) {
      for (const std::size_t bytes : {16U, 24U}) {
        auto capture = read_pcap(kFolder + name);
        if (!capture) {
          MESSAGE("skipped: no vectors ", name);
          return;
        }
        Watched watched;
        std::size_t joins = 0;
        for (PcapPacket& packet : capture->packets) {
          spoil_join(packet.bytes, bytes);
          const Flow& flow = watched.feed(ip_of(packet));
          const auto inner = parse_inner(ip_of(packet));
          const bool is_join = parse_mptcp(ip_of(packet), *inner).join.has_value();
          if (!is_join || (inner->tcp_flags & kTcpSyn) != 0) continue;
          ++joins;
          CHECK(flow.kind() == FlowKind::Mptcp);
          CHECK_FALSE(flow.mptcp().connection);
        }
        CHECK(joins >= 2);
      }
    }
  }

  TEST_CASE("a watch that comes in the middle takes each subflow for itself") {
    const auto capture = read_pcap(kFolder + "k618_v4_full.pcap");
    if (!capture) {
      MESSAGE("skipped: no vectors k618_v4_full.pcap");
      return;
    }
    Watched watched;
    for (std::size_t i = 30; i < 45; ++i) {
      const Flow& flow = watched.feed(ip_of(capture->packets[i]));
      CHECK(flow.kind() == FlowKind::Mptcp);
      CHECK_FALSE(flow.mptcp().connection);
    }
  }

  TEST_CASE("joins of a connection that is not known are subflows of their own") {
    const auto capture = read_pcap(kFolder + "k618_v4_simple.pcap");
    if (!capture) {
      MESSAGE("skipped: no vectors k618_v4_simple.pcap");
      return;
    }
    Watched watched;
    for (std::size_t i = 5; i < capture->packets.size(); ++i) {
      const Flow& flow = watched.feed(ip_of(capture->packets[i]));
      CHECK_FALSE(flow.mptcp().connection);
    }
  }
}
