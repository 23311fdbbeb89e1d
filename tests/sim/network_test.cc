// World, Link, Nat and Internet: the ground under every scenario.
#include <doctest/doctest.h>

#include <vector>

#include "tests/sim/twice.h"
#include "tests/sim/wan.h"

using namespace wanbond;
using namespace wanbond::sim;

namespace {

const Endpoint kInside{IpAddress::v4(0x0a000001), 51900};
const Endpoint kServer{IpAddress::v4(0xc6336401), 51900};
const IpAddress kPublic = IpAddress::v4(0xcb007101);

Datagram datagram(const Endpoint& from, const Endpoint& to, std::size_t size = 100) {
  return {from, to, 0, std::vector<std::byte>(size)};
}

}  // namespace

TEST_SUITE("sim_network") {
  TEST_CASE("actions run in the order of time, then of insertion") {
    World world(1);
    CHECK(world.now() == Time(1s));
    std::vector<int> order;
    world.after(2ms, [&] { order.push_back(3); });
    world.after(1ms, [&] { order.push_back(1); });
    world.after(1ms, [&] { order.push_back(2); });
    world.run_for(1ms);
    CHECK(order == std::vector{1, 2});
    world.run_for(5ms);
    CHECK(order == std::vector{1, 2, 3});
    CHECK(world.now() == Time(1s + 6ms));
  }

  TEST_CASE("run_until stops at the action that makes the condition true") {
    World world(1);
    bool seen = false;
    world.after(3ms, [&] { seen = true; });
    world.after(4ms, [&] { seen = false; });
    CHECK(world.run_until([&] { return seen; }, 10ms));
    CHECK(world.now() == Time(1s + 3ms));
    CHECK_FALSE(world.run_until([&] { return world.now() > Time(9s); }, 10ms));
    CHECK(world.now() == Time(1s + 13ms));
  }

  TEST_CASE("one seed gives one trace, another seed another") {
    const auto run = [](std::uint64_t seed) {
      World world(seed);
      Link link(world, {.delay = 5ms, .jitter = 1ms, .loss_ppm = 100'000},
                [&](Datagram&& d) { world.trace(Bytes(d.bytes)); });
      for (int i = 0; i < 100; ++i) link.send(datagram(kInside, kServer));
      world.run_for(1s);
      return world.trace_hash();
    };
    CHECK(run(7) == run(7));
    CHECK(run(7) != run(8));
  }

  TEST_CASE("a link delivers after its delay and serialises at its rate") {
    World world(1);
    std::vector<Time> arrivals;
    Link link(world, {.delay = 10ms, .rate = {8'000'000}},
              [&](Datagram&&) { arrivals.push_back(world.now()); });
    for (int i = 0; i < 3; ++i) link.send(datagram(kInside, kServer, 972));  // 1000 as IPv4
    world.run_for(1s);
    CHECK(arrivals == std::vector{Time(1011ms), Time(1012ms), Time(1013ms)});
  }

  TEST_CASE("a cut discards what is in the link, silently") {
    World world(1);
    int arrived = 0;
    Link link(world, {.delay = 10ms}, [&](Datagram&&) { ++arrived; });
    link.send(datagram(kInside, kServer));
    world.run_for(5ms);
    link.cut();
    CHECK(link.cut_at() == Time(1005ms));
    link.send(datagram(kInside, kServer));
    world.run_for(1s);
    CHECK(arrived == 0);
    link.restore();
    link.send(datagram(kInside, kServer));
    world.run_for(1s);
    CHECK(arrived == 1);
  }

  // inside ---- up ---> NAT ----> server
  TEST_CASE("a NAT box rewrites, filters, rebinds and forgets") {
    World world(1);
    Internet internet;
    std::vector<Datagram> at_server;
    std::vector<Datagram> at_host;
    internet.attach(kServer.address, {9, [&](Datagram&& d) { at_server.push_back(std::move(d)); }});
    Wan wan({world, internet, 1},
            {.name = "dsl", .local = kInside, .nat_address = kPublic, .nat_memory = 30s},
            [&](Datagram&& d) { at_host.push_back(std::move(d)); });
    CHECK(internet.host_of(kPublic) == 1U);
    const auto call = [&] {
      wan.send(datagram(kInside, kServer));
      world.run_for(1ms);
      return at_server.back().from;
    };
    const auto answer = [&](const Endpoint& from, const Endpoint& to) {
      at_host.clear();
      internet.send(datagram(from, to));
      world.run_for(1ms);
      return !at_host.empty();
    };
    const Endpoint first = call();
    CHECK(first.address == kPublic);
    CHECK(answer(kServer, first));
    CHECK(at_host[0].to == kInside);
    CHECK_FALSE(answer({kServer.address, 1}, first));  // never sent to
    wan.rebind();
    CHECK_FALSE(answer(kServer, first));
    const Endpoint second = call();
    CHECK(second != first);
    CHECK(answer(kServer, second));
    world.run_for(31s);
    CHECK_FALSE(answer(kServer, second));
    CHECK(call() != second);
  }
}
