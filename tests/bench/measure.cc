#include "measure.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <memory>
#include <string_view>

namespace wanbond {
namespace {

double cpu_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

// Not inlined: callgrind knows it by name.
[[gnu::noinline]] void call_times(const BenchCase& one, std::uint64_t count) {
  for (std::uint64_t i = 0; i < count; ++i) one.call();
}

// One call before, which is not counted: caches, and what a case sets up by its first call.
void call_counted(const BenchCase& one, std::uint64_t count) {
  one.call();
  call_times(one, count);
}

double timed(const BenchCase& one, std::uint64_t count) {
  const double start = cpu_ns();
  call_times(one, count);
  return cpu_ns() - start;
}

struct Spread {
  double min = 0, median = 0, max = 0;
};

Spread spread(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return {values.front(), values[values.size() / 2], values.back()};
}

bool read_number(const char* text, std::uint64_t& number) {
  if (text == nullptr) return false;
  const char* end = text + std::strlen(text);
  return std::from_chars(text, end, number).ptr == end && number > 0;
}

}  // namespace

bool Measure::read_options(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    const char* const value = i + 1 < argc ? argv[i + 1] : nullptr;
    if (word.substr(0, 2) != "--") {
      names_.emplace_back(word);
      continue;
    }
    if (word == "--list") {
      list_ = true;
      continue;
    }
    ++i;
    std::uint64_t* const number = word == "--rounds"  ? &rounds_
                                  : word == "--ms"    ? &round_ms_
                                  : word == "--count" ? &count_
                                                      : nullptr;
    if (number != nullptr && read_number(value, *number)) continue;
    if (word != "--json" || value == nullptr) return false;
    json_ = value;
  }
  return true;
}

bool Measure::is_wanted(const BenchCase& one) const {
  return names_.empty() || std::any_of(names_.begin(), names_.end(), [&](const auto& name) {
           return one.name.find(name) != std::string::npos;
         });
}

std::vector<Measure::Line> Measure::selected() const {
  const auto is_baseline = [&](const BenchCase& one) {
    return count_ == 0 && std::any_of(cases_.begin(), cases_.end(), [&](const BenchCase& other) {
             return other.baseline == one.name && is_wanted(other);
           });
  };
  std::vector<Line> lines;
  for (const BenchCase& one : cases_)
    if (is_wanted(one) || is_baseline(one)) lines.push_back({&one, 1, {}});
  return lines;
}

// Doubles the calls until they take a quarter of a round, then scales. Warms up on the way.
void Measure::calibrate(Line& line) const {
  const double round_ns = static_cast<double>(round_ms_) * 1e6;
  double took = timed(*line.one, line.calls);
  while (took < round_ns / 4) {
    line.calls *= 2;
    took = timed(*line.one, line.calls);
  }
  line.calls = std::max<std::uint64_t>(
      1, static_cast<std::uint64_t>(static_cast<double>(line.calls) * round_ns / took));
}

int Measure::run(int argc, char** argv) {
  if (!read_options(argc, argv)) {
    std::fprintf(stderr,
                 "usage: %s [--list] [--rounds N] [--ms N] [--count N] [--json FILE] [NAME ...]\n",
                 argv[0]);
    return 2;
  }
  std::vector<Line> lines = selected();
  for (Line& line : lines) {
    if (list_)
      std::puts(line.one->name.c_str());
    else if (count_ > 0)
      call_counted(*line.one, count_);
    else
      calibrate(line);
  }
  if (list_ || count_ > 0) return 0;
  for (std::uint64_t round = 0; round < rounds_; ++round) {
    for (Line& line : lines)
      line.times.push_back(timed(*line.one, line.calls) /
                           static_cast<double>(line.calls * line.one->packets));
  }
  print(lines);
  return json_.empty() || write_json(lines) ? 0 : 2;
}

// Ratios are taken round by round: what slows a round down slows both.
void Measure::print(const std::vector<Line>& lines) const {
  std::printf("%-28s %6s %9s %9s %9s %8s   %s\n", "case", "bytes", "ns: min", "median", "max",
              "Gbit/s", "times its baseline: median [min, max]");
  for (const Line& line : lines) {
    const BenchCase& one = *line.one;
    const Spread ns = spread(line.times);
    std::printf("%-28s %6llu %9.1f %9.1f %9.1f %8.1f", one.name.c_str(),
                static_cast<unsigned long long>(one.packet_bytes), ns.min, ns.median, ns.max,
                static_cast<double>(one.packet_bytes) * 8 / ns.median);
    const auto base = std::find_if(lines.begin(), lines.end(), [&](const Line& other) {
      return other.one->name == one.baseline;
    });
    if (base != lines.end() && base->one != &one) {
      std::vector<double> ratios;
      for (std::size_t i = 0; i < line.times.size(); ++i)
        ratios.push_back(line.times[i] / base->times[i]);
      const Spread ratio = spread(ratios);
      std::printf("   %6.2f [%.2f, %.2f] %s", ratio.median, ratio.min, ratio.max,
                  one.baseline.c_str());
    }
    std::puts("");
  }
}

bool Measure::write_json(const std::vector<Line>& lines) const {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(json_.c_str(), "w"),
                                                             std::fclose);
  if (!file) {
    std::perror(json_.c_str());
    return false;
  }
  std::fputs("[", file.get());
  for (const Line& line : lines) {
    std::fprintf(
        file.get(), "%s\n{\"case\": \"%s\", \"baseline\": \"%s\", \"bytes\": %llu, \"ns\": [",
        &line == lines.data() ? "" : ",", line.one->name.c_str(), line.one->baseline.c_str(),
        static_cast<unsigned long long>(line.one->packet_bytes));
    for (std::size_t i = 0; i < line.times.size(); ++i)
      std::fprintf(file.get(), "%s%.2f", i == 0 ? "" : ", ", line.times[i]);
    std::fputs("]}", file.get());
  }
  std::fputs("\n]\n", file.get());
  return true;
}

}  // namespace wanbond
