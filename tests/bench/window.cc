// Station 5 of the way in: the replay window, numbers in order and shuffled within 64.
#include <memory>
#include <tuple>

#include "cases.h"
#include "crypto/replay.h"

namespace wanbond {
namespace {

constexpr std::uint32_t kBatch = 1024;

// Takes the next kBatch numbers, each with its low bits changed by `scramble` (a permutation of
// every 64). A new window once the numbers end.
struct Stream {
  ReplayWindow window;
  std::uint32_t next = 0;

  void take(std::uint32_t scramble) {
    if (next >= kPacketNumberEnd - kBatch) *this = Stream();
    std::uint32_t good = 0;
    for (std::uint32_t i = 0; i < kBatch; ++i) good += window.accept((next + i) ^ scramble) ? 1 : 0;
    next += kBatch;
    keep(good);
  }
};

}  // namespace

void add_window(Measure& measure) {
  for (const auto& [name, scramble, baseline] :
       {std::tuple{"window in order", 0u, ""}, {"window out of order", 37u, "window in order"}}) {
    measure.add(
        {name,
         [stream = std::make_shared<Stream>(), scramble = scramble] { stream->take(scramble); },
         kBatch, 0, baseline});
  }
}

}  // namespace wanbond
