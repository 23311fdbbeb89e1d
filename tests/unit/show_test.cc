// What a running instance says of itself: JSON, table, metrics, events, HTTP.
#include "show.h"

#include <doctest/doctest.h>

#include "control.h"
#include "event_log.h"
#include "explain.h"
#include "hooks.h"
#include "json_writer.h"
#include "metrics.h"
#include "network.h"
#include "status_json.h"

using namespace wanbond;

namespace {

InstanceStatus sample() {
  InstanceStatus status;
  status.name = "branch";
  status.device = "wb0";
  status.mtu = 1420;
  status.io = "epoll";
  status.cipher_backend = "libsodium";
  status.uptime = 90s;
  status.wans = {"fiber"};
  PathStatus path;
  path.name = "fiber>198.51.100.10:51900";
  path.remote = *Endpoint::parse("198.51.100.10:51900");
  path.state = PathState::Up;
  path.bfd_state = BfdState::Up;
  path.selected = true;
  path.detection_time = 80ms;
  path.rtt = 20100us;
  path.mtu_bytes = 1500;
  path.tx_bytes = 1'234'567;
  path.downs = 1;
  path.last_down_cause = Cause::Silence;
  PeerStatus peer;
  peer.name = "hq";
  peer.up = true;
  peer.has_keys = true;
  peer.cipher = Cipher::Aes256Gcm;
  peer.handshake_age = 61s;
  peer.paths.push_back(path);
  status.node.peers.push_back(peer);
  status.node.drops.add(DropReason::Replayed, 3);
  return status;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_SUITE("show") {
  TEST_CASE("JSON is escaped, separated and finite") {
    JsonWriter json;
    json.begin_object().member("a\"\\\n\x01", "x").member("n", 1.5).member("i", 7u);
    json.member("t", true).key("l").begin_array().value(1).value("s").null().end_array();
    json.member("inf", 1e308 * 10).member("z", 0.0).end_object();
    CHECK(json.text() ==
          "{\"a\\\"\\\\\\u000a\\u0001\": \"x\", \"n\": 1.5, \"i\": 7, \"t\": true, "
          "\"l\": [1, \"s\", null], \"inf\": null, \"z\": 0.0}");
  }

  TEST_CASE("explain understands one value of each, and says what would become of it") {
    const auto question =
        parse_question("src=10.1.0.10 dst=10.2.0.20 proto=udp sport=7 dport=5060 dscp=ef size=200");
    REQUIRE(question);
    CHECK(question->inner.source.to_string() == "10.1.0.10");
    CHECK(question->inner.is_udp());
    CHECK(question->inner.source_port == 7);
    CHECK(question->inner.destination_port == 5060);
    CHECK(question->inner.dscp() == 46);
    CHECK(question->bytes == 200);
    CHECK(parse_question("src=fd00::1 dst=fd00::2")->inner.is_tcp());
    CHECK_FALSE(parse_question("src=fd00::1 dst=fd00::2 proto=47")->inner.has_l4());
    for (const char* text :
         {"", "src=10.1.0.10", "src=10.1.0.0/24 dst=10.2.0.1", "src=10.1.0.1 dst=fd00::1",
          "src=10.1.0.1 dst=10.2.0.1 dport=1-2", "src=10.1.0.1 dst=10.2.0.1 proto=tcp,udp",
          "src=10.1.0.1 dst=10.2.0.1 size=x", "src=10.1.0.1 dst=10.2.0.1 colour=red"})
      CHECK_FALSE(parse_question(text));
    using Cause = FlowExplanation::Cause;
    CHECK(explanation_text(FlowExplanation{.peer = "hq",
                                           .cause = Cause::Rule,
                                           .rule = "voip",
                                           .mode = RuleMode::Duplicate,
                                           .paths = {"fiber>a", "lte>b"}}) ==
          "peer hq\nrule voip: duplicate\npath fiber>a\ncopy lte>b\n");
    CHECK(contains(explanation_text(FlowExplanation{.peer = "hq", .cause = Cause::Lan}),
                   "no usable path"));
    CHECK(contains(explanation_text(std::nullopt), "no peer"));
  }

  TEST_CASE("show --json has the names of the interface") {
    const std::string text = status_json(sample());
    for (const char* part :
         {"\"schema\": 1",
          "\"name\": \"branch\"",
          "\"uptime_s\": 90.0",
          "\"device\": \"wb0\"",
          "\"mtu\": 1420",
          "\"io\": \"epoll\"",
          "\"cipher_backend\": \"libsodium\"",
          "\"state\": \"up\"",
          "\"cipher\": \"aes-256-gcm\"",
          "\"handshake_age_s\": 61.0",
          "\"resequencer\": {\"held_packets\": 0, \"late\": 0, \"duplicates\": 0, \"timeouts\": 0}",
          "\"wan\": \"fiber\"",
          "\"remote\": \"198.51.100.10:51900\"",
          "\"bfd_state\": \"Up\"",
          "\"detection_time_ms\": 80.0",
          "\"rtt_ms\": 20.1",
          "\"rtt_min_ms\": null",
          "\"owd_relative_ms\": 0.0",
          "\"jitter_ms\": 0.0",
          "\"loss_ppm\": 0",
          "\"rate_mbps\": 0.0",
          "\"queue_ms\": 0.0",
          "\"tx_bytes\": 1234567",
          "\"resent_packets\": 0",
          "\"downs\": 1",
          "\"last_down_cause\": \"no sign of life\"",
          "\"flows\": {\"mptcp\": 0, \"tcp\": 0, \"udp\": 0, \"other\": 0}",
          "\"replayed\": 3"}) {
      CAPTURE(part);
      CHECK(contains(text, part));
    }
    CHECK(text.ends_with("}\n"));
  }

  TEST_CASE("the table shows the path in use, and colours only when asked") {
    const std::string plain = status_table(sample(), Colours::Off);
    CHECK(contains(plain, "* fiber>198.51.100.10:51900 up"));
    CHECK(contains(plain, "20.1 ms"));
    CHECK(contains(plain, "1.2 MB"));
    CHECK(contains(plain, "1 down, last: no sign of life"));
    CHECK(contains(plain, "dropped:  replayed 3"));
    CHECK_FALSE(contains(plain, "\033["));
    CHECK(contains(status_table(sample(), Colours::On), "\033[32mup"));
  }

  TEST_CASE("metrics carry labels and units") {
    const std::string text = metrics_text(sample());
    CHECK(contains(text,
                   "wanbond_path_rtt_seconds{peer=\"hq\",path=\"fiber>198.51.100.10:51900\"} "
                   "0.0201\n"));
    CHECK(contains(text, "wanbond_path_up{peer=\"hq\",path=\"fiber>198.51.100.10:51900\"} 1\n"));
    CHECK(contains(text, "wanbond_drops_total{reason=\"replayed\"} 3\n"));
    CHECK(contains(text, "# TYPE wanbond_path_transmit_bytes_total counter\n"));
  }

  TEST_CASE("HTTP answers only GET /metrics") {
    CHECK(http_answer("GET /metrics HTTP/1.1", "x 1\n").starts_with("HTTP/1.0 200 OK\r\n"));
    CHECK(http_answer("GET / HTTP/1.1", "x 1\n").starts_with("HTTP/1.0 404 "));
    CHECK_FALSE(contains(http_answer("POST /metrics HTTP/1.1", "secret"), "secret"));
  }

  TEST_CASE("an event is worded with names, cause and silence") {
    EventLog log;
    log.learn_names(sample().node);
    Event event;
    event.at = Time(5s);
    event.kind = EventKind::PathState;
    event.cause = Cause::Silence;
    event.from = PathState::Up;
    event.to = PathState::Down;
    event.silence = 80ms;
    event.detected = Time(4965ms);
    event.switched = Time(4966ms);
    const NamedEvent& named = log.add(event);
    CHECK(event_text(named) ==
          "hq: path fiber>198.51.100.10:51900: down, no sign of life for 80 ms");
    CHECK(event_json(named) ==
          "{\"number\": 1, \"at_ns\": 5000000000, \"kind\": \"path_state\", \"peer\": \"hq\", "
          "\"path\": \"fiber>198.51.100.10:51900\", \"path_id\": 0, \"from\": \"up\", \"to\": "
          "\"down\", \"cause\": \"no sign of life\", \"silence_ms\": 80.0, "
          "\"detected_ns\": 4965000000, \"decided_ns\": 5000000000, "
          "\"switched_ns\": 4966000000, \"text\": "
          "\"hq: path fiber>198.51.100.10:51900: down, no sign of life for 80 ms\"}");
  }

  TEST_CASE("a path keeps its name in the log after it is gone") {
    EventLog log;
    InstanceStatus status = sample();
    log.learn_names(status.node);
    status.node.peers[0].paths.clear();
    log.learn_names(status.node);
    Event event;
    event.kind = EventKind::PathRemoved;
    CHECK(event_text(log.add(event)) == "hq: path fiber>198.51.100.10:51900: removed");
  }

  TEST_CASE("the event log is bounded and its numbers go on") {
    EventLog log;
    for (std::size_t i = 0; i < EventLog::kEventsMax + 5; ++i) log.add(Event{});
    CHECK(log.events().size() == EventLog::kEventsMax);
    CHECK(log.events().front().number == 6);
    CHECK(log.last_number() == EventLog::kEventsMax + 5);
  }

  TEST_CASE("a path that is up and takes nothing says why, one that is down says it by its state") {
    InstanceStatus status = sample();
    PathStatus& path = status.node.peers[0].paths[0];
    path.use = {PathUse::Why::HeldBack, 11500ms};
    CHECK(contains(status_table(status, Colours::Off),
                   "  not used: has failed too often; waits 12 s"));
    CHECK(contains(status_json(status), "\"use\": \"held_back\", \"held_ms\": 11500.0"));
    path.use = {PathUse::Why::Down, {}};
    CHECK_FALSE(contains(status_table(status, Colours::Off), "not used"));
    path.use = {};
    CHECK_FALSE(contains(status_table(status, Colours::Off), "not used"));
    CHECK(explanation_text(FlowExplanation{.peer = "hq",
                                           .rule = {},
                                           .paths = {"a"},
                                           .unused = {{"b", {PathUse::Why::Metered, {}}}}})
              .ends_with("path a\nnot b: metered; for when no other works\n"));
  }

  TEST_CASE("a hook's %i is the device") {
    CHECK(expand_hook("ip link show %i; echo %i%", "wb0") == "ip link show wb0; echo wb0%");
    CHECK(expand_hook("%", "wb0") == "%");
  }

  TEST_CASE("a prefix of length 0 goes to a table of its own, all others to main") {
    const RouteNumbers numbers = route_numbers(0x77620000, 7);
    const TableChoice choice;
    CHECK(live_route(*Prefix::parse("0.0.0.0/0"), "wb0", choice, numbers).table ==
          numbers.default_table);
    CHECK(live_route(*Prefix::parse("10.0.0.0/8"), "wb0", choice, numbers).table == kMainTable);
    const Route lost = unreachable_route(*Prefix::parse("10.0.0.0/8"), choice, numbers);
    CHECK(lost.kind == Route::Kind::Unreachable);
    CHECK(lost.metric == 0xffffffff);
    const TableChoice fixed{TableChoice::Kind::Number, 77};
    CHECK(live_route(*Prefix::parse("::/0"), "wb0", fixed, numbers).table == 77);
    const auto rules = default_rules(Rule::Family::V6, numbers);
    REQUIRE(rules.size() == 2);
    CHECK(rules[0].suppress_prefix_length == 0);
    CHECK(rules[0].priority < rules[1].priority);
    CHECK(rules[1].sense == Rule::Sense::NotMatching);
    CHECK(rules[1].fwmark == 0x77620000);
    CHECK(route_numbers(0, 8).default_table > numbers.gateway_table + 31);
  }
}
