// Control (core/control): what a peer's words about paths and addresses do, and what they cannot.
#include "core/control.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/sim/seeded_random.h"

using namespace wanbond;

namespace {

Endpoint at(const std::string& text) { return *Endpoint::parse(text); }

PeerSettings configured_peer() {
  PeerSettings peer;
  peer.endpoints = {at("198.51.100.1:51900")};
  peer.paths = {{SocketId{0}, 0}, {SocketId{0}, std::nullopt}};
  return peer;
}

/// A side with one WAN and one configured endpoint, whose peer may say what it likes.
struct Side {
  void hear(const Frame& frame) {
    std::vector<std::byte> bytes(kFrameHeadBytes + kFrameValueBytesMax);
    ByteWriter writer(bytes);
    write_frame(writer, frame);
    bytes.resize(writer.size());
    const auto frames = FrameReader::open(bytes);
    REQUIRE(frames);
    Path& path = *control.paths()[0];
    (void)control.on_frames(now, path, *frames, {.from = path.address()});
  }

  void offer(std::uint8_t id, const Endpoint& endpoint, AddrAction action = AddrAction::Add) {
    hear(AddrFrame{++sequence, id, action, endpoint});
  }

  std::size_t open_count() const {
    const auto paths = control.paths();
    return static_cast<std::size_t>(std::count_if(
        paths.begin(), paths.end(), [](const auto& path) { return !path->is_closed(); }));
  }

  Time now{1s};
  sim::SeededRandom random{1};
  PeerSettings peer = configured_peer();
  std::vector<WanSettings> wans{{.name = "fiber"}};
  std::vector<WanState> states = std::vector<WanState>(1);
  std::uint16_t sequence = 0;
  Control control{now, {PeerId{0}, OpenerHalf::First, peer, wans, states}, random};
};

}  // namespace

TEST_SUITE("control") {
  TEST_CASE("an offered address gets a path, once, and loses it when it is taken back") {
    Side side;
    REQUIRE(side.open_count() == 1);
    side.offer(3, at("203.0.113.7:4000"));
    CHECK(side.open_count() == 2);
    CHECK(side.control.paths()[1]->origin() == PathOrigin::Offered);
    side.offer(4, at("203.0.113.7:4000"));    // the same under another id
    side.offer(5, at("198.51.100.1:51900"));  // the configured one
    CHECK(side.open_count() == 2);
    side.offer(3, {}, AddrAction::Remove);
    CHECK(side.control.paths()[1]->is_closed());
    side.now += 3s;  // the id is free again, and the address is still offered under another
    side.control.on_timer(side.now, Duration::zero());
    CHECK(side.open_count() == 2);
  }

  TEST_CASE("an offer of an address that no other host can have is not called") {
    Side side;
    std::uint8_t id = 0;
    for (const char* text :
         {"127.0.0.1:9", "0.0.0.0:9", "169.254.1.1:9", "224.0.0.1:9", "255.255.255.255:9",
          "[::1]:9", "[::]:9", "[fe80::1]:9", "[ff02::1]:9"}) {
      CAPTURE(text);
      side.offer(id++, at(text));
      CHECK(side.open_count() == 1);
    }
    side.offer(15, {IpAddress::v4(0xcb007101), 0});  // without a port
    CHECK(side.open_count() == 1);
  }

  TEST_CASE("no more than sixteen addresses are held, whatever their ids") {
    Side side;
    for (unsigned id = 0; id < 256; ++id)
      side.offer(static_cast<std::uint8_t>(id),
                 {IpAddress::v4(0xcb007100 + id), static_cast<std::uint16_t>(1000 + id)});
    CHECK(side.open_count() == 1 + kOfferedAddressCountMax);
  }

  TEST_CASE("an old or repeated word about an address changes nothing") {
    Side side;
    side.offer(0, at("203.0.113.7:4000"));
    const AddrFrame old{side.sequence, 0, AddrAction::Add, at("203.0.113.7:4000")};
    side.offer(0, {}, AddrAction::Remove);
    REQUIRE(side.open_count() == 1);
    side.hear(old);
    CHECK(side.open_count() == 1);
  }

  TEST_CASE("a path that the peer gives up is silent for 3 s, then tried anew if configured") {
    Side side;
    const PathId id = side.control.paths()[0]->id();
    side.hear(PathAbandonFrame{id, PathReason::Config, ++side.sequence});
    CHECK(side.open_count() == 0);
    CHECK_FALSE(side.control.paths()[0]->poll_transmit(side.now));
    side.control.on_timer(side.now + 2999ms, Duration::zero());
    CHECK(side.open_count() == 0);
    side.control.on_timer(side.now + 3s, Duration::zero());
    CHECK(side.open_count() == 1);
  }

  TEST_CASE("words about paths that are not there are heard without harm") {
    Side side;
    for (std::uint8_t id = 0; id < kPathCountMax; ++id) {
      if (PathId{id} == side.control.paths()[0]->id()) continue;
      side.hear(PathStatusFrame{
          .path = PathId{id}, .state = WirePathState::Down, .sequence = ++side.sequence});
      side.hear(PathAbandonFrame{PathId{id}, PathReason::None, ++side.sequence});
    }
    CHECK(side.open_count() == 1);
    CHECK(side.control.paths()[0]->state() == PathState::Candidate);
  }

  TEST_CASE("a spare place of a WAN gets its paths with its name") {
    Side side;
    std::vector<WanSettings> wans{{.name = ""}};
    Control control(side.now, {PeerId{0}, OpenerHalf::First, side.peer, wans, side.states},
                    side.random);
    CHECK(control.paths().empty());
    wans[0].name = "ppp0";
    control.on_wan(side.now, SocketId{0});
    CHECK(control.paths().size() == 1);
    control.on_wan(side.now, SocketId{0});
    CHECK(control.paths().size() == 1);
  }
}
