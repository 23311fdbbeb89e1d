// TcpSink: the receiving end of a TCP flow in the scheduler's simulator: SACK with three blocks,
// D-SACK, delayed acknowledgements; and what the user notices: bytes, gaps.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "tests/bond/inner.h"
#include "tests/sim/world.h"

namespace wanbond::bond {

class TcpSink {
 public:
  using Output = std::function<void(const InnerPacket&)>;
  TcpSink(sim::World& world, std::uint16_t flow, Output output);
  TcpSink(const TcpSink&) = delete;
  TcpSink& operator=(const TcpSink&) = delete;

  void on_data(const InnerPacket& packet);
  /// Segments in order, by 10 ms of virtual time since 1 s.
  const std::vector<std::uint32_t>& bins() const noexcept { return bins_; }
  std::uint32_t received() const noexcept { return next_; }
  /// Longest time without progress between `from` and now: forgets it.
  void watch_gaps() noexcept;
  Duration gap_max() const noexcept { return gap_max_; }

 private:
  void insert(std::uint32_t segment);
  void acknowledge();
  void acknowledge_later();

  sim::World& world_;
  std::uint16_t flow_;
  Output output_;
  std::uint32_t next_ = 0;
  std::map<std::uint32_t, std::uint32_t> islands_;  // first to end
  std::uint32_t newest_island_ = 0, second_island_ = 0;
  unsigned waiting_ = 0;
  std::uint64_t delay_number_ = 0;
  bool has_duplicate_ = false, saw_ce_ = false;
  std::vector<std::uint32_t> bins_;
  Time last_progress_{};
  Duration gap_max_{};
};

}  // namespace wanbond::bond
