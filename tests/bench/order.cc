// What a packet pays for being sent again if need be, and for coming out in order and once: the log
// of a path and the packets that are kept, flow lookup, and the resequencer, in order and behind a
// hole. Stations 3 and 7 out, 7 in.
#include <array>
#include <memory>

#include "cases.h"
#include "sched/flow.h"
#include "sched/received.h"
#include "sched/resequencer.h"
#include "sched/retain.h"

namespace wanbond {
namespace {

constexpr std::size_t kFlight = 2048;   // packets between sending and acknowledgement
constexpr std::uint32_t kReport = 128;  // packets that one report acknowledges

/// One path with kFlight packets under way, in super packets of `segments`.
struct Flight {
  explicit Flight(std::uint32_t segments_each) : segments(segments_each) {}
  void send_one() {
    const std::uint32_t number = kept.next_number();
    for (std::uint32_t i = 0; i < segments; ++i, ++next)
      log.push(now, next,
               {.packet = number,
                .segment = static_cast<std::uint16_t>(i),
                .stream = 1,
                .sequence = next & 0xff'ffff});
    kept.keep(now, pool.acquire(segments > 1 ? kPacketBytesMax : 1500), segments);
  }
  void acknowledge() {
    if (next < acknowledged + kFlight + kReport) return;
    acknowledged += kReport;
    log.on_acknowledged(now, {0, acknowledged - 1},
                        [this](const SentSegment& s) { kept.release(s.packet); });
    log.find_lost(now, 2ms, [](const SentSegment&) {});
  }
  void run() {
    now += 1ms;
    for (std::uint32_t sent = 0; sent < kReport; sent += segments) send_one();
    acknowledge();
  }

  std::uint32_t segments;
  std::uint32_t next = 0, acknowledged = 0;
  Time now{1s};
  PacketPool pool{std::size_t{64} << 20};
  RetainedPackets kept;
  SentLog log;
};

/// One ordered stream; with a hole, every kReport packets come with the second of them last.
struct Stream {
  void take(bool has_hole) {
    const auto push = [&](std::uint32_t i) {
      const auto verdict = machine.push(
          now, {1, (next + i) & 0xff'ffff, SequencedArrival::kOrdered, 0, Bytes(content)});
      keep(verdict);
    };
    for (std::uint32_t i = 0; i < kReport; ++i)
      if (!has_hole || i != 1) push(i);
    if (has_hole) push(1);
    while (const auto released = machine.take_released()) keep(released->flags);
    next += kReport;
  }
  Time now{1s};
  std::array<std::byte, 1430> content{};
  std::uint32_t next = 0;
  PacketPool pool{16 << 20};
  Resequencer machine{pool};
};

struct Lookup {
  std::uint64_t state = 1;
  std::array<std::uint64_t, 64> digests{};
  FlowTable table;
  Time now{1s};
};

}  // namespace

void add_order(Measure& measure) {
  for (const std::uint32_t segments : {1U, 32U}) {
    measure.add({"retain and settle, super packets of " + std::to_string(segments),
                 [flight = std::make_shared<Flight>(segments)] { flight->run(); }, kReport, 0, ""});
  }
  const auto lookup = std::make_shared<Lookup>();
  for (std::size_t i = 0; i < lookup->digests.size(); ++i)
    lookup->digests[i] = (i + 1) * 0x9e3779b97f4a7c15;
  measure.add({"flow lookup, 64 flows",
               [lookup] {
                 for (const std::uint64_t digest : lookup->digests)
                   keep(lookup->table.use(lookup->now, digest, FlowKind::Tcp));
               },
               64, 0, ""});
  measure.add({"resequence in order",
               [stream = std::make_shared<Stream>()] { stream->take(false); }, kReport, 0, ""});
  measure.add({"resequence behind a hole",
               [stream = std::make_shared<Stream>()] { stream->take(true); }, kReport, 0,
               "resequence in order"});
  measure.add({"note received numbers",
               [received = std::make_shared<ReceivedNumbers>(), next = std::uint32_t{0}]() mutable {
                 for (std::uint32_t i = 0; i < kReport; ++i) keep(received->on_number(next++));
               },
               kReport, 0, ""});
}

}  // namespace wanbond
