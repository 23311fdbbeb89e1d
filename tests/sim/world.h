// World: virtual time of the simulator, its event queue, its seed and the hash of all that
// happened. Everything in a scenario hangs on one World.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/time.h"
#include "tests/sim/hash.h"
#include "tests/sim/seeded_random.h"

namespace wanbond::sim {

/// Runs actions in the order of (time, insertion). Nothing in it depends on addresses, the real
/// clock or the machine, so one seed gives one trace.
class World {
 public:
  using Action = std::function<void()>;

  explicit World(std::uint64_t seed) noexcept : seed_(seed), random_(seed) {}
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  /// Starts at 1 s, so that "zero" and "the beginning" are not the same.
  Time now() const noexcept { return now_; }
  std::uint64_t seed() const noexcept { return seed_; }
  SeededRandom& random() noexcept { return random_; }

  /// Runs `action` at `time`, or now if that has passed.
  void at(Time time, Action action);
  void after(Duration delay, Action action) { at(now_ + delay, std::move(action)); }

  /// Runs all that is due up to and at `end`; now() is `end` afterwards.
  void run_until(Time end);
  void run_for(Duration duration) { run_until(now_ + duration); }
  /// Runs until `condition` holds, looking after every action; false when it does not within
  /// `limit`.
  bool run_until(const std::function<bool()>& condition, Duration limit);

  /// Folds a value, with the present time, into the trace.
  void trace(std::uint64_t value) noexcept { stamp().add(value); }
  void trace(Bytes bytes) noexcept { stamp().add(bytes); }
  std::uint64_t trace_hash() const noexcept { return hash_.value(); }

  /// Whoever wants to read what happens: called with each line of note(). For debugging only.
  void set_reader(std::function<void(const std::string&)> reader) { reader_ = std::move(reader); }
  bool has_reader() const noexcept { return reader_ != nullptr; }
  /// A line about this moment; make it only if has_reader().
  void note(const std::string& line) const;

 private:
  struct Entry {
    Time time;
    std::uint64_t number;
    Action action;
  };
  static bool later(const Entry& a, const Entry& b) noexcept;
  bool step(Time end);
  Hash& stamp() noexcept {
    return hash_.add(static_cast<std::uint64_t>(now_.time_since_epoch().count()));
  }

  Time now_{1s};
  std::uint64_t seed_;
  SeededRandom random_;
  std::vector<Entry> queue_;  // a heap, the earliest in front
  std::uint64_t next_number_ = 0;
  Hash hash_;
  std::function<void(const std::string&)> reader_;
};

}  // namespace wanbond::sim
