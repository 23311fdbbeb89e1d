// The pure parts of the demo: what it reads from its nodes, what it measures, how it judges.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "demo_node.h"
#include "demo_report.h"
#include "demo_stream.h"
#include "json_reader.h"

namespace wanbond {
namespace {

Time at(Duration since_start) { return Time(1000s) + since_start; }

DemoEvent path_state(Duration when, const char* wan, const char* to) {
  return {.at = at(when), .kind = "path_state", .wan = wan, .to = to, .cause = "no sign of life"};
}

DemoEvent selected(Duration when, const char* wan) {
  return {.at = at(when), .kind = "path_selected", .wan = wan};
}

/// A run as it should be: cut at 5 s, noticed after 80 ms, back at 9 s.
DemoFacts good_facts() {
  DemoFacts facts{.wan = "fiber", .began = at(0s), .cut_at = at(5s), .restored_at = at(9s)};
  for (const char* site : {"branch", "hq"})
    facts.sites.push_back({.site = site,
                           .suspect = 45ms,
                           .moved = 45ms,
                           .down = 80ms,
                           .cause = "no sign of life",
                           .reused = 200ms});
  facts.sent_hash = facts.received_hash = std::string(64, 'a');
  facts.file.received.at = at(15s);
  facts.file.during_outage.bytes = 1000;
  facts.packets.during_outage.packets = 100;
  facts.packets.sent.packets = 3000;
  facts.packets.received.packets = 2990;
  facts.shares.push_back({.wan = "fiber", .to_branch = {1, 2, 3}, .to_hq = {4, 5, 6}});
  return facts;
}

}  // namespace

TEST_SUITE("demo") {
  TEST_CASE("reads an event of a path with its WAN") {
    const auto event = parse_demo_event(
        R"({"number":7,"at_ns":5332000000,"kind":"path_state","peer":"hq",)"
        R"("path":"fiber>192.0.2.2:51900","path_id":1,"from":"suspect","to":"down",)"
        R"("cause":"no sign of life","silence_ms":80.5,"text":"hq: path \"x\""})");
    REQUIRE(event);
    CHECK(event->at == Time(5332ms));
    CHECK(event->wan == "fiber");
    CHECK(event->to == "down");
    CHECK(event->text == "hq: path \"x\"");
    CHECK_FALSE(parse_demo_event("unknown request"));
    CHECK_FALSE(parse_demo_event("{}"));
  }

  TEST_CASE("reads the paths of a node in the order of the WANs") {
    const auto paths = parse_demo_state(
        R"({"peers":[{"paths":[{"wan":"lte","state":"down","rtt_ms":null,"tx_bytes":1},)"
        R"({"wan":"fiber","state":"up","selected":true,"rtt_ms":20.5,"loss_ppm":2500,)"
        R"("rx_bytes":12345678901}]}]})");
    REQUIRE(paths.size() == 2);
    CHECK(paths[0].wan == "fiber");
    CHECK(paths[0].selected);
    CHECK(paths[0].rtt_ms == doctest::Approx(20.5));
    CHECK(paths[0].loss_percent == doctest::Approx(0.25));
    CHECK(paths[0].rx_bytes == 12345678901);
    CHECK(paths[1].rtt_ms == 0);
    CHECK(find_path(paths, "lte") == &paths[1]);
    CHECK(find_path(paths, "dsl") == nullptr);
    CHECK(parse_demo_state("{\"peers\":[]}").empty());
    CHECK(parse_demo_state("").empty());
  }

  TEST_CASE("refuses what is not JSON") {
    for (const char* text : {"", "{", "[1,]", "{\"a\"}", "\"a", "1 2", "\"\\u00e9\"", "nul", "-"})
      CHECK_FALSE_MESSAGE(JsonValue::parse(text), text);
    CHECK_FALSE(JsonValue::parse(std::string(100, '[') + std::string(100, ']')));
    CHECK(JsonValue::parse(" [ 1 , {\"a\" : true} ] ")->items()[1]["a"].is_true());
    CHECK(JsonValue::parse("\"\\u000a\\t\"")->text() == "\n\t");
    CHECK(JsonValue::parse("[null]")->items()[0].is_null());
  }

  TEST_CASE("measures the longest gap between arrivals, and not before the first") {
    ArrivalMeter meter;
    meter.on_arrival(at(1s), 100);
    meter.on_arrival(at(1s + 30ms), 100);
    meter.on_arrival(at(1s + 40ms), 100);
    const StreamSample first = meter.take(at(1s + 50ms));
    CHECK(first.bytes == 300);
    CHECK(first.packets == 3);
    CHECK(first.gap == 30ms);
    CHECK(first.gap_began == at(1s));
    meter.on_arrival(at(1s + 120ms), 1);
    const StreamSample second = meter.take(at(1s + 130ms));
    CHECK(second.bytes == 301);
    CHECK(second.gap == 80ms);
    CHECK(meter.take(at(2s)).gap == 0ms);
  }

  TEST_CASE("finds the gap of a cut and what came between two moments") {
    StreamHistory history;
    CHECK(history.latest().bytes == 0);
    history.add({.at = at(1s), .bytes = 10, .gap = 400ms, .gap_began = at(100ms)});
    history.add({.at = at(2s), .bytes = 30, .packets = 2, .gap = 90ms, .gap_began = at(1500ms)});
    history.add({.at = at(3s), .bytes = 70, .packets = 5, .gap = 5ms, .gap_began = at(2s)});
    CHECK(history.longest_gap(at(0s), at(3s)).length == 400ms);
    CHECK(history.longest_gap(at(1520ms), at(2s)).length == 90ms);
    CHECK(history.longest_gap(at(2900ms), at(3s)).length == 0ms);
    CHECK(history.between(at(1s), at(2500ms)).bytes == 20);
    CHECK(history.between(at(0s), at(3s)).packets == 5);
    CHECK_FALSE(history.is_complete());
  }

  TEST_CASE("takes the first events after the cut, of the WAN that was cut") {
    const std::vector<DemoEvent> events{selected(0s, "fiber"),
                                        path_state(1s, "fiber", "down"),
                                        path_state(5s + 10ms, "lte", "down"),
                                        path_state(5s + 45ms, "fiber", "suspect"),
                                        selected(5s + 46ms, "dsl"),
                                        path_state(5s + 80ms, "fiber", "down"),
                                        path_state(9s + 100ms, "fiber", "up"),
                                        selected(9s + 200ms, "fiber")};
    const DemoReaction reaction = find_reaction(events, "fiber", at(5s), at(9s));
    CHECK(reaction.suspect == Duration(45ms));
    CHECK(reaction.moved == Duration(46ms));
    CHECK(reaction.down == Duration(80ms));
    CHECK(reaction.cause == "no sign of life");
    CHECK(reaction.reused == Duration(200ms));
    CHECK_FALSE(find_reaction(events, "dsl", at(5s), at(9s)).down);
  }

  TEST_CASE("passes only if nothing is wrong") {
    CHECK(demo_failures(good_facts()).empty());
    CHECK(detection_time(good_facts()) == Duration(80ms));
    DemoFacts slow = good_facts();
    slow.sites[1].down = 100ms + 1ns;
    DemoFacts blind = good_facts();
    blind.sites[0].down.reset();
    DemoFacts damaged = good_facts();
    damaged.received_hash[0] = 'b';
    DemoFacts changed = good_facts();
    changed.corrupted_bytes = 1;
    DemoFacts stalled = good_facts();
    stalled.file.during_outage.bytes = 0;
    DemoFacts mute = good_facts();
    mute.packets.during_outage.packets = 0;
    for (const DemoFacts& facts : {slow, blind, damaged, changed, stalled, mute}) {
      CHECK(demo_failures(facts).size() == 1);
      CHECK(demo_report_text(facts).find("FAILED: ") != std::string::npos);
      CHECK(demo_report_text(facts).find("PASSED") == std::string::npos);
      CHECK_FALSE((*JsonValue::parse(demo_report_json(facts)))["passed"].is_true());
    }
  }

  TEST_CASE("reports the same to people and to programs") {
    const std::string text = demo_report_text(good_facts());
    for (const char* part : {"80.0 ms", "PASSED: detection 80.0 ms", "10 of 3000", "fiber"})
      CHECK_MESSAGE(text.find(part) != std::string::npos, part);
    const auto json = JsonValue::parse(demo_report_json(good_facts()));
    REQUIRE(json);
    CHECK((*json)["passed"].is_true());
    CHECK((*json)["detection_ms"].number() == doctest::Approx(80));
    CHECK((*json)["sites"].items().size() == 2);
    CHECK((*json)["udp"]["lost_packets"].integer() == 10);
    CHECK((*json)["wans"].items()[0]["to_hq_bytes"].items()[2].integer() == 6);
  }
}

}  // namespace wanbond
