#include "json.h"

#include <doctest/doctest.h>

using wanbond::test::Json;

TEST_SUITE("json") {
  TEST_CASE("reads every kind of value") {
    const Json json = Json::parse(
        " {\"a\": [1, -2.5e3, true, null, \"x\\\"\\n\\u0041\"], \"b\":{}, \"c\": [ ] }\n");
    CHECK(json["a"][0].integer() == 1);
    CHECK(json["a"][1].number() == -2500.0);
    CHECK(json["a"][2].boolean());
    CHECK(json["a"][3].is_null());
    CHECK(json["a"][4].string() == "x\"\nA");
    CHECK(json["b"].object().empty());
    CHECK(json["c"].array().empty());
    CHECK_FALSE(json.has("d"));
    CHECK_THROWS(json["d"]);
    CHECK_THROWS(json["a"].string());
  }

  TEST_CASE("refuses what is not JSON") {
    for (const char* text : {"", "{", "[1,", "[1,]", "{\"a\"}", "{\"a\":1,}", "\"abc", "nul", "1 2",
                             "[1}", "\"\\q\"", "\"\\u12\"", "1x", "-", "{a:1}"})
      CHECK_THROWS(Json::parse(text));
    CHECK_THROWS(Json::parse(std::string(100'000, '[')));
  }
}
