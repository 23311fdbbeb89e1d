// CrossTraffic: finds out by a test whether somebody else fills a path's queue, and competes like
// one TCP where that is so (scheduling 5.10). One per session: two of our own paths behind one
// bottleneck must not take each other for competitors.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "base/time.h"
#include "sched/bond_queue.h"
#include "sched/path_model.h"
#include "sched/rate.h"
#include "sched/units.h"

namespace wanbond {

/// A path as CrossTraffic sees it; null: not there.
struct CrossView {
  const PathModel* model = nullptr;
  RateController* rate = nullptr;
  double in_flight_bytes = 0;
};

/// Delay control gives way to whoever fills buffers. So a path whose queue stays, or whose rate has
/// fallen, is overfed for a moment: if it then delivers more, somebody yielded. If our other paths
/// lost what it gained, it was ourselves.
class CrossTraffic {
 public:
  /// After RateController::on_report() of path `id`: may set its rate and capacity instead.
  void on_report(Time now, std::uint8_t id, std::span<const CrossView> paths) noexcept;
  void on_path_down(std::uint8_t id) noexcept { paths_[id] = {}; }

  bool is_competing(std::uint8_t id) const noexcept { return paths_[id].is_competing; }
  bool is_testing(std::uint8_t id) const noexcept { return paths_[id].is_testing; }
  /// Most bytes in flight while competing.
  double window_bytes(std::uint8_t id) const noexcept { return paths_[id].window / members(id); }
  /// Shares a bottleneck with another path of ours, as far as is known.
  bool is_grouped(std::uint8_t id) const noexcept { return paths_[id].is_grouped; }

 private:
  struct Path {
    bool is_competing = false, is_testing = false, is_grouped = false;
    Time grouped_at{};
    Time busy_since = kNever, high_since = kNever;
    Duration high_queue{};
    Time test_begin{}, test_end{}, test_after{};
    Duration backoff = kBackoffFirst;
    BytesPerSecond delivered_before = 0, test_rate = 0;
    std::array<BytesPerSecond, kBondPathsMax> others_before{};
    double window = 0, window_max = 0;  // bytes; CUBIC's
    Time epoch{}, cut_at{}, low_since = kNever, reported{};
    std::uint64_t lost_seen = 0;
  };
  static constexpr Duration kBackoffFirst = 5s, kBackoffMax = 60s;

  double members(std::uint8_t id) const noexcept { return paths_[id].is_grouped ? 2 : 1; }
  bool seems_taken(Time now, Path& path, const CrossView& view) noexcept;
  void begin_test(Time now, std::uint8_t id, std::span<const CrossView> paths) noexcept;
  void end_test(Time now, std::uint8_t id, std::span<const CrossView> paths) noexcept;
  void back_off(Time now, Path& path, RateController& rate) noexcept;
  void compete(Time now, Path& path, const CrossView& view, double members) noexcept;

  std::array<Path, kBondPathsMax> paths_{};
};

}  // namespace wanbond
