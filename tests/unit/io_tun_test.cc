// The I/O seam against both back ends with a TUN in a namespace of the test's own.
#include <doctest/doctest.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/if_tun.h>
#include <linux/io_uring.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <array>
#include <cstdlib>
#include <iterator>
#include <string>
#include <vector>

#include "io/tun_file.h"
#include "tests/unit/io_fixture.h"

using namespace wanbond;

namespace {

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

/// Lets this process restrict rings to nothing but a list of nine entries: what remains without
/// READ_MULTISHOT. To refuse the longer list is what a kernel does that does not know it.
bool deny_read_multishot() {
  constexpr unsigned kEntriesWithout = 9;
  constexpr auto kArgument = [](unsigned index) {
    return static_cast<unsigned>(offsetof(seccomp_data, args) + index * sizeof(std::uint64_t));
  };
  const sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_register, 0, 5),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kArgument(1)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IORING_REGISTER_RESTRICTIONS, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kArgument(3)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kEntriesWithout, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog program{.len = std::size(code), .filter = const_cast<sock_filter*>(code)};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

}  // namespace

TEST_SUITE("io_tun") {
  TEST_CASE("where READ_MULTISHOT is unknown, the ring reads the TUN by single requests") {
    check_code(in_namespace([] { return deny_read_multishot() && tun_works(IoChoice::Uring); }));
  }

  TEST_CASE("TUN packets come in order and 64-byte aligned; writes reach the kernel") {
    for (const IoChoice choice : {IoChoice::Uring, IoChoice::Epoll}) {
      CAPTURE(static_cast<int>(choice));
      const int code = in_namespace([&] { return tun_works(choice); });
      check_code(code);
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
      check_code(code);
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
      check_code(code);
    }
  }
}
