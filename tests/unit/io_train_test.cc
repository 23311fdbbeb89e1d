// Trains (UDP_SEGMENT) against both back ends over loopback, and what becomes of refused ones.
#include <doctest/doctest.h>
#include <errno.h>

#include <vector>

#include "io/socket_table.h"
#include "tests/unit/io_fixture.h"

using namespace wanbond;

TEST_SUITE("io_train") {
  TEST_CASE("a train of 40 segments with a short tail arrives complete and in order") {
    for_each_io([](Io& io, PacketPool& pool) {
      Pair pair(io, "127.0.0.1");
      Transmit train = train_of(pool, pair.endpoints[1], 1400, 40);
      train.segments.buffer.resize(39 * 1400 + 500);
      REQUIRE(io.transmit(std::move(train)));
      std::vector<std::uint32_t> numbers;
      std::size_t bytes = 0;
      run(
          io,
          [&](Completion& c) {
            CHECK(c.kind == Completion::Kind::Datagrams);
            take_numbers(c, numbers);
            bytes += c.bytes.size();
          },
          [&] { return numbers.size() == 40; });
      CHECK(numbers.size() == 40);
      CHECK(bytes == 39 * 1400 + 500);
      CHECK(is_counting(numbers));
    });
  }

  TEST_CASE("trains that the kernel refuses go singly to that remote, in order, and are counted") {
    for_each_io([](Io& io, PacketPool& pool) {
      Pair pair(io, "127.0.0.1");
      // Without checksums UDP_SEGMENT is refused with EINVAL, and single datagrams are not.
      const int on = 1;
      REQUIRE(::setsockopt(pair.fds[0].get(), SOL_SOCKET, SO_NO_CHECK, &on, sizeof(on)) == 0);
      for (std::uint32_t first : {0U, 10U, 20U})
        REQUIRE(io.transmit(train_of(pool, pair.endpoints[1], 1000, 10, first)));
      std::vector<std::uint32_t> numbers;
      run(
          io,
          [&](Completion& c) {
            CHECK(c.kind == Completion::Kind::Datagrams);
            take_numbers(c, numbers);
          },
          [&] { return numbers.size() == 30; });
      CHECK(numbers.size() == 30);
      CHECK(is_counting(numbers));
      const std::uint64_t once = io.counters().gso_fallbacks;
      CHECK(once >= 1);
      REQUIRE(io.transmit(train_of(pool, pair.endpoints[1], 1000, 10)));  // by now not tried whole
      io.wait(monotonic_now());
      CHECK(io.counters().gso_fallbacks == once);
      REQUIRE(io.transmit(train_of(pool, pair.endpoints[0], 1000, 10)));  // another remote: is
      io.wait(monotonic_now());
      (void)io.reap();
      CHECK(io.counters().gso_fallbacks == once + 1);
      CHECK(io.counters().send_failures == 0);
    });
  }

  TEST_CASE("a remote that refused trains is tried again after ten minutes; the oldest give way") {
    TrainRefusals refusals;
    const auto remote = [](std::uint16_t port) { return Endpoint{IpAddress::v4(1), port}; };
    CHECK(refusals.empty());
    refusals.add(Time{1s}, remote(1));
    CHECK(refusals.includes(Time{1s}, remote(1)));
    CHECK_FALSE(refusals.includes(Time{1s}, remote(2)));
    CHECK(refusals.includes(Time{600s}, remote(1)));
    CHECK_FALSE(refusals.includes(Time{601s}, remote(1)));
    for (std::uint16_t port = 2; port < 2 + TrainRefusals::kCount; ++port)
      refusals.add(Time{2s}, remote(port));
    CHECK_FALSE(refusals.includes(Time{3s}, remote(1)));
    CHECK(refusals.includes(Time{3s}, remote(2)));
    refusals.add(Time{5s}, remote(2));  // now the newest, and still one entry
    refusals.add(Time{6s}, remote(100));
    CHECK(refusals.includes(Time{6s}, remote(2)));
    CHECK_FALSE(refusals.includes(Time{6s}, remote(3)));
    CHECK(refusals.includes(Time{6s}, remote(4)));
  }

  TEST_CASE("an error that single datagrams meet as well is reported and blames no train") {
    PacketPool pool(kBudget);
    for_each_io([&](Io& io, PacketPool&) {
      Pair pair(io, "127.0.0.1");
      SocketTable table;
      SocketPlace* place = *table.add(kA, pair.fds[0].get());
      IoCounters counters;
      const Transmit lost = train_of(pool, *Endpoint::parse("192.0.2.1:9"), 1000, 10);
      CHECK(recover_train(*place, lost, EIO, counters) == EINVAL);  // from loopback
      const Transmit train = train_of(pool, pair.endpoints[1], 1000, 10);
      CHECK(recover_train(*place, train, EPERM, counters) == EPERM);
      CHECK(place->refusals.empty());
      CHECK(counters.gso_fallbacks == 0);
      CHECK(recover_train(*place, train, EMSGSIZE, counters) == 0);
      CHECK(goes_singly(*place, train));
      CHECK(counters.gso_fallbacks == 1);
    });
  }

  TEST_CASE("a train of more segments than the kernel takes arrives, and blames nobody") {
    for_each_io([](Io& io, PacketPool& pool) {
      Pair pair(io, "127.0.0.1");
      for (std::uint32_t first : {0U, 300U})
        REQUIRE(io.transmit(train_of(pool, pair.endpoints[1], 100, 300, first)));  // EINVAL
      std::vector<std::uint32_t> numbers;
      run(
          io,
          [&](Completion& c) {
            CHECK(c.kind == Completion::Kind::Datagrams);
            take_numbers(c, numbers);
          },
          [&] { return numbers.size() == 600; });
      CHECK(numbers.size() == 600);
      CHECK(is_counting(numbers));
      CHECK(io.counters().gso_fallbacks == 0);
      CHECK(io.counters().send_failures == 0);
    });
  }
}
