// Which rule a packet meets: tables over every part of Match; the first one counts.
#include "sched/rules.h"

#include <doctest/doctest.h>

using namespace wanbond;

namespace {

InnerPacket packet(std::uint8_t protocol, std::uint16_t from, std::uint16_t to) {
  InnerPacket inner;
  inner.version = 4;
  inner.source = *IpAddress::parse("10.1.0.10");
  inner.destination = *IpAddress::parse("10.2.0.20");
  inner.protocol = protocol;
  inner.source_port = from;
  inner.destination_port = to;
  inner.l4_header_bytes = protocol == kProtocolTcp ? 20 : 8;
  return inner;
}

InnerPacket packet_v6() {
  InnerPacket inner = packet(kProtocolUdp, 1000, 53);
  inner.version = 6;
  inner.source = *IpAddress::parse("fd00:1::10");
  inner.destination = *IpAddress::parse("fd00:2::20");
  return inner;
}

InnerPacket marked(std::uint8_t traffic_class) {
  InnerPacket inner = packet(kProtocolUdp, 1000, 53);
  inner.traffic_class = traffic_class;
  return inner;
}

InnerPacket later_fragment() {
  InnerPacket inner = packet(kProtocolUdp, 0, 0);
  inner.l4_header_bytes = 0;
  inner.fragment = InnerPacket::Fragment::Later;
  return inner;
}

struct Row {
  const char* what;
  RuleMatch match;
  InnerPacket inner;
  std::uint32_t bytes;
  bool holds;
};

const InnerPacket kUdp = packet(kProtocolUdp, 1000, 5060);
const InnerPacket kTcp = packet(kProtocolTcp, 443, 50000);
const Prefix kOurs(*IpAddress::parse("10.1.0.0"), 16);
const Prefix kTheirs(*IpAddress::parse("10.2.0.0"), 16);
const Prefix kAll4(*IpAddress::parse("0.0.0.0"), 0);

const std::vector<Row> kRows{
    {"no condition", {}, kUdp, 100, true},
    {"protocol", {.protocols = {kProtocolUdp}}, kUdp, 100, true},
    {"other protocol", {.protocols = {kProtocolUdp}}, kTcp, 100, false},
    {"one of two protocols", {.protocols = {kProtocolUdp, kProtocolTcp}}, kTcp, 100, true},
    {"first port of a range", {.destination_ports = {{5060, 5070}}}, kUdp, 100, true},
    {"before a range", {.destination_ports = {{5061, 5070}}}, kUdp, 100, false},
    {"last port of a range", {.destination_ports = {{5000, 5060}}}, kUdp, 100, true},
    {"behind a range", {.destination_ports = {{5000, 5059}}}, kUdp, 100, false},
    {"second range", {.destination_ports = {{1, 2}, {5060, 5060}}}, kUdp, 100, true},
    {"source port", {.source_ports = {{443, 443}}}, kTcp, 100, true},
    {"source is not destination", {.source_ports = {{5060, 5060}}}, kUdp, 100, false},
    {"a port is asked of a later fragment",
     {.source_ports = {{0, 65535}}},
     later_fragment(),
     100,
     false},
    {"a later fragment by address", {.sources = {kOurs}}, later_fragment(), 100, true},
    {"DSCP without its ECN bits", {.dscps = {46}}, marked(46 << 2 | 3), 100, true},
    {"other DSCP", {.dscps = {46}}, marked(40 << 2), 100, false},
    {"source prefix", {.sources = {kOurs}}, kUdp, 100, true},
    {"source outside", {.sources = {kTheirs}}, kUdp, 100, false},
    {"destination prefix", {.destinations = {kTheirs}}, kUdp, 100, true},
    {"all IPv4 is not IPv6", {.sources = {kAll4}}, packet_v6(), 100, false},
    {"IPv6 prefix", {.sources = {*Prefix::parse("fd00:1::/32")}}, packet_v6(), 100, true},
    {"smallest size", {.sizes = {{100, 400}}}, kUdp, 100, true},
    {"largest size", {.sizes = {{0, 100}}}, kUdp, 100, true},
    {"too large", {.sizes = {{0, 99}}}, kUdp, 100, false},
    {"all parts",
     {.protocols = {kProtocolUdp},
      .source_ports = {{1000, 1000}},
      .destination_ports = {{5060, 5060}},
      .dscps = {0},
      .sources = {kOurs},
      .destinations = {kTheirs},
      .sizes = {{100, 100}}},
     kUdp,
     100,
     true},
    {"all parts but one",
     {.protocols = {kProtocolUdp}, .destination_ports = {{5060, 5060}}, .sources = {kTheirs}},
     kUdp,
     100,
     false},
};

}  // namespace

TEST_SUITE("rules") {
  TEST_CASE("each part of a match is a condition") {
    for (const Row& row : kRows) {
      CAPTURE(row.what);
      CHECK(row.match.holds(row.inner, row.bytes) == row.holds);
    }
  }

  TEST_CASE("the first rule that matches counts") {
    const std::vector<FlowRule> rules{
        {.name = "sip", .match = {.destination_ports = {{5060, 5060}}}, .wans = {}},
        {.name = "udp", .match = {.protocols = {kProtocolUdp}}, .wans = {}},
        {.name = "sip again", .match = {.destination_ports = {{5060, 5060}}}, .wans = {}}};
    CHECK(find_rule(rules, kUdp, 100) == RuleId{0});
    CHECK(find_rule(rules, packet(kProtocolUdp, 1000, 53), 100) == RuleId{1});
    CHECK_FALSE(find_rule(rules, kTcp, 100));
    CHECK_FALSE(find_rule({}, kUdp, 100));
  }

  TEST_CASE("TCP is repaired unless told otherwise, other flows where order is asked for") {
    FlowRule rule;
    for (const RuleMode mode : {RuleMode::Pinned, RuleMode::LowestDelay, RuleMode::Handoff,
                                RuleMode::Duplicate, RuleMode::Hash}) {
      rule.mode = mode;
      rule.repair = RuleRepair::ByMode;
      CHECK(rule.repairs(true));
      CHECK_FALSE(rule.repairs(false));
      rule.repair = RuleRepair::Yes;
      CHECK(rule.repairs(false));
      rule.repair = RuleRepair::No;
      CHECK_FALSE(rule.repairs(true));
    }
    for (const RuleMode mode : {RuleMode::Aggregate, RuleMode::Smooth}) {
      rule.mode = mode;
      rule.repair = RuleRepair::ByMode;
      CHECK(rule.repairs(false));
    }
  }
}
