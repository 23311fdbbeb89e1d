// The I/O seam against both back ends over loopback, and the socket and the random numbers under
// it.
#include "io/io.h"

#include <doctest/doctest.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "io/message.h"
#include "io/random.h"
#include "tests/unit/io_fixture.h"

using namespace wanbond;

namespace {

/// Makes `io_uring_setup` fail in this process, as a container's seccomp profile does.
bool deny_io_uring() {
  const sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog program{.len = 4, .filter = const_cast<sock_filter*>(code)};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

}  // namespace

TEST_SUITE("io") {
  TEST_CASE(
      "a datagram arrives with its sender, its local address, its traffic class and its time") {
    for (const char* address : {"127.0.0.1", "::1"}) {
      CAPTURE(address);
      for_each_io([&](Io& io, PacketPool& pool) {
        Pair pair(io, address);
        Transmit train = train_of(pool, pair.endpoints[1], 100);
        train.local = pair.endpoints[0].address;
        train.tos = 0xb9;
        const WallTime sent = wall_now();
        REQUIRE(io.transmit(std::move(train)));
        int seen = 0;
        run(
            io,
            [&](Completion& c) {
              ++seen;
              CHECK(c.kind == Completion::Kind::Datagrams);
              CHECK(c.socket == kB);
              CHECK(c.remote == pair.endpoints[0]);
              CHECK(c.local == pair.endpoints[1].address);
              CHECK(c.tos == 0xb9);
              CHECK(c.bytes.size() == 100);
              CHECK(c.segment_bytes == 100);
              CHECK(c.arrived >= sent);
              CHECK(c.arrived <= wall_now());
            },
            [&] { return seen > 0; });
        CHECK(seen == 1);
      });
    }
  }

  TEST_CASE("what is queued leaves before a rest, which lasts as long as it was asked to") {
    for_each_io([](Io& io, PacketPool& pool) {
      Pair pair(io, "127.0.0.1");
      const Fd plain(::socket(AF_INET, SOCK_DGRAM, 0));
      sockaddr_in at{};
      at.sin_family = AF_INET;
      at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      REQUIRE(::bind(plain.get(), reinterpret_cast<const sockaddr*>(&at), sizeof(at)) == 0);
      const Endpoint to{pair.endpoints[0].address, local_port(plain.get())};
      REQUIRE(io.transmit(train_of(pool, to, 100)));
      const Time until = monotonic_now() + 5ms;
      io.rest(until);
      CHECK(monotonic_now() >= until);
      std::byte got[200];
      CHECK(::recv(plain.get(), got, sizeof(got), MSG_DONTWAIT) == 100);
    });
  }

  TEST_CASE("what arrives in a rest does not end it, and is there after it") {
    for_each_io([](Io& io, PacketPool& pool) {
      Pair pair(io, "127.0.0.1");
      for (int round = 0; round < 3; ++round) {
        CAPTURE(round);
        for (int i = 0; i < 5; ++i)
          REQUIRE(io.transmit(train_of(pool, pair.endpoints[1], 100 + std::size_t(i))));
        const Time until = monotonic_now() + 3ms;
        io.rest(until);
        CHECK(monotonic_now() >= until);
        io.wait(until + 1s);
        CHECK(monotonic_now() < until + 900ms);
        std::size_t seen = 0;
        for (const Completion& c : io.reap()) seen += c.kind == Completion::Kind::Datagrams;
        CHECK(seen == 5);
        CHECK(io.drained());
      }
    });
  }

  TEST_CASE("an empty datagram is reported like any other, and reception goes on") {
    for_each_io([](Io& io, PacketPool& pool) {
      Pair pair(io, "127.0.0.1");
      const Fd plain(::socket(AF_INET, SOCK_DGRAM, 0));
      sockaddr_in to{};
      to.sin_family = AF_INET;
      to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      to.sin_port = htons(pair.endpoints[1].port);
      REQUIRE(::sendto(plain.get(), nullptr, 0, 0, reinterpret_cast<sockaddr*>(&to), sizeof(to)) ==
              0);
      int empty = 0;
      int full = 0;
      const auto see = [&](Completion& c) { c.bytes.empty() ? ++empty : ++full; };
      run(io, see, [&] { return empty > 0; });
      CHECK(empty == 1);
      REQUIRE(io.transmit(train_of(pool, pair.endpoints[1], 100)));
      run(io, see, [&] { return full > 0; });
      CHECK(full == 1);
      CHECK(empty == 1);
    });
  }

  TEST_CASE("a dual-stack socket talks to IPv4 and IPv6") {
    for_each_io([&](Io& io, PacketPool& pool) {
      Result<Fd> dual = open_wan_socket({});
      REQUIRE(dual);
      REQUIRE(io.add_socket(kA, dual->get()));
      for (const char* address : {"127.0.0.1", "::1"}) {
        CAPTURE(address);
        const IpAddress ip = *IpAddress::parse(address);
        Transmit train = train_of(pool, {ip, local_port(dual->get())}, 50);
        train.tos = 2;
        train.local = ip;
        REQUIRE(io.transmit(std::move(train)));
        int seen = 0;
        run(
            io,
            [&](Completion& c) {
              ++seen;
              CHECK(c.kind == Completion::Kind::Datagrams);
              CHECK(c.remote.address == ip);
              CHECK(c.local == ip);
              CHECK(c.tos == 2);
            },
            [&] { return seen > 0; });
        CHECK(seen == 1);
      }
      io.remove_socket(kA);
    });
  }

  TEST_CASE("a refusal of the kernel comes back with its errno and harms nothing") {
    struct Row {
      const char* source;
      Endpoint remote;
      std::size_t bytes;
      int error;
    };
    const Row rows[] = {
        {"127.0.0.1", *Endpoint::parse("127.0.0.1:9"), 65550, EMSGSIZE},   // over 65507
        {"127.0.0.1", *Endpoint::parse("[::1]:9"), 100, EAFNOSUPPORT},     // wrong family
        {"127.0.0.1", *Endpoint::parse("192.0.2.1:9"), 100, EINVAL},       // not from loopback
        {"127.0.0.1", *Endpoint::parse("255.255.255.255:9"), 100, EACCES}  // broadcast
    };
    for_each_io([&](Io& io, PacketPool& pool) {
      for (const Row& row : rows) {
        Pair pair(io, row.source);
        CAPTURE(row.remote.to_string());
        REQUIRE(io.transmit(train_of(pool, row.remote, row.bytes)));
        int failures = 0;
        run(
            io,
            [&](Completion& c) {
              ++failures;
              CHECK(c.kind == Completion::Kind::SendFailed);
              CHECK(c.socket == kA);
              CHECK(c.remote == row.remote);
              CHECK(c.error == row.error);
            },
            [&] { return failures > 0; });
        CHECK(failures == 1);
      }
      Pair pair(io, "127.0.0.1");
      REQUIRE(io.transmit(train_of(pool, pair.endpoints[1], 100)));
      int seen = 0;
      run(
          io, [&](Completion&) { ++seen; }, [&] { return seen > 0; });
      CHECK(seen == 1);
    });
  }

  TEST_CASE("a port where nobody listens is no error") {
    for_each_io([](Io& io, PacketPool& pool) {
      Pair pair(io, "127.0.0.1");
      for (int i = 0; i < 5; ++i) {
        REQUIRE(io.transmit(train_of(pool, *Endpoint::parse("127.0.0.1:9"), 100)));
        io.wait(monotonic_now() + 5ms);
        for (Completion& c : io.reap()) CHECK(c.kind == Completion::Kind::SendFailed);
      }
      REQUIRE(io.transmit(train_of(pool, pair.endpoints[1], 100)));
      int seen = 0;
      run(
          io, [&](Completion&) { ++seen; }, [&] { return seen > 0; });
      CHECK(seen == 1);
    });
  }

  TEST_CASE("a datagram over the device's MTU comes back as EMSGSIZE, alone or in a train") {
    const int code = in_namespace([] {
      bring_up("lo", 1500);
      for (const IoChoice choice : {IoChoice::Uring, IoChoice::Epoll}) {
        PacketPool pool(kBudget);
        std::string why;
        Result<std::unique_ptr<Io>> io = make_io(choice, pool, why);
        if (!io) continue;
        for (const char* address : {"127.0.0.1", "::1"}) {
          Pair pair(**io, address);
          int failures = 0;
          for (std::size_t count : {1U, 4U})
            if (!(*io)->transmit(train_of(pool, pair.endpoints[1], 1600, count))) return false;
          run(
              **io,
              [&](Completion& c) {
                if (c.kind == Completion::Kind::SendFailed && c.error == EMSGSIZE) ++failures;
              },
              [&] { return failures == 2; });
          if (failures != 2) return false;
        }
      }
      return true;
    });
    check_code(code);
  }

  TEST_CASE("a watched descriptor is reported while it is readable, and not after") {
    for_each_io([](Io& io, PacketPool&) {
      const Fd event(::eventfd(0, EFD_NONBLOCK));
      REQUIRE(io.watch(event.get(), 42));
      CHECK_FALSE(io.watch(event.get(), 42));
      io.wait(monotonic_now() + 5ms);
      CHECK(io.reap().empty());
      eventfd_write(event.get(), 1);
      for (int turn = 0; turn < 3; ++turn) {  // a state, not a change
        io.wait(monotonic_now() + 1s);
        const std::span<Completion> got = io.reap();
        REQUIRE(got.size() == 1);
        CHECK(got[0].kind == Completion::Kind::Readable);
        CHECK(got[0].token == 42);
      }
      eventfd_t value = 0;
      eventfd_read(event.get(), &value);
      (void)run(
          io, [](Completion&) {}, [turn = 0]() mutable { return ++turn > 2; });
      io.wait(monotonic_now() + 5ms);
      CHECK(io.reap().empty());
      eventfd_write(event.get(), 1);
      io.unwatch(42);
      io.wait(monotonic_now() + 5ms);
      CHECK(io.reap().empty());
      REQUIRE(io.watch(event.get(), 42));
      io.unwatch(42);
    });
  }

  TEST_CASE("wait returns neither before the deadline nor long after") {
    for_each_io([](Io& io, PacketPool&) {
      for (const Duration pause : {Duration(0), Duration(50us), Duration(3ms), Duration(40ms)}) {
        const Time deadline = monotonic_now() + pause;
        io.wait(deadline);
        const Duration late = monotonic_now() - deadline;
        CHECK(late >= Duration::zero());
        CHECK(late < 20ms);
        CHECK(io.reap().empty());
        CHECK(io.drained());
      }
      const Time before = monotonic_now();
      io.wait(before - 1s);
      CHECK(monotonic_now() - before < 20ms);
    });
  }

  TEST_CASE("reap gives at most 64, and drained says exactly when nothing is left") {
    for_each_io([](Io& io, PacketPool& pool) {
      Pair pair(io, "127.0.0.1");
      // From a plain socket, so that all of it is there before the loop turns.
      const Fd plain(::socket(AF_INET, SOCK_DGRAM, 0));
      for (const std::size_t count : {1U, 63U, 64U, 65U, 200U, 500U}) {
        CAPTURE(count);
        for (std::size_t i = 0; i < count; ++i)
          REQUIRE(send_to(plain.get(), 0x7f000001, pair.endpoints[1].port, 10 + i % 7));
        std::size_t seen = 0;
        for (int turns = 0; seen < count && turns < 100; ++turns) {
          io.wait(monotonic_now());
          const std::span<Completion> got = io.reap();
          CHECK(got.size() <= 64);
          for (const Completion& c : got)
            seen += (c.bytes.size() + c.segment_bytes - 1) / c.segment_bytes;
          CHECK(io.drained() == (seen == count));
        }
        CHECK(seen == count);
      }
      (void)pool;
    });
  }

  TEST_CASE("what arrives between wait and reap is in the batch") {
    for_each_io([](Io& io, PacketPool& pool) {
      Pair pair(io, "127.0.0.1");
      const Fd plain(::socket(AF_INET, SOCK_DGRAM, 0));
      for (int i = 0; i < 50; ++i) {
        io.wait(monotonic_now());
        REQUIRE(send_to(plain.get(), 0x7f000001, pair.endpoints[1].port, 10));
        CHECK(io.reap().size() == 1);
        CHECK(io.drained());
      }
      (void)pool;
    });
  }

  TEST_CASE("100000 datagrams pass: receive buffers and slots come back") {
    for_each_io([](Io& io, PacketPool& pool) {
      Pair pair(io, "127.0.0.1");
      std::uint32_t sent = 0;
      std::vector<std::uint32_t> numbers;
      numbers.reserve(100000);
      const Time end = monotonic_now() + 20s;
      while (numbers.size() < 100000 && monotonic_now() < end) {
        for (int i = 0; i < 20 && sent < 100000 && sent - numbers.size() < 200; ++i)
          if (io.transmit(train_of(pool, pair.endpoints[1], 100 + sent % 5, 1, sent))) ++sent;
        io.wait(monotonic_now() + 10ms);
        for (Completion& c : io.reap()) take_numbers(c, numbers);
      }
      CHECK(numbers.size() == 100000);
      CHECK(is_counting(numbers));
      CHECK(io.counters().send_failures == 0);
    });
  }

  TEST_CASE("no socket starves another") {
    for_each_io([](Io& io, PacketPool& pool) {
      Pair pair(io, "127.0.0.1");
      const Fd plain(::socket(AF_INET, SOCK_DGRAM, 0));
      for (int i = 0; i < 1000; ++i)
        REQUIRE(send_to(plain.get(), 0x7f000001, pair.endpoints[0].port, 10 + i % 7));
      REQUIRE(send_to(plain.get(), 0x7f000001, pair.endpoints[1].port, 10));
      bool other = false;
      for (int turn = 0; turn < 4 && !other; ++turn) {
        io.wait(monotonic_now());
        for (const Completion& c : io.reap()) other = other || c.socket == kB;
      }
      CHECK(other);
      (void)pool;
    });
  }

  TEST_CASE("a port is free at once after remove_socket and after the end of an Io") {
    for_each_io([](Io& io, PacketPool& pool) {
      std::uint16_t port = 0;
      for (int i = 0; i < 20; ++i) {
        const Time before = monotonic_now();
        Result<Fd> fd = open_wan_socket({.source = *IpAddress::parse("127.0.0.1"), .port = port});
        REQUIRE(fd);
        CHECK(monotonic_now() - before < 40ms);  // no retry
        port = local_port(fd->get());
        REQUIRE(io.add_socket(kA, fd->get()));
        REQUIRE(io.transmit(train_of(pool, {*IpAddress::parse("127.0.0.1"), port}, 100)));
        if (i % 2 == 0) io.wait(monotonic_now());
        io.remove_socket(kA);
        CHECK_FALSE(io.transmit(train_of(pool, {*IpAddress::parse("127.0.0.1"), port}, 100)));
      }
    });
    for (const IoChoice choice : {IoChoice::Uring, IoChoice::Epoll}) {
      std::uint16_t port = 0;
      for (int i = 0; i < 5; ++i) {
        PacketPool pool(kBudget);
        std::string why;
        const Time before = monotonic_now();
        Result<Fd> fd = open_wan_socket({.source = *IpAddress::parse("127.0.0.1"), .port = port});
        REQUIRE(fd);
        CHECK(monotonic_now() - before < 40ms);
        port = local_port(fd->get());
        Result<std::unique_ptr<Io>> io = make_io(choice, pool, why);
        if (!io) break;
        REQUIRE((*io)->add_socket(kA, fd->get()));
        for (int k = 0; k < 50; ++k)  // in flight when the Io goes
          (*io)->transmit(train_of(pool, {*IpAddress::parse("127.0.0.1"), port}, 1000, 10));
        if (i % 2 == 0) (*io)->wait(monotonic_now());
        io->reset();  // before the descriptor, as the contract says
      }
    }
  }

  TEST_CASE("the ring refuses what it does not use: operations, and changes of itself") {
    PacketPool pool(kBudget);
    std::string why;
    // Making it tries a forbidden operation; what the register call says can be seen from here.
    const Result<std::unique_ptr<Io>> io = make_io(IoChoice::Uring, pool, why);
    if (!io) {
      MESSAGE("skipped: " << io.error().message);
      return;
    }
    int rings = 0;
    for (int fd = 0; fd < 1024; ++fd) {
      char target[64] = "";
      const std::string link = "/proc/self/fd/" + std::to_string(fd);
      if (::readlink(link.c_str(), target, sizeof(target) - 1) <= 0) continue;
      if (std::strstr(target, "[io_uring]") == nullptr) continue;
      ++rings;
      const int event = 0;
      constexpr unsigned kRegisterEventfd = 4;
      CHECK(::syscall(SYS_io_uring_register, fd, kRegisterEventfd, &event, 1) == -1);
      CHECK(errno == EACCES);
    }
    CHECK(rings == 1);
  }

  TEST_CASE("where io_uring is denied, Auto takes epoll and says why, Uring is an error") {
    const int code = in_namespace([] {
      if (!deny_io_uring()) ::_exit(77);
      PacketPool pool(kBudget);
      std::string why;
      Result<std::unique_ptr<Io>> automatic = make_io(IoChoice::Auto, pool, why);
      if (!automatic || std::strcmp((*automatic)->name(), "epoll") != 0) return false;
      if (why.find("seccomp") == std::string::npos) return false;
      return !make_io(IoChoice::Uring, pool, why);
    });
    check_code(code);
  }

  TEST_CASE("a WAN socket error names what is missing and the cure") {
    const auto message = [](const WanSocketSettings& settings) {
      const Result<Fd> fd = open_wan_socket(settings);
      return fd ? std::string("opened") : fd.error().message;
    };
    CHECK(message({.device = "wb-absent0"}).find("wb-absent0") != std::string::npos);
    CHECK(message({.source = *IpAddress::parse("192.0.2.77")}).find("192.0.2.77") !=
          std::string::npos);
    const Result<Fd> first = open_wan_socket({.source = *IpAddress::parse("127.0.0.1")});
    REQUIRE(first);
    const std::uint16_t port = local_port(first->get());
    const Time before = monotonic_now();
    const std::string busy = message({.source = *IpAddress::parse("127.0.0.1"), .port = port});
    CHECK(busy.find("another program") != std::string::npos);
    CHECK(busy.find(std::to_string(port)) != std::string::npos);
    CHECK(monotonic_now() - before > 500ms);
  }

  TEST_CASE("random bytes differ between calls, sizes and a forked child") {
    KernelRandom random;
    std::vector<std::byte> large(5000);
    random.fill(large);
    CHECK(std::count(large.begin(), large.end(), std::byte{0}) < 100);
    CHECK(random.u64() != random.u64());
    int pipe_fds[2];
    REQUIRE(::pipe(pipe_fds) == 0);
    const pid_t child = ::fork();
    if (child == 0) {
      const std::uint64_t mine = random.u64();
      ::_exit(::write(pipe_fds[1], &mine, sizeof(mine)) == sizeof(mine) ? 0 : 1);
    }
    std::uint64_t theirs = 0;
    CHECK(::read(pipe_fds[0], &theirs, sizeof(theirs)) == sizeof(theirs));
    ::waitpid(child, nullptr, 0);
    CHECK(random.u64() != theirs);
    ::close(pipe_fds[0]);
    ::close(pipe_fds[1]);
  }
}
