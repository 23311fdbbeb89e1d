// One MPTCP connection of three subflows between the sites, made by hand: its handshakes, then a
// download in which each subflow carries numbered segments.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <vector>

#include "crypto/mptcp_key.h"
#include "tests/sim/sites.h"
#include "tests/sim/twice.h"

using namespace wanbond;
using namespace wanbond::sim;

namespace {

constexpr std::size_t kSubflows = 3;
constexpr std::uint16_t kServerPort = 443;
constexpr std::size_t kSegmentBytes = 1000;
constexpr MptcpKey kClientKey{std::byte{1}, std::byte{2}}, kServerKey{std::byte{3}, std::byte{4}};

/// Option 30 of this content.
ByteString option(std::initializer_list<unsigned> head, std::initializer_list<Bytes> parts) {
  ByteString bytes{std::byte{30}, std::byte{0}};
  for (const unsigned byte : head) bytes.push_back(static_cast<std::byte>(byte));
  for (const Bytes part : parts) bytes.insert(bytes.end(), part.begin(), part.end());
  bytes[1] = static_cast<std::byte>(bytes.size());
  return bytes;
}

std::array<std::byte, 4> be32(std::uint32_t value) {
  std::array<std::byte, 4> bytes;
  ByteWriter(bytes).u32_be(value);
  return bytes;
}

/// A client behind the branch with three addresses and a server behind the hub.
class Connection {
 public:
  Connection(World& world, Sites& sites) : world_(world), sites_(sites) {
    for (std::size_t i = 0; i < kSubflows; ++i) {
      const auto number = static_cast<std::uint16_t>(i);
      const auto port = static_cast<std::uint16_t>(40000 + number);
      down_[i] = {{lan_address(kHub), kServerPort}, {lan_address(kBranch, number + 1U), port}};
      sites_.branch.lan().listen(kProtocolTcp, port, [this, i](const ParsedPacket& packet) {
        if (!packet.payload.empty()) received_[i].push_back(packet.tcp.sequence);
      });
    }
  }

  /// First the connection, then its joins, each step a round trip after the one before.
  void shake_hands() {
    step(0, kTcpSyn, Way::Up, option({1, 1}, {}));
    step(0, kTcpSyn | kTcpAck, Way::Down, option({1, 1}, {kServerKey}));
    step(0, kTcpAck, Way::Up, option({1, 1}, {kClientKey, kServerKey}));
    for (std::uint32_t i = 1; i < kSubflows; ++i) {
      const MptcpJoinEnd client{kClientKey, 100 + i}, server{kServerKey, 200 + i};
      const MptcpHmac answer = mptcp_join_hmac(server, client);
      const MptcpHmac proof = mptcp_join_hmac(client, server);
      step(i, kTcpSyn, Way::Up,
           option({0x10, i}, {be32(mptcp_token(kServerKey)), be32(client.nonce)}));
      step(i, kTcpSyn | kTcpAck, Way::Down,
           option({0x10, i}, {Bytes(answer).first(8), be32(server.nonce)}));
      step(i, kTcpAck, Way::Up, option({0x10, 0}, {proof}));
    }
  }

  /// A segment on each subflow every 5 ms.
  void download_for(Duration span) {
    const ByteString payload(kSegmentBytes, std::byte{7});
    const ByteString dss = option({0x20, 1}, {be32(1)});
    for (const Time end = world_.now() + span; world_.now() < end; world_.run_for(5ms)) {
      for (std::size_t i = 0; i < kSubflows; ++i) {
        TcpHeader header{.sequence = sent_[i]++, .flags = kTcpAck, .mptcp = dss};
        sites_.hub.lan().send(make_tcp(down_[i], header, payload));
      }
    }
  }

  /// Everything has come, once and in order.
  bool is_whole(std::size_t subflow) const {
    if (received_[subflow].size() != sent_[subflow]) return false;
    for (std::uint32_t i = 0; i < received_[subflow].size(); ++i)
      if (received_[subflow][i] != i) return false;
    return true;
  }

 private:
  enum class Way : std::uint8_t { Up, Down };
  void step(std::size_t subflow, unsigned flags, Way way, const ByteString& mptcp) {
    TcpHeader header{.flags = static_cast<std::uint8_t>(flags), .mptcp = mptcp};
    const Conversation& down = down_[subflow];
    Lan& lan = way == Way::Up ? sites_.branch.lan() : sites_.hub.lan();
    lan.send(make_tcp(way == Way::Up ? down.reversed() : down, header, {}));
    world_.run_for(60ms);
  }

  World& world_;
  Sites& sites_;
  std::array<Conversation, kSubflows> down_;
  std::array<std::uint32_t, kSubflows> sent_{};
  std::array<std::vector<std::uint32_t>, kSubflows> received_;
};

/// Bytes that the hub has sent over the branch's WANs.
std::array<std::uint64_t, kSubflows> sent_by(const Host& hub) {
  std::array<std::uint64_t, kSubflows> bytes{};
  for (const NodeStatus status = hub.status(); const PathStatus& path : status.peers.at(0).paths)
    bytes[path.wan.value] += path.tx_bytes;
  return bytes;
}

}  // namespace

TEST_SUITE("sim_mptcp") {
  //        /--- 20 ms ---------
  // branch ---- 26 ms --X------ hub   three subflows, one WAN each
  //        \--- 32 ms ---------
  TEST_CASE("each WAN carries a subflow, and one that is cut costs no segment and no order") {
    twice([](World& world) {
      Sites sites(world, {.accesses = {{.rtt = 20ms}, {.rtt = 26ms}, {.rtt = 32ms}}});
      REQUIRE(sites.bring_up());
      Connection connection(world, sites);
      connection.shake_hands();
      CHECK(sites.hub.status().peers.at(0).flows[0] == kSubflows);
      const auto spread = [&](Duration span) {
        auto before = sent_by(sites.hub);
        connection.download_for(span);
        auto after = sent_by(sites.hub);
        for (std::size_t i = 0; i < after.size(); ++i) after[i] -= before[i];
        return after;
      };
      const std::uint64_t whole = 200 * kSegmentBytes;  // of one second
      for (const std::uint64_t bytes : spread(1s)) CHECK(bytes > whole);
      sites.branch.wan(1).cut();
      const auto detour = spread(1s);
      CHECK(detour[1] < whole / 4);
      CHECK(std::max(detour[0], detour[2]) > whole * 3 / 2);
      sites.branch.wan(1).restore();
      connection.download_for(1s);
      for (const std::uint64_t bytes : spread(1s)) CHECK(bytes > whole);
      world.run_for(1s);
      for (std::size_t i = 0; i < kSubflows; ++i) CHECK(connection.is_whole(i));
    });
  }
}
