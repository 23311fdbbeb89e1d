// The I/O seam against both back ends, over loopback and a TUN in a namespace of the test's own.
#include "io/io.h"

#include <doctest/doctest.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/if_tun.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "io/message.h"
#include "io/random.h"
#include "io/socket.h"
#include "io/socket_table.h"
#include "io/tun_file.h"

using namespace wanbond;

namespace {

constexpr SocketId kA{0};
constexpr SocketId kB{1};
constexpr std::size_t kBudget = 16 << 20;

/// Runs `body` once per back end; one that this machine refuses is named and passed over.
void for_each_io(const std::function<void(Io&, PacketPool&)>& body) {
  for (const IoChoice choice : {IoChoice::Uring, IoChoice::Epoll}) {
    PacketPool pool(kBudget);  // its destructor checks that every packet came back
    std::string why;
    Result<std::unique_ptr<Io>> io = make_io(choice, pool, why);
    if (!io) {
      MESSAGE("skipped: " << io.error().message);
      continue;
    }
    CAPTURE(std::string((*io)->name()));
    body(**io, pool);
  }
}

/// Two sockets of `io` on a loopback address.
struct Pair {
  Pair(Io& io_in, const char* address) : io(io_in) {
    const IpAddress source = *IpAddress::parse(address);
    for (int i = 0; i < 2; ++i) {
      Result<Fd> fd = open_wan_socket({.source = source});
      REQUIRE(fd);
      fds[i] = std::move(*fd);
      endpoints[i] = {source, local_port(fds[i].get())};
      REQUIRE(io.add_socket(SocketId{static_cast<std::uint16_t>(i)}, fds[i].get()));
    }
  }
  ~Pair() {
    io.remove_socket(kA);
    io.remove_socket(kB);
  }
  Io& io;
  Fd fds[2];
  Endpoint endpoints[2];
};

/// A train of `count` datagrams of `bytes`, each starting with its number from `first` on.
Transmit train_of(PacketPool& pool, const Endpoint& remote, std::size_t bytes,
                  std::size_t count = 1, std::uint32_t first = 0) {
  Transmit train;
  train.socket = kA;
  train.remote = remote;
  train.segments.buffer = pool.acquire(bytes * count);
  REQUIRE(train.segments.buffer.valid());
  train.segments.buffer.resize(bytes * count);
  train.segments.segment_bytes = static_cast<std::uint32_t>(bytes);
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t number = first + static_cast<std::uint32_t>(i);
    std::memcpy(train.segments.buffer.bytes().data() + i * bytes, &number, sizeof(number));
  }
  return train;
}

/// Turns the loop until `enough` says so or a second passed; `see` gets every completion.
bool run(Io& io, const std::function<void(Completion&)>& see, const std::function<bool()>& enough) {
  const Time end = monotonic_now() + 1s;
  while (!enough() && monotonic_now() < end) {
    io.wait(std::min(end, monotonic_now() + 50ms));
    for (Completion& completion : io.reap()) see(completion);
  }
  return enough();
}

/// The numbers in the datagrams of a completion, appended to `numbers`.
void take_numbers(const Completion& completion, std::vector<std::uint32_t>& numbers) {
  if (completion.kind != Completion::Kind::Datagrams) return;
  for (std::size_t at = 0; at < completion.bytes.size(); at += completion.segment_bytes) {
    std::uint32_t number = 0;
    std::memcpy(&number, completion.bytes.data() + at, sizeof(number));
    numbers.push_back(number);
  }
}

bool is_counting(const std::vector<std::uint32_t>& numbers) {
  for (std::size_t i = 0; i < numbers.size(); ++i)
    if (numbers[i] != i) return false;
  return true;
}

/// Runs `body` in a child with its own network namespace; exit code 0 means all checks held, 77
/// that namespaces are not permitted.
int in_namespace(const std::function<bool()>& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    if (::unshare(CLONE_NEWNET) != 0) ::_exit(77);
    try {
      ::_exit(body() ? 0 : 1);
    } catch (...) {
      ::_exit(1);  // a REQUIRE; it has said what it wanted
    }
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

/// Sets flags or, with `mtu`, the MTU of an interface.
void bring_up(const char* device, int mtu) {
  const Fd control(::socket(AF_INET, SOCK_DGRAM, 0));
  ifreq request{};
  std::strncpy(request.ifr_name, device, IFNAMSIZ - 1);
  request.ifr_mtu = mtu;
  ::ioctl(control.get(), SIOCSIFMTU, &request);
  ::ioctl(control.get(), SIOCGIFFLAGS, &request);
  request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
  ::ioctl(control.get(), SIOCSIFFLAGS, &request);
}

Fd open_tun(const char* name) {
  Fd fd(::open("/dev/net/tun", O_RDWR | O_CLOEXEC));
  ifreq request{};
  std::strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  request.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR;
  if (!fd.valid() || ::ioctl(fd.get(), TUNSETIFF, &request) != 0) return Fd();
  bring_up(name, 1500);
  return fd;
}

/// An IPv4 UDP packet 10.9.0.2 -> 10.9.0.1, with the right header checksum.
std::vector<std::byte> inner_packet(std::size_t payload_bytes) {
  std::vector<std::byte> packet(28 + payload_bytes);
  ByteWriter writer(packet);
  writer.u16_be(0x4500);
  writer.u16_be(static_cast<std::uint16_t>(packet.size()));
  writer.u32_be(0);
  writer.u16_be(0x4011);
  writer.u16_be(0);
  writer.u32_be(0x0a090002);
  writer.u32_be(0x0a090001);
  writer.u16_be(7001);
  writer.u16_be(7000);
  writer.u16_be(static_cast<std::uint16_t>(8 + payload_bytes));
  writer.u16_be(0);
  std::uint32_t sum = 0;
  ByteReader reader(Bytes(packet).first(20));
  for (int i = 0; i < 10; ++i) sum += reader.u16_be();
  sum = (sum & 0xffff) + (sum >> 16);
  const auto check_sum = static_cast<std::uint16_t>(~sum);
  packet[10] = static_cast<std::byte>(check_sum >> 8);
  packet[11] = static_cast<std::byte>(check_sum & 0xff);
  return packet;
}

/// Sets 10.9.0.1/24 on `device`, by ioctl, so that this test needs nothing of netlink.
void set_address(const char* device) {
  const Fd control(::socket(AF_INET, SOCK_DGRAM, 0));
  ifreq request{};
  std::strncpy(request.ifr_name, device, IFNAMSIZ - 1);
  auto* address = reinterpret_cast<sockaddr_in*>(&request.ifr_addr);
  address->sin_family = AF_INET;
  address->sin_addr.s_addr = htonl(0x0a090001);
  ::ioctl(control.get(), SIOCSIFADDR, &request);
  address->sin_addr.s_addr = htonl(0xffffff00);
  ::ioctl(control.get(), SIOCSIFNETMASK, &request);
}

bool send_to(int fd, std::uint32_t address, std::uint16_t port, std::size_t bytes) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(address);
  to.sin_port = htons(port);
  const std::vector<char> payload(bytes, 'x');
  return ::sendto(fd, payload.data(), bytes, 0, reinterpret_cast<sockaddr*>(&to), sizeof(to)) > 0;
}

/// One back end against a TUN: what the kernel sends comes out, what we write reaches a socket.
bool tun_works(IoChoice choice) {
  const Fd tun = open_tun("wbt0");
  if (!tun.valid()) return false;
  set_address("wbt0");
  PacketPool pool(kBudget);
  std::string why;
  Result<std::unique_ptr<Io>> io = make_io(choice, pool, why);
  if (!io || !(*io)->add_tun(tun.get())) return false;
  const Fd local(::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0));
  sockaddr_in any{};
  any.sin_family = AF_INET;
  any.sin_port = htons(7000);
  if (::bind(local.get(), reinterpret_cast<sockaddr*>(&any), sizeof(any)) != 0) return false;

  int sent = 0;
  for (; sent < 100; ++sent)
    send_to(local.get(), 0x0a090002, 9, 100 + static_cast<std::size_t>(sent));
  int seen = 0;
  const bool in_order = run(
      **io,
      [&](Completion& c) {
        if (c.kind != Completion::Kind::TunPacket || c.packet.bytes()[10] != std::byte{0x45})
          return;
        const auto start = reinterpret_cast<std::uintptr_t>(c.packet.bytes().data());
        if ((start + kVirtioBytes) % 64 == 0 &&
            c.packet.size() == kVirtioBytes + 28 + 100 + static_cast<std::size_t>(seen))
          ++seen;
      },
      [&] { return seen == sent; });

  const std::vector<std::byte> packet = inner_packet(32);
  const std::array<std::byte, kVirtioBytes> header{};
  int received = 0;
  for (int i = 0; i < 300; ++i) {  // more than the submission queue holds
    const std::array<Bytes, 3> parts{Bytes(header), Bytes(packet).first(28),
                                     Bytes(packet).subspan(28)};
    if (!(*io)->write_tun(parts)) return false;
    if (i % 100 != 99) continue;
    (*io)->wait(monotonic_now());
    char buffer[64];
    while (::recv(local.get(), buffer, sizeof(buffer), 0) == 32) ++received;
  }
  return in_order && received == 300 && (*io)->counters().tun_write_failures == 0 &&
         (*io)->counters().tun_writes == 300;
}

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
  TEST_CASE("a datagram arrives with its sender, its local address and its traffic class") {
    for (const char* address : {"127.0.0.1", "::1"}) {
      CAPTURE(address);
      for_each_io([&](Io& io, PacketPool& pool) {
        Pair pair(io, address);
        Transmit train = train_of(pool, pair.endpoints[1], 100);
        train.local = pair.endpoints[0].address;
        train.tos = 0xb9;
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
            },
            [&] { return seen > 0; });
        CHECK(seen == 1);
      });
    }
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

  TEST_CASE("a socket that gave up trains sends them as single datagrams, in order") {
    PacketPool pool(kBudget);
    for_each_io([&](Io& io, PacketPool&) {
      Pair pair(io, "127.0.0.1");
      SocketTable table;
      SocketPlace* place = *table.add(kA, pair.fds[0].get());
      IoCounters counters;
      const Transmit train = train_of(pool, pair.endpoints[1], 1000, 10);
      CHECK(recover_train(*place, train, EMSGSIZE, counters) == EMSGSIZE);
      CHECK(place->trains == SocketPlace::Trains::Whole);
      CHECK(recover_train(*place, train, EIO, counters) == 0);
      CHECK(place->trains == SocketPlace::Trains::Singly);
      CHECK(counters.gso_fallbacks == 1);
      CHECK(send_train(*place, train_of(pool, pair.endpoints[1], 1000, 10, 10), counters) == 0);
      std::vector<std::uint32_t> numbers;
      run(
          io, [&](Completion& c) { take_numbers(c, numbers); },
          [&] { return numbers.size() == 20; });
      CHECK(numbers.size() == 20);
      CHECK(is_counting(numbers));
    });
  }

  TEST_CASE("a train that is too many segments for the kernel still arrives, and is counted") {
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
      CHECK(io.counters().gso_fallbacks >= 1);
      numbers.clear();
      REQUIRE(io.transmit(train_of(pool, pair.endpoints[1], 100, 30)));  // by now one by one
      run(
          io, [&](Completion& c) { take_numbers(c, numbers); },
          [&] { return numbers.size() == 30; });
      CHECK(numbers.size() == 30);
      CHECK(is_counting(numbers));
      CHECK(io.counters().send_failures == 0);
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
        {"127.0.0.1", *Endpoint::parse("127.0.0.1:9"), 66000, EMSGSIZE},   // over 65507
        {"127.0.0.1", *Endpoint::parse("[::1]:9"), 100, EAFNOSUPPORT},     // wrong family
        {"127.0.0.1", *Endpoint::parse("192.0.2.1:9"), 100, EINVAL},       // not from loopback
        {"127.0.0.1", *Endpoint::parse("255.255.255.255:9"), 100, EACCES}  // broadcast
    };
    for_each_io([&](Io& io, PacketPool& pool) {
      for (const Row& row : rows) {
        Pair pair(io, row.source);
        CAPTURE(row.remote.to_string());
        if (row.bytes > kPacketBytesMax) continue;
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
    if (code == 77)
      MESSAGE("skipped: no permission for a network namespace");
    else
      CHECK(code == 0);
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

  TEST_CASE("TUN packets come in order and 64-byte aligned; writes reach the kernel") {
    for (const IoChoice choice : {IoChoice::Uring, IoChoice::Epoll}) {
      CAPTURE(static_cast<int>(choice));
      const int code = in_namespace([&] { return tun_works(choice); });
      if (code == 77)
        MESSAGE("skipped: no permission for a network namespace");
      else
        CHECK(code == 0);
    }
  }

  TEST_CASE("a TUN without a packet buffer waits, and goes on when there is one") {
    for (const IoChoice choice : {IoChoice::Uring, IoChoice::Epoll}) {
      const int code = in_namespace([&] {
        const Fd tun = open_tun("wbt0");
        set_address("wbt0");
        PacketPool pool(1);  // 16 of each class
        std::vector<Packet> held;
        while (pool.used_count() < 48) held.push_back(pool.acquire(10));
        std::string why;
        Result<std::unique_ptr<Io>> io = make_io(choice, pool, why);
        if (!tun.valid() || !io || !(*io)->add_tun(tun.get())) return false;
        const Fd local(::socket(AF_INET, SOCK_DGRAM, 0));
        if (!send_to(local.get(), 0x0a090002, 9, 100)) return false;
        for (int turn = 0; turn < 5; ++turn) {
          (*io)->wait(monotonic_now() + 2ms);
          for (const Completion& c : (*io)->reap())
            if (c.kind == Completion::Kind::TunPacket) return false;
        }
        if ((*io)->counters().no_buffer == 0) return false;
        held.clear();
        bool seen = false;
        return run(
            **io, [&](Completion& c) { seen = seen || c.kind == Completion::Kind::TunPacket; },
            [&] { return seen; });
      });
      if (code == 77)
        MESSAGE("skipped: no permission for a network namespace");
      else
        CHECK(code == 0);
    }
  }

  TEST_CASE("a TUN device that vanishes is reported and the rest lives on") {
    for (const IoChoice choice : {IoChoice::Uring, IoChoice::Epoll}) {
      CAPTURE(static_cast<int>(choice));
      const int code = in_namespace([&] {
        bring_up("lo", 65536);
        Fd tun = open_tun("wbt0");
        PacketPool pool(kBudget);
        std::string why;
        Result<std::unique_ptr<Io>> io = make_io(choice, pool, why);
        if (!tun.valid() || !io || !(*io)->add_tun(tun.get())) return false;
        if (std::system("ip link delete wbt0") != 0) return false;
        bool failed = false;
        if (!run(
                **io,
                [&](Completion& c) { failed = failed || c.kind == Completion::Kind::TunFailed; },
                [&] { return failed; }))
          return false;
        Pair pair(**io, "127.0.0.1");
        bool seen = false;
        return (*io)->transmit(train_of(pool, pair.endpoints[1], 100)) &&
               run(
                   **io,
                   [&](Completion& c) { seen = seen || c.kind == Completion::Kind::Datagrams; },
                   [&] { return seen; });
      });
      if (code == 77)
        MESSAGE("skipped: no permission for a network namespace");
      else
        CHECK(code == 0);
    }
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
    if (code == 77)
      MESSAGE("skipped: no permission for a seccomp filter");
    else
      CHECK(code == 0);
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
