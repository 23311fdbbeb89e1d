#include "crypto/replay.h"

#include <doctest/doctest.h>

#include <set>

#include "crypto_support.h"

using namespace wanbond;
using namespace wanbond::test;

namespace {

/// The value of "LIM*4-(LIM-1)" and the like: numbers, names, + - * and parentheses.
class Expression {
 public:
  Expression(std::string_view text, long long window) : rest_(text), window_(window) {}
  std::uint32_t value() { return static_cast<std::uint32_t>(sum()); }

 private:
  bool accept(char c) {
    if (rest_.empty() || rest_[0] != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool accept(std::string_view word) {
    if (rest_.substr(0, word.size()) != word) return false;
    rest_.remove_prefix(word.size());
    return true;
  }
  long long sum() {
    long long value = product();
    for (;;) {
      if (accept('+'))
        value += product();
      else if (accept('-'))
        value -= product();
      else
        return value;
    }
  }
  long long product() {
    long long value = atom();
    while (accept('*')) value *= atom();
    return value;
  }
  long long atom() {
    if (accept('(')) {
      const long long value = sum();
      if (!accept(')')) throw std::runtime_error("no )");
      return value;
    }
    if (accept("LIM")) return window_ + 1;
    if (accept("REJECT")) return kPacketNumberEnd;
    if (accept("W")) return window_;
    std::size_t used = 0;
    const long long value = std::stoll(std::string(rest_), &used);
    rest_.remove_prefix(used);
    return value;
  }

  std::string_view rest_;
  long long window_;
};

void run_table(const Json& table, std::uint32_t window) {
  auto number = [window](const Json& text) { return Expression(text.string(), window).value(); };
  ReplayWindow ring(window);
  std::size_t step_count = 0;
  for (const Json& step : table["sequence"].array()) {
    ++step_count;
    CAPTURE(step_count);
    CHECK(ring.accept(number(step["n"])) == step["accept"].boolean());
  }
  CHECK(step_count == 34);
  CHECK(table["bulk"].array().size() == 6);
  for (const Json& bulk : table["bulk"].array()) {
    CAPTURE(bulk["name"].string());
    ReplayWindow fresh(window);
    std::size_t refused = 0;
    if (bulk.has("ascending"))
      for (auto n = number(bulk["ascending"][0]); n <= number(bulk["ascending"][1]); ++n)
        refused += fresh.accept(n) ? 0 : 1;
    else
      for (auto n = number(bulk["descending"][0]); n >= number(bulk["descending"][1]); --n)
        refused += fresh.accept(n) ? 0 : 1;
    CHECK(refused == 0);
    for (const Json& then : bulk["then"].array())
      CHECK(fresh.accept(number(then[0])) == then[1].boolean());
  }
}

}  // namespace

TEST_SUITE("replay") {
  TEST_CASE("RFC 6479: the window passes WireGuard's table at three sizes") {
    const auto table = vectors("replay/replay-window.json");
    if (!table) return;
    for (const std::uint32_t window : {1984U, ReplayWindow::kNumbers, ReplayWindow::kNumbersFast})
      run_table(*table, window);
  }

  TEST_CASE("the edges of the window, at three sizes") {
    for (const std::uint32_t w : {1984U, ReplayWindow::kNumbers, ReplayWindow::kNumbersFast}) {
      CAPTURE(w);
      ReplayWindow window(w);
      CHECK(window.numbers() == w);
      CHECK_FALSE(window.highest());
      CHECK(window.accept(1'000'000));
      CHECK(window.highest() == 1'000'000U);
      CHECK_FALSE(window.accept(1'000'000 - w - 1));
      CHECK(window.accept(1'000'000 - w));
      CHECK_FALSE(window.accept(1'000'000 - w));
      CHECK(window.highest() == 1'000'000U);
    }
  }

  TEST_CASE("numbers from 2^32 - 2^16 on are refused and change nothing") {
    ReplayWindow window;
    for (const std::uint32_t n : {0xffff0000U, 0xffff0001U, 0xffffffffU})
      CHECK_FALSE(window.accept(n));
    CHECK_FALSE(window.highest());
    CHECK(window.accept(0xfffeffff));
    CHECK_FALSE(window.accept(0xfffeffff));
    CHECK_FALSE(window.accept(0xffffffff));
    CHECK(window.accept(0xfffefffe));
    CHECK_FALSE(window.accept(0));
  }

  TEST_CASE("a jump over the whole ring leaves no trace of old numbers") {
    ReplayWindow window(1984);
    for (std::uint32_t n = 0; n < 2048; ++n) CHECK(window.accept(n));
    CHECK(window.accept(3 * 2048 - 1));
    for (std::uint32_t n = 3 * 2048 - 1985; n < 3 * 2048 - 1; ++n) CHECK(window.accept(n));
  }

  TEST_CASE("agrees with a set of all numbers under random reordering and replay") {
    SeededRandom random(6);
    ReplayWindow window(1984);
    std::set<std::uint32_t> seen;
    std::uint32_t highest = 0;
    for (int i = 0; i < 200'000; ++i) {
      const std::uint64_t kind = random.below(100);
      std::uint32_t n = highest + static_cast<std::uint32_t>(random.below(3));
      if (kind < 40) n = highest - static_cast<std::uint32_t>(random.below(2200));
      if (kind == 99) n = highest + static_cast<std::uint32_t>(random.below(5000));
      if (n > 0x80000000) n = 0;
      const bool too_old = !seen.empty() && n + 1984 < highest;
      const bool expected = !too_old && seen.count(n) == 0;
      REQUIRE(window.accept(n) == expected);
      if (expected) {
        seen.insert(n);
        highest = std::max(highest, n);
      }
    }
  }
}
