#include "base/mptcp.h"

#include <doctest/doctest.h>

#include <map>
#include <string>

#include "base/tcp_option.h"
#include "crypto/mptcp_key.h"
#include "crypto_support.h"
#include "inner_packets.h"
#include "pcap.h"

using namespace wanbond;
using namespace wanbond::test;

namespace {

/// A TCP packet with these options (padded to 4), flags and no payload.
Buffer packet_with(const Buffer& options, std::uint8_t tcp_flags, unsigned version = 4) {
  const std::size_t padded = (options.size() + 3) / 4 * 4;
  const PacketPlan plan{.version = version,
                        .payload_bytes = 0,
                        .tcp_flags = tcp_flags,
                        .tcp_options = static_cast<std::uint8_t>(padded)};
  Buffer packet = make_packet(plan, Checksum::Partial);
  const std::size_t at = (version == 4 ? 20U : 40U) + 20;
  std::fill(packet.begin() + static_cast<std::ptrdiff_t>(at), packet.end(), std::byte{1});
  std::copy(options.begin(), options.end(), packet.begin() + static_cast<std::ptrdiff_t>(at));
  return packet;
}

MptcpOptions parse(const Buffer& options, std::uint8_t tcp_flags) {
  const Buffer packet = packet_with(options, tcp_flags);
  return parse_mptcp(packet, *parse_inner(packet));
}

std::uint8_t flags_of(const std::string& letters) {
  const std::map<char, std::uint8_t> bits{
      {'S', kTcpSyn}, {'A', kTcpAck}, {'F', kTcpFin}, {'R', kTcpRst}, {'P', kTcpPsh}};
  std::uint8_t flags = 0;
  for (const char letter : letters) flags = static_cast<std::uint8_t>(flags | bits.at(letter));
  return flags;
}

const std::map<std::string, MptcpSubtype> kSubtypes{{"MP_CAPABLE", MptcpSubtype::Capable},
                                                    {"MP_JOIN", MptcpSubtype::Join},
                                                    {"DSS", MptcpSubtype::Dss},
                                                    {"ADD_ADDR", MptcpSubtype::AddAddress},
                                                    {"REMOVE_ADDR", MptcpSubtype::RemoveAddress},
                                                    {"MP_PRIO", MptcpSubtype::Priority},
                                                    {"MP_FASTCLOSE", MptcpSubtype::FastClose},
                                                    {"MP_TCPRST", MptcpSubtype::Reset}};

MptcpKey key_of(const std::string& hex) {
  const Buffer bytes = unhex(hex);
  MptcpKey key{};
  std::copy(bytes.begin(), bytes.end(), key.begin());
  return key;
}

}  // namespace

TEST_SUITE("mptcp") {
  TEST_CASE("every captured option is recognised, alone and behind others") {
    const auto known = vectors("mptcp/mptcp-options.json");
    if (!known) return;
    std::size_t count = 0;
    for (const Json& option : (*known)["options"].array()) {
      const MptcpSubtype subtype = kSubtypes.at(option["subtype"].string());
      const Buffer bytes = unhex(option["option_hex"]);
      const bool is_malformed = option["file"].string() == "mptcp-dss-oobr.pcap";
      CAPTURE(option["option_hex"].string());
      for (const char* before : {"", "01", "0101080a0000000100000002"}) {
        Buffer options = unhex(std::string(before));
        options.insert(options.end(), bytes.begin(), bytes.end());
        const MptcpOptions parsed = parse(options, flags_of(option["flags"].string()));
        CHECK(parsed.has(subtype) == !is_malformed);
        CHECK(parsed.subtypes == (is_malformed ? 0 : 1U << static_cast<unsigned>(subtype)));
      }
      ++count;
    }
    CHECK(count >= 120);
  }

  TEST_CASE("a cut option says nothing") {
    const auto known = vectors("mptcp/mptcp-options.json");
    if (!known) return;
    for (const Json& option : (*known)["options"].array()) {
      const Buffer whole = unhex(option["option_hex"]);
      for (std::size_t bytes = 1; bytes < whole.size(); ++bytes) {
        const Buffer cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(bytes));
        // Ends with the header, in the middle of the option: 1, 2 or 3 bytes of it are missing.
        if (cut.size() % 4 == 0) CHECK_FALSE(parse(cut, kTcpAck).any());
      }
    }
  }

  TEST_CASE("RFC 8684 3.1: MP_CAPABLE gives the version and the keys it holds") {
    const MptcpOptions syn = parse(unhex("1e040181"), kTcpSyn);
    REQUIRE(syn.capable);
    CHECK(syn.capable->version == 1);
    CHECK_FALSE(syn.capable->sender);
    const MptcpOptions answer = parse(unhex("1e0c010173bb150358a0aecb"), kTcpSyn | kTcpAck);
    CHECK(answer.capable->sender == key_of("73bb150358a0aecb"));
    CHECK_FALSE(answer.capable->receiver);
    const MptcpOptions third = parse(unhex("1e1401018f0c7c64a6a32ac173bb150358a0aecb"), kTcpAck);
    CHECK(third.capable->sender == key_of("8f0c7c64a6a32ac1"));
    CHECK(third.capable->receiver == key_of("73bb150358a0aecb"));
  }

  TEST_CASE("RFC 8684 3.2: MP_JOIN is read by the place it has in the handshake") {
    const Buffer syn = unhex("1e0c11030102030405060708");
    REQUIRE(parse(syn, kTcpSyn).join);
    CHECK(parse(syn, kTcpSyn).join->token == 0x01020304);
    CHECK(parse(syn, kTcpSyn).join->nonce == 0x05060708);
    CHECK(parse(syn, kTcpSyn).join->address_id == 3);
    CHECK(parse(syn, kTcpSyn).join->is_backup);
    CHECK_FALSE(parse(syn, kTcpSyn | kTcpAck).join);
    CHECK_FALSE(parse(syn, kTcpAck).join);
  }

  TEST_CASE("RFC 8684 3.4.1: ADD_ADDR gives address and port, its echo nothing") {
    const MptcpOptions added = parse(unhex("1e1030010a000201f8295862f645df19"), kTcpAck);
    REQUIRE(added.address);
    CHECK(added.address->id == 1);
    CHECK(added.address->endpoint.address == *IpAddress::parse("10.0.2.1"));
    CHECK(added.address->endpoint.port == 0);
    const MptcpOptions port = parse(unhex("1e1230010a0002011f90f8295862f645df19"), kTcpAck);
    CHECK(port.address->endpoint.port == 8080);
    const MptcpOptions echo = parse(unhex("1e0831010a000201"), kTcpAck);
    CHECK(echo.has(MptcpSubtype::AddAddress));
    CHECK_FALSE(echo.address);
  }

  TEST_CASE("RFC 8684 3.3.8: MP_PRIO sets and clears the backup bit") {
    CHECK(parse(unhex("1e0351"), kTcpAck).is_backup == true);
    CHECK(parse(unhex("1e0350"), kTcpAck).is_backup == false);
    CHECK_FALSE(parse(unhex("1e0c2003f9948ef804577f69"), kTcpAck).is_backup);
  }

  TEST_CASE("RFC 8684 3.7: a mapping of length 0 is infinite") {
    const std::string mapping =
        "1e142005"
        "00000001"
        "00000002"
        "00000003"
        "0000";
    CHECK(parse(unhex(mapping + "0000"), kTcpAck).is_infinite);
    CHECK_FALSE(parse(unhex("1e122005"
                            "00000001"
                            "00000002"
                            "00000003"
                            "0100"),
                      kTcpAck)
                    .is_infinite);
  }

  TEST_CASE("what is not TCP has no options") {
    const PacketPlan plan{.protocol = kProtocolUdp};
    const Buffer packet = make_packet(plan, Checksum::Full);
    CHECK_FALSE(parse_mptcp(packet, *parse_inner(packet)).any());
    CHECK_FALSE(has_mptcp(packet, *parse_inner(packet)));
  }

  TEST_CASE("a header without option 30 is told from one with it") {
    const Buffer plain = packet_with(unhex("0101080a0000000100000002"), kTcpAck);
    CHECK_FALSE(has_mptcp(plain, *parse_inner(plain)));
    for (const unsigned version : {4U, 6U}) {
      const Buffer packet =
          packet_with(unhex("0101080a00000001000000021e0c2003f9948ef804577f69"), kTcpAck, version);
      CHECK(has_mptcp(packet, *parse_inner(packet)));
    }
  }

  TEST_CASE("tokens of captured version 1 keys are right") {
    const auto known = vectors("mptcp/mptcp-keys-tokens.json");
    if (!known) return;
    std::size_t count = 0;
    for (const Json& entry : (*known)["keys"].array()) {
      if (entry["version"].number() != 1) continue;
      const Buffer token = unhex(entry["token"]);
      CHECK(mptcp_token(key_of(entry["key"].string())) == ByteReader(token).u32_be());
      ++count;
    }
    CHECK(count >= 4);
  }
}
