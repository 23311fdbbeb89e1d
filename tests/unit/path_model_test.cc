// PathModel (sched/path_model): what a path is taken for when it seems to outrun this machine.
#include "sched/path_model.h"

#include <doctest/doctest.h>

using namespace wanbond;

namespace {

/// Slots of `length` one behind the other, each of as many full packets as `rate` carries in it.
PathModel fed(unsigned slots, Duration length, BytesPerSecond rate) {
  PathModel model;
  Duration at = 100ms;
  const auto count = static_cast<std::uint32_t>(rate * seconds(length) / 1400);
  for (std::uint16_t number = 0; number < slots; ++number, at += length)
    model.on_slot(Time{at}, {.number = number,
                             .packets = static_cast<std::uint16_t>(count),
                             .full_packets = static_cast<std::uint16_t>(count),
                             .first_bytes = 1400,
                             .full_bytes = count * 1400,
                             .first = at,
                             .last = at + length,
                             .end = at + length,
                             .delay_min = 10ms,
                             .delay_mean = 10ms});
  model.on_report({.now = Time{at}, .written = at, .reverse = 10ms, .capacity = 1e6});
  return model;
}

}  // namespace

TEST_SUITE("path_model") {
  TEST_CASE("a path that delivers 4 Gbit/s for half a window outruns us, a burst does not") {
    CHECK(fed(5, 5ms, 5e8).outruns_us());
    CHECK_FALSE(fed(1, 1ms, 5e8).outruns_us());
    CHECK_FALSE(fed(5, 5ms, 1e7).outruns_us());
  }
}
