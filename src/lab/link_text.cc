#include "lab/link_text.h"

#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <span>

namespace wanbond {
namespace {

struct Unit {
  std::string_view name;
  double factor;
};

constexpr std::array<Unit, 5> kDurations{
    {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"min", 60e9}}};
constexpr std::array<Unit, 4> kRates{{{"bit", 1}, {"kbit", 1e3}, {"Mbit", 1e6}, {"Gbit", 1e9}}};
constexpr std::array<Unit, 2> kRatios{{{"%", 1e4}, {"ppm", 1}}};
constexpr std::array<Unit, 6> kSizes{
    {{"", 1}, {"B", 1}, {"KB", 1e3}, {"KiB", 1024}, {"MB", 1e6}, {"MiB", 1024 * 1024}}};
constexpr double kLargest = 9e18;  // below 2^63

Error bad(std::string_view text, const char* fits) {
  return Error{"'" + std::string(text) + "' is not " + fits};
}

// A number that is not negative and one of the units; 0 needs none.
std::optional<double> parse_number(std::string_view text, std::span<const Unit> units) {
  double number = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (error != std::errc{} || !(number >= 0)) return std::nullopt;
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  if (number == 0 && unit.empty()) return 0.0;
  for (const Unit& u : units)
    if (u.name == unit && number * u.factor <= kLargest) return number * u.factor;
  return std::nullopt;
}

Result<std::uint32_t> parse_count(std::string_view text) {
  std::uint32_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc{} || end != text.data() + text.size()) return bad(text, "a whole number");
  return count;
}

// Stores a parsed value, or passes the error on.
template <class T, class Field>
Result<void> store(const Result<T>& parsed, Field& field) {
  if (!parsed) return parsed.error();
  field = *parsed;
  return {};
}

// One of two words.
template <class T>
Result<void> store_word(std::string_view text, T& field,
                        const std::array<std::pair<std::string_view, T>, 2>& words) {
  for (const auto& [word, value] : words) {
    if (word != text) continue;
    field = value;
    return {};
  }
  return Error{"'" + std::string(text) + "' is neither " + std::string(words[0].first) + " nor " +
               std::string(words[1].first)};
}

Result<void> store_burst(std::string_view text, LinkSettings& settings) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) {
    if (text == "0") return store(Result<std::uint32_t>(0u), settings.burst_begin_ppm);
    return bad(text, "begin/end as in 1%/25%, or 0");
  }
  const auto begin = parse_ratio(text.substr(0, slash));
  const auto end = parse_ratio(text.substr(slash + 1));
  if (!begin) return begin.error();
  if (!end) return end.error();
  settings.burst_begin_ppm = *begin;
  settings.burst_end_ppm = *end;
  return {};
}

Result<void> apply_value(LinkSettings& s, std::string_view key, std::string_view value) {
  if (key == "delay") return store(parse_duration(value), s.delay);
  if (key == "jitter") return store(parse_duration(value), s.jitter);
  if (key == "rate") return store(parse_rate(value), s.rate);
  if (key == "overhead") return store(parse_count(value), s.overhead_bytes);
  if (key == "queue_bytes") return store(parse_bytes(value), s.queue_bytes_max);
  if (key == "queue_packets") return store(parse_count(value), s.queue_packets_max);
  if (key == "loss") return store(parse_ratio(value), s.loss_ppm);
  if (key == "burst") return store_burst(value, s);
  if (key == "mtu") return store(parse_count(value), s.mtu_bytes);
  if (key == "distribution")
    return store_word<LinkJitter>(
        value, s.jitter_kind,
        {{{"normal", LinkJitter::Normal}, {"exponential", LinkJitter::Exponential}}});
  if (key == "order")
    return store_word<LinkOrder>(value, s.order,
                                 {{{"kept", LinkOrder::Kept}, {"free", LinkOrder::Free}}});
  if (key == "semantics")
    return store_word<LinkSemantics>(
        value, s.semantics, {{{"link", LinkSemantics::Link}, {"netem", LinkSemantics::Netem}}});
  return Error{
      "no such setting; there are delay, jitter, distribution, order, rate, overhead, "
      "queue_bytes, queue_packets, loss, burst, mtu, semantics"};
}

}  // namespace

Result<void> apply_setting(LinkSettings& settings, std::string_view key_value) {
  const std::size_t equals = key_value.find('=');
  if (equals == std::string_view::npos) return bad(key_value, "key=value");
  const std::string_view key = key_value.substr(0, equals);
  const auto applied = apply_value(settings, key, key_value.substr(equals + 1));
  if (!applied) return Error{std::string(key) + ": " + applied.error().message};
  return {};
}

Result<Duration> parse_duration(std::string_view text) {
  const auto number = parse_number(text, kDurations);
  if (!number) return bad(text, "a time as in 40ms (units ns, us, ms, s, min)");
  return Duration(std::llround(*number));
}

Result<BitRate> parse_rate(std::string_view text) {
  const auto number = parse_number(text, kRates);
  if (!number) return bad(text, "a rate as in 20Mbit (units bit, kbit, Mbit, Gbit)");
  return BitRate{static_cast<std::uint64_t>(std::llround(*number))};
}

Result<std::uint32_t> parse_ratio(std::string_view text) {
  const auto number = parse_number(text, kRatios);
  if (!number || *number > 1e6) return bad(text, "a ratio from 0 to 100% as in 1% or 500ppm");
  return static_cast<std::uint32_t>(std::lround(*number));
}

Result<std::uint64_t> parse_bytes(std::string_view text) {
  const auto number = parse_number(text, kSizes);
  if (!number) return bad(text, "a size as in 64KB (units B, KB, KiB, MB, MiB)");
  return static_cast<std::uint64_t>(std::llround(*number));
}

std::string to_text(const LinkSettings& s) {
  const auto number = [](std::integral auto n) { return std::to_string(n); };
  const bool netem = s.semantics == LinkSemantics::Netem;
  const bool normal = s.jitter_kind == LinkJitter::Normal;
  return "delay=" + number(s.delay.count()) + "ns jitter=" + number(s.jitter.count()) +
         "ns distribution=" + (normal ? "normal" : "exponential") +
         " order=" + (s.order == LinkOrder::Kept ? "kept" : "free") +
         " rate=" + number(s.rate.bits_per_second) + "bit overhead=" + number(s.overhead_bytes) +
         " queue_bytes=" + number(s.queue_bytes_max) +
         " queue_packets=" + number(s.queue_packets_max) + " loss=" + number(s.loss_ppm) +
         "ppm burst=" + number(s.burst_begin_ppm) + "ppm/" + number(s.burst_end_ppm) +
         "ppm mtu=" + number(s.mtu_bytes) + " semantics=" + (netem ? "netem" : "link");
}

}  // namespace wanbond
