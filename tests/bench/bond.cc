// What the bond's decision costs a packet: paths that are no bottleneck, alone and among eight, and
// a queue in front of them. Station 4 of the way out.
#include "sched/bond.h"

#include <memory>
#include <string>

#include "cases.h"

namespace wanbond {
namespace {

constexpr std::uint16_t kBytes = 1460;

/// Paths whose reports said of them that they are fast.
struct Fast {
  explicit Fast(std::uint8_t paths) {
    for (std::uint8_t id = 0; id < paths; ++id) {
      bond->on_path_up(now, id);
      report(id);
    }
  }
  void report(std::uint8_t id) {
    const Duration at = now.time_since_epoch();
    const SlotReport slot{.packets = 1, .end = at, .delay_min = 1ms, .delay_mean = 1ms};
    bond->on_heard(now, id, 1ms);
    bond->on_report(now, {.path = id,
                          .written = at - 1ms,
                          .slots = {&slot, 1},
                          .train = {1, 32, 1472, 40us, 1us},
                          .largest = 0,
                          .packets = 0,
                          .in_flight = 0});
  }
  void pass(std::uint32_t segments) {
    now += 100us;
    keep(bond->pass(now, 0, segments, segments * kBytes));
    if ((++calls & 511U) == 0) report(0);  // as one comes every 5 ms at 100 kpps
  }
  void queue(std::uint16_t segments) {
    now += 100us;
    keep(bond->push(now, 0, {number++, 0, segments, kBytes, kBytes}, EcnCapable::No));
    while (const auto grant = bond->pull(now)) keep(grant->path);
    if ((++calls & 511U) == 0) report(0);
  }

  std::unique_ptr<Bond> bond = std::make_unique<Bond>();
  Time now{1s};
  std::uint32_t number = 0, calls = 0;
};

}  // namespace

void add_bond(Measure& measure) {
  for (const std::uint8_t paths : {std::uint8_t{2}, std::uint8_t{8}}) {
    const std::string among = ", " + std::to_string(paths) + " paths";
    const auto fast = std::make_shared<Fast>(paths);
    for (const std::uint16_t segments : {std::uint16_t{1}, std::uint16_t{44}}) {
      const std::string size = " " + std::to_string(segments) + " segments";
      measure.add({"bond pass" + size + among, [=] { fast->pass(segments); }, segments, 0, ""});
      measure.add({"bond queue" + size + among, [=] { fast->queue(segments); }, segments, 0, ""});
    }
  }
}

}  // namespace wanbond
