#include "base/ecn.h"

#include <doctest/doctest.h>

#include <fstream>
#include <iterator>
#include <map>
#include <string>

#include "inner_packets.h"
#include "json.h"

using namespace wanbond;
using test::Json;
using test::make_packet;
using test::PacketPlan;

TEST_SUITE("ecn") {
  TEST_CASE("RFC 6040 4.1 and 4.2: all cells of figures 3 and 4") {
    std::ifstream file(WANBOND_VECTORS "/tables/rfc6040-ecn.json");
    if (!file) {
      MESSAGE("skipped: tables/rfc6040-ecn.json is not there");
      return;
    }
    const Json table = Json::parse(std::string(std::istreambuf_iterator<char>(file), {}));
    const std::map<std::string, std::uint8_t> bits{
        {"Not-ECT", 0}, {"ECT(1)", 1}, {"ECT(0)", 2}, {"CE", 3}};
    for (const auto& [inner, outer] : table["encapsulation"]["normal"].object())
      CHECK(outer_class(bits.at(inner), EcnMode::Normal) == bits.at(outer.string()));
    for (const auto& [inner, outer] : table["encapsulation"]["compatibility"].object())
      CHECK(outer_class(bits.at(inner), EcnMode::Compatibility) == bits.at(outer.string()));
    CHECK(table["decapsulation"].array().size() == 16);
    for (const Json& cell : table["decapsulation"].array()) {
      CAPTURE(cell["inner"].string() + " in " + cell["outer"].string());
      const auto inner = static_cast<std::uint8_t>(cell["inner_bits"].integer());
      const auto outer = static_cast<std::uint8_t>(cell["outer_bits"].integer());
      const auto result = decapsulated_class(inner, outer);
      CHECK(result.has_value() == (cell["result"].string() != "drop"));
      if (result) CHECK(*result == cell["result_bits"].integer());
    }
  }

  TEST_CASE("RFC 2983 3: a pipe hides the inner DSCP and keeps it") {
    CHECK(outer_class(0xba, EcnMode::Normal) == 0x02);
    CHECK(decapsulated_class(0xba, 0x2a) == 0xba);
  }

  TEST_CASE("RFC 2983 3: a uniform tunnel copies the DSCP both ways") {
    CHECK(outer_class(0xba, EcnMode::Normal, DscpModel::Uniform) == 0xba);
    CHECK(outer_class(0xba, EcnMode::Compatibility, DscpModel::Uniform) == 0xb8);
    CHECK(decapsulated_class(0xba, 0x2b, DscpModel::Uniform) == 0x2b);
  }

  TEST_CASE("a new traffic class keeps all checksums right and all other bytes") {
    for (const unsigned version : {4U, 6U}) {
      for (unsigned from = 0; from < 256; from += 5) {
        for (unsigned to = 0; to < 256; ++to) {
          PacketPlan plan{.version = version, .traffic_class = static_cast<std::uint8_t>(from)};
          auto packet = make_packet(plan, Checksum::Full);
          auto inner = parse_inner(packet);
          set_traffic_class(packet, *inner, static_cast<std::uint8_t>(to));
          plan.traffic_class = static_cast<std::uint8_t>(to);
          REQUIRE(packet == make_packet(plan, Checksum::Full));
          REQUIRE(inner->traffic_class == to);
        }
      }
    }
  }
}
