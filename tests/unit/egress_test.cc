#include "core/egress.h"

#include <doctest/doctest.h>

#include <vector>

#include "core/salvage.h"
#include "proto/frames.h"
#include "proto/limits.h"
#include "proto/wire.h"
#include "tests/sim/seeded_random.h"
#include "tests/unit/inner_packets.h"

using namespace wanbond;

namespace {

const Time kNow{5s};
const Endpoint kFar = *Endpoint::parse("198.51.100.1:51900");
const Endpoint kOther = *Endpoint::parse("203.0.113.9:4000");
constexpr std::size_t kPayloadMax = 1472;

/// A keyring with keys, two paths and what leaves.
struct Bench {
  Bench() {
    const TrafficKeys keys{Cipher::ChaCha20Poly1305, Key32::generate(random),
                           Key32::generate(random)};
    (void)keyring.install_initiator(kNow, keys, {64, 128});
  }
  Path make_path(std::uint8_t id, const Endpoint& remote) {
    return Path(kNow, {PathId{id}, {SocketId{0}, remote, {}}, PathOrigin::Configured}, wan, random);
  }
  /// A UDP packet of `payload_bytes` from the LAN, sent on `path`.
  void send(std::size_t payload_bytes, Path& path) {
    test::Buffer read(kVirtioHeaderBytes);
    const auto packet = test::make_packet(
        {.protocol = kProtocolUdp, .payload_bytes = payload_bytes}, Checksum::Full);
    read.insert(read.end(), packet.begin(), packet.end());
    const auto super = SuperPacket::parse(read);
    REQUIRE(super);
    (void)egress.send(kNow, *super, {path, kPayloadMax}, {}, out);
  }
  /// Sizes of the datagrams of each train so far; numbers must go up within each path.
  std::vector<std::vector<std::size_t>> trains() {
    std::vector<std::vector<std::size_t>> all;
    for (const Transmit& train : out.trains()) {
      all.emplace_back();
      const Bytes bytes = train.segments.buffer.bytes();
      for (std::size_t at = 0; at < bytes.size(); at += train.segments.segment_bytes) {
        const Bytes rest = bytes.subspan(at);
        all.back().push_back(std::min<std::size_t>(rest.size(), train.segments.segment_bytes));
        WireError error{};
        const auto header = parse_header(rest.first(all.back().back()), error);
        REQUIRE(header);
        std::uint32_t& next = next_number[header->cid.path().value];
        CHECK(header->packet_number == next++);
      }
    }
    return all;
  }

  sim::SeededRandom random{7};
  PacketPool pool{16 << 20};
  Keyring keyring{random, {}};
  DropCounters drops;
  WanSettings wan{.name = "w"};
  Outbox out;
  RetainedPackets retained;
  Egress egress{keyring, pool, drops, retained};
  std::array<std::uint32_t, kPathCountMax> next_number{};
};

using Sizes = std::vector<std::vector<std::size_t>>;
constexpr std::size_t kAround = 28 + kDataOverheadBytes;  // of an inner UDP payload

}  // namespace

TEST_SUITE("egress") {
  TEST_CASE("packets of equal size leave as one train, when the batch ends") {
    const auto bench = std::make_unique<Bench>();
    Path path = bench->make_path(1, kFar);
    for (int i = 0; i < 5; ++i) bench->send(200, path);
    CHECK(bench->out.trains().empty());
    bench->egress.flush(bench->out);
    CHECK(bench->trains() == Sizes{std::vector<std::size_t>(5, 200 + kAround)});
    bench->egress.flush(bench->out);
    CHECK(bench->out.trains().size() == 1);
  }

  TEST_CASE("a shorter packet ends a train at once, a longer one begins the next") {
    const auto bench = std::make_unique<Bench>();
    Path path = bench->make_path(1, kFar);
    for (const std::size_t size : {200, 200, 100}) bench->send(size, path);
    CHECK(bench->out.trains().size() == 1);
    for (const std::size_t size : {100, 300}) bench->send(size, path);
    CHECK(bench->out.trains().size() == 2);
    bench->egress.flush(bench->out);
    CHECK(bench->trains() ==
          Sizes{{200 + kAround, 200 + kAround, 100 + kAround}, {100 + kAround}, {300 + kAround}});
  }

  TEST_CASE("a train holds 64 datagrams and less than one UDP datagram of IPv6") {
    const auto bench = std::make_unique<Bench>();
    Path path = bench->make_path(1, kFar);
    for (int i = 0; i < 65; ++i) bench->send(100, path);
    CHECK(bench->out.trains().size() == 1);
    for (int i = 0; i < 100; ++i) bench->send(1400, path);
    bench->egress.flush(bench->out);
    std::size_t datagrams = 0;
    for (const Transmit& train : bench->out.trains()) {
      CHECK(train.segments.count() <= 64);
      CHECK(train.segments.buffer.size() <= 65'000);
      datagrams += train.segments.count();
    }
    CHECK(datagrams == 165);
    CHECK(bench->out.trains().size() == 2 + 3);  // 44 and 44 and 12
  }

  TEST_CASE("packets of several paths in turn leave as one train for each") {
    const auto bench = std::make_unique<Bench>();
    Path path = bench->make_path(1, kFar);
    Path other = bench->make_path(2, kOther);
    for (int i = 0; i < 5; ++i) {
      bench->send(200, path);
      bench->send(400, other);
    }
    bench->egress.flush(bench->out);
    CHECK(bench->trains() == Sizes{std::vector<std::size_t>(5, 200 + kAround),
                                   std::vector<std::size_t>(5, 400 + kAround)});
    CHECK(bench->out.trains()[1].remote == kOther);
  }

  TEST_CASE("with more paths at once than trains stay open nothing is lost or overtaken") {
    const auto bench = std::make_unique<Bench>();
    std::vector<Path> paths;
    for (std::uint8_t id = 1; id <= 6; ++id)
      paths.push_back(bench->make_path(id, {kFar.address, static_cast<std::uint16_t>(4000 + id)}));
    for (int i = 0; i < 3; ++i)
      for (Path& path : paths) bench->send(200, path);
    bench->egress.flush(bench->out);
    std::size_t datagrams = 0;
    for (const auto& train : bench->trains()) datagrams += train.size();
    CHECK(datagrams == 18);
  }

  TEST_CASE("control packets overtake no datagram of their path, nor wait for other paths") {
    const auto bench = std::make_unique<Bench>();
    Path path = bench->make_path(1, kFar);
    Path other = bench->make_path(2, kOther);
    bench->send(200, path);
    bench->send(200, other);
    bench->send(200, path);
    ControlPlan plan{.to = path.address()};
    REQUIRE(plan.frames.push(CloseFrame{CloseReason::Shutdown}));
    bench->egress.send_control(kNow, plan, path, bench->out);
    CHECK(bench->out.trains().size() == 2);
    bench->egress.flush(bench->out);
    REQUIRE(bench->out.trains().size() == 3);
    CHECK(bench->out.trains()[2].remote == kOther);
    CHECK(bench->trains()[0] == std::vector<std::size_t>(2, 200 + kAround));  // checks the numbers
  }

  TEST_CASE("voids leave in trains, behind the data before them") {
    const auto bench = std::make_unique<Bench>();
    Path path = bench->make_path(1, kFar);
    bench->send(200, path);
    for (std::uint32_t i = 0; i < 66; ++i)
      bench->egress.send_void(kNow, {.stream = 1, .sequence = i}, path, bench->out);
    bench->egress.flush(bench->out);
    CHECK(bench->trains() == Sizes{{200 + kAround, kDataOverheadBytes},
                                   std::vector<std::size_t>(64, kDataOverheadBytes),
                                   {kDataOverheadBytes}});
  }

  TEST_CASE("what is too large for the path, or finds no buffer, is counted and harms nothing") {
    const auto bench = std::make_unique<Bench>();
    Path path = bench->make_path(1, kFar);
    bench->send(200, path);
    bench->send(1450, path);
    CHECK(bench->drops.of(DropReason::TooBig) == 1);
    bench->send(200, path);
    bench->egress.flush(bench->out);
    CHECK(bench->trains() == Sizes{{200 + kAround, 200 + kAround}});
    std::vector<Packet> held;
    while (true) {
      Packet packet = bench->pool.acquire(0);
      if (!packet.valid()) break;
      held.push_back(std::move(packet));
    }
    bench->send(200, path);
    CHECK(bench->drops.of(DropReason::NoBuffer) == 1);
    held.pop_back();
    held.clear();
    bench->out.clear();
    bench->send(200, path);
    bench->egress.flush(bench->out);
    CHECK(bench->out.trains().size() == 1);
    bench->out.clear();
    CHECK(bench->pool.used_count() == 0);
  }

  TEST_CASE("a report of numbers that were never sent settles and loses nothing") {
    const auto bench = std::make_unique<Bench>();
    FlowTable flows;
    Salvage salvage(bench->egress, bench->retained, flows);
    Path path = bench->make_path(1, kFar);
    for (int i = 0; i < 5; ++i) bench->send(200, path);
    REQUIRE(path.next_number() == 5);
    const auto report = [&](std::uint32_t largest, std::uint32_t first) {
      std::array<std::byte, 64> room{};
      ByteWriter out(room);
      const NumberRange range{first, largest};
      write_ack_ranges(out, {&range, 1});
      FeedbackFrame frame;
      frame.path = path.id();
      frame.largest_packet_number = largest;
      frame.blocks = out.written();
      salvage.on_report(kNow, path, frame, nullptr, bench->out);
    };
    report(5, 0);
    report(1000, 999);
    CHECK(path.sent_log().live_count() == 5);
    report(4, 0);
    CHECK(path.sent_log().live_count() == 0);
  }
}
