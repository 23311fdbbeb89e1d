// What the micro benchmarks share: cases by name, rounds in turn, ns per packet as a table. CPU
// time, so that other work on the machine counts only by what it does to the caches.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace wanbond {

/// Something to measure. Its memory is its own: `call` may be made any number of times.
struct BenchCase {
  std::string name;
  std::function<void()> call;
  std::uint64_t packets = 1;       // inner packets that one call handles
  std::uint64_t packet_bytes = 0;  // of each
  std::string baseline;            // name of the case it is compared with, or empty
};

/// Runs the cases that the command line names, in turn, round after round:
///
///     micro [--list] [--rounds N] [--ms N] [--count N] [--json FILE] [NAME ...]
///
/// NAME selects the cases whose names contain it; their baselines come along. --ms is the length
/// of one round of a case. --count makes one call of each case and then that many more within
/// call_times(), and takes no time: for `valgrind --tool=callgrind
/// --toggle-collect='*call_times*'`.
class Measure {
 public:
  void add(BenchCase one) { cases_.push_back(std::move(one)); }
  /// The exit status: 2 for a wrong command line, else 0.
  int run(int argc, char** argv);

 private:
  struct Line {
    const BenchCase* one;
    std::uint64_t calls = 1;    // in a round
    std::vector<double> times;  // ns per packet, by round
  };

  bool read_options(int argc, char** argv);
  std::vector<Line> selected() const;
  bool is_wanted(const BenchCase& one) const;
  void calibrate(Line& line) const;
  void print(const std::vector<Line>& lines) const;
  bool write_json(const std::vector<Line>& lines) const;

  std::vector<BenchCase> cases_;
  std::vector<std::string> names_;
  std::string json_;
  std::uint64_t rounds_ = 15, round_ms_ = 20, count_ = 0;
  bool list_ = false;
};

/// Keeps the compiler from leaving out the work that made `value`.
template <class T>
void keep(const T& value) {
  asm volatile("" : : "g"(&value) : "memory");
}

}  // namespace wanbond
