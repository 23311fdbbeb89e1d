#include <doctest/doctest.h>

#include "lab/link_spec.h"
#include "lab/link_text.h"
#include "lab/script.h"

using namespace wanbond;

TEST_SUITE("lab") {
  TEST_CASE("times, rates, ratios and sizes have units") {
    CHECK(*parse_duration("40ms") == 40ms);
    CHECK(*parse_duration("1.5s") == 1500ms);
    CHECK(*parse_duration("250us") == 250us);
    CHECK(*parse_duration("0") == 0ns);
    CHECK(parse_rate("20Mbit")->bits_per_second == 20'000'000);
    CHECK(parse_rate("2.5Gbit")->bits_per_second == 2'500'000'000);
    CHECK(parse_rate("0")->bits_per_second == 0);
    CHECK(*parse_ratio("0.5%") == 5000);
    CHECK(*parse_ratio("20ppm") == 20);
    CHECK(*parse_ratio("100%") == 1'000'000);
    CHECK(*parse_bytes("1500") == 1500);
    CHECK(*parse_bytes("64KB") == 64'000);
    CHECK(*parse_bytes("64KiB") == 65'536);
  }

  TEST_CASE("what is not a value is refused") {
    for (const char* text :
         {"", "ms", "40", "-1ms", "40 ms", "1e3ms", "40msx", "inf", "nan", "99999999999999999999s"})
      CHECK_FALSE(parse_duration(text));
    for (const char* text : {"20", "20mbit", "20Mbps", "-1bit"}) CHECK_FALSE(parse_rate(text));
    for (const char* text : {"101%", "1", "-1%", "%"}) CHECK_FALSE(parse_ratio(text));
    for (const char* text : {"-5", "5 KB", "5kb"}) CHECK_FALSE(parse_bytes(text));
  }

  TEST_CASE("every setting has a word, and the text of settings reads back") {
    LinkSettings settings;
    for (const char* pair : {"delay=40ms", "jitter=5ms", "distribution=exponential", "order=free",
                             "rate=20Mbit", "overhead=14", "queue_bytes=64KB", "queue_packets=100",
                             "loss=1%", "burst=1%/25%", "mtu=1400", "semantics=netem"})
      CHECK(apply_setting(settings, pair));
    CHECK(settings == LinkSettings{.semantics = LinkSemantics::Netem,
                                   .delay = 40ms,
                                   .jitter_kind = LinkJitter::Exponential,
                                   .order = LinkOrder::Free,
                                   .jitter = 5ms,
                                   .rate = {20'000'000},
                                   .overhead_bytes = 14,
                                   .queue_bytes_max = 64'000,
                                   .queue_packets_max = 100,
                                   .loss_ppm = 10'000,
                                   .burst_begin_ppm = 10'000,
                                   .burst_end_ppm = 250'000,
                                   .mtu_bytes = 1400});
    LinkSettings again;
    const std::string text = to_text(settings) + " ";
    for (std::size_t begin = 0, end; (end = text.find(' ', begin)) != std::string::npos;
         begin = end + 1)
      CHECK(apply_setting(again, text.substr(begin, end - begin)));
    CHECK(again == settings);
  }

  TEST_CASE("a bad setting changes nothing and says what fits") {
    LinkSettings settings;
    for (const auto& [pair, part] :
         {std::pair{"delay=soon", "40ms"}, std::pair{"order=none", "kept"},
          std::pair{"burst=1%", "begin/end"}, std::pair{"colour=red", "no such setting"},
          std::pair{"delay", "key=value"}, std::pair{"overhead=-1", "whole number"}}) {
      const auto applied = apply_setting(settings, pair);
      REQUIRE_FALSE(applied);
      CHECK(applied.error().message.find(part) != std::string::npos);
    }
    CHECK(settings == LinkSettings{});
  }

  TEST_CASE("a link has two ends and settings for both directions or one") {
    const auto spec = parse_link_spec(
        "fiber,a,eth1,192.0.2.1/30+2001:db8::1/64,b,eth2,-,delay=10ms,b2a.loss=1%,"
        "device_mtu=9000");
    REQUIRE(spec);
    CHECK(spec->name == "fiber");
    CHECK(spec->netns[0] == "a");
    CHECK(spec->netns[1] == "b");
    CHECK(spec->ends[0].device == "eth1");
    REQUIRE(spec->ends[0].addresses.size() == 2);
    CHECK(spec->ends[0].addresses[1].address.to_string() == "2001:db8::1");
    CHECK(spec->ends[0].addresses[1].length == 64);
    CHECK(spec->ends[1].addresses.empty());
    CHECK(spec->ends[1].mtu_bytes == 9000);
    CHECK(spec->settings[0] == LinkSettings{.delay = 10ms});
    CHECK(spec->settings[1] == LinkSettings{.delay = 10ms, .loss_ppm = 10'000});
    for (const char* text :
         {"", "fiber,a,eth1", "fiber,a,eth1,192.0.2.1,b,eth2,-", "fiber,a,eth1,-,b,eth2,-,x=1",
          "fiber,a,eth1,192.0.2.1/33,b,eth2,-", "fiber,a,eth1,-,b,eth2,-,device_mtu=70000"})
      CHECK_FALSE(parse_link_spec(text));
  }

  TEST_CASE("a script is put in order of time, and an error names its line") {
    const auto steps =
        parse_script("# two steps\nat 10s restore fiber a2b\n\n  at 500ms cut fiber a2b");
    REQUIRE(steps);
    REQUIRE(steps->size() == 2);
    CHECK((*steps)[0].at == 500ms);
    CHECK((*steps)[0].command == "cut fiber a2b");
    CHECK((*steps)[1].command == "restore fiber a2b");
    const auto bad = parse_script("at 1s cut fiber\nin 2s cut fiber\n");
    REQUIRE_FALSE(bad);
    CHECK(bad.error().message.find("line 2") != std::string::npos);
    CHECK_FALSE(parse_script("at noon cut fiber"));
    CHECK(parse_script("")->empty());
  }
}
