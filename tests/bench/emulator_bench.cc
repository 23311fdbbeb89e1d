// What the link emulator can carry, and how exact it is: UDP between two anonymous namespaces of
// this machine. Needs root. Prints one line per measurement; asserts nothing.
#include <arpa/inet.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <thread>
#include <vector>

#include "lab/child.h"
#include "lab/emulator.h"

namespace wanbond {
namespace {

constexpr std::size_t kPayload = 1472;  // of a 1500-byte packet
constexpr std::size_t kBatch = 32;
constexpr std::uint16_t kPort = 5000;
constexpr Duration kIdle = 500ms;  // the stream has ended

void must(bool good, const char* what) {
  if (good) return;
  std::perror(what);
  std::exit(1);
}

template <class T>
T value_of(Result<T> result) {
  if (result) return std::move(*result);
  std::fprintf(stderr, "%s\n", result.error().message.c_str());
  std::exit(1);
}

sockaddr_in address_of(const char* text) {
  sockaddr_in address{.sin_family = AF_INET, .sin_port = htons(kPort), .sin_addr = {}};
  ::inet_pton(AF_INET, text, &address.sin_addr);
  return address;
}

Fd open_socket(const Netns& netns) {
  const auto visit = value_of(NetnsVisit::enter(netns));
  Fd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  must(fd.valid(), "socket");
  const int buffer = 64 << 20;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer));
  ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof(buffer));
  const timeval idle{.tv_sec = 0, .tv_usec = kIdle / 1us};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &idle, sizeof(idle));
  return fd;
}

struct Train {
  std::array<std::array<std::byte, kPayload>, kBatch> payload{};
  std::array<iovec, kBatch> parts{};
  std::array<mmsghdr, kBatch> messages{};

  Train() {
    for (std::size_t i = 0; i < kBatch; ++i) {
      parts[i] = {payload[i].data(), kPayload};
      messages[i].msg_hdr.msg_iov = &parts[i];
      messages[i].msg_hdr.msg_iovlen = 1;
    }
  }
};

struct Sent {
  std::uint64_t packets = 0;
  Duration took{0};
};

struct Received {
  std::uint64_t packets = 0;
  Duration took{0};
};

Received receive(int fd) {
  Train train;
  Received all;
  Time first{}, last{};
  for (;;) {
    const int count = ::recvmmsg(fd, train.messages.data(), kBatch, MSG_WAITFORONE, nullptr);
    if (count <= 0) break;
    last = monotonic_now();
    if (all.packets == 0) first = last;
    all.packets += static_cast<std::uint64_t>(count);
  }
  all.took = last - first;
  return all;
}

// Sends trains at an even pace, or as fast as this machine can.
Sent send(int fd, BitRate rate, Duration time) {
  Train train;
  const auto gap = Duration(
      static_cast<Duration::rep>(kBatch * (kPayload + 28) * 8'000'000'000 / rate.bits_per_second));
  Sent sent;
  const Time start = monotonic_now();
  Time next = start;
  for (const Time end = next + time; next < end; next += gap) {
    while (monotonic_now() < next) std::this_thread::sleep_for(20us);
    sent.packets +=
        static_cast<std::uint64_t>(std::max(0, ::sendmmsg(fd, train.messages.data(), kBatch, 0)));
  }
  sent.took = monotonic_now() - start;
  return sent;
}

double cpu_seconds_of_children() {
  rusage usage{};
  ::getrusage(RUSAGE_CHILDREN, &usage);
  const auto seconds = [](timeval t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// The emulator in a process of its own, as it is used.
class Bench {
 public:
  explicit Bench(const LinkSettings& settings) {
    int ends[2];
    must(::pipe(ends) == 0, "pipe");
    const Fd ready(ends[0]);
    Fd signal(ends[1]);
    emulator_.emplace(value_of(Child::fork([&] { return emulate(settings, signal.get()); })));
    signal = Fd();
    char byte = 0;
    must(::read(ready.get(), &byte, 1) == 1, "emulator");
  }

  Fd sender() const {
    Fd fd = open_socket(a_);
    const sockaddr_in there = address_of("10.9.0.2");
    must(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&there), sizeof(there)) == 0,
         "connect");
    return fd;
  }
  Fd receiver() const {
    Fd fd = open_socket(b_);
    const sockaddr_in here = address_of("10.9.0.2");
    must(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&here), sizeof(here)) == 0, "bind");
    return fd;
  }

 private:
  int emulate(const LinkSettings& settings, int ready) {
    EmulatedLink link{.name = "wan",
                      .netns = {&a_, &b_},
                      .ends = {LinkEnd{.device = "wan", .addresses = {{at("10.9.0.1"), 30}}},
                               LinkEnd{.device = "wan", .addresses = {{at("10.9.0.2"), 30}}}},
                      .settings = {settings, settings}};
    std::vector<EmulatedLink> links;
    links.push_back(std::move(link));
    auto emulator = value_of(Emulator::open(std::move(links), 1));
    (void)run_in_real_time();
    must(::write(ready, "r", 1) == 1, "write");
    for (;;) (void)emulator.turn(kNever);
  }
  static IpAddress at(const char* text) { return *IpAddress::parse(text); }

  Netns a_ = value_of(Netns::make());
  Netns b_ = value_of(Netns::make());
  std::optional<Child> emulator_;
};

void measure_throughput(const LinkSettings& settings, BitRate offered, const char* name) {
  constexpr Duration kTime = 3s;
  const double cpu_before = cpu_seconds_of_children();
  Sent sent;
  Received received;
  {
    const Bench bench(settings);
    const Fd from = bench.sender(), to = bench.receiver();
    std::thread receiver([&] { received = receive(to.get()); });
    sent = send(from.get(), offered, kTime);
    receiver.join();
  }
  const double cpu = cpu_seconds_of_children() - cpu_before;
  const auto got = static_cast<double>(received.packets);
  const auto offered_packets = static_cast<double>(sent.packets);
  const double seconds = to_ms(received.took) / 1e3;
  std::printf("%-28s %6.1f of %6.1f kpps, %7.1f Mbit/s, lost %.3f %%, emulator %.2f us/packet\n",
              name, got / seconds / 1e3, offered_packets / to_ms(sent.took),
              got * (kPayload + 28) * 8 / seconds / 1e6,
              100.0 * (offered_packets - got) / offered_packets, cpu * 1e6 / got);
}

// One way, from send() to the kernel's receive stamp; both in CLOCK_REALTIME.
void measure_delay(Duration delay, Duration gap) {
  constexpr int kCount = 1000;
  const Bench bench({.delay = delay});
  const Fd from = bench.sender(), to = bench.receiver();
  const int on = 1;
  ::setsockopt(to.get(), SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on));
  std::thread sender([&] {
    for (int i = 0; i < kCount; ++i) {
      timespec now{};
      ::clock_gettime(CLOCK_REALTIME, &now);
      (void)::send(from.get(), &now, sizeof(now), 0);
      std::this_thread::sleep_for(gap);
    }
  });
  std::vector<double> late;
  for (int i = 0; i < kCount; ++i) {
    timespec sent{};
    alignas(cmsghdr) char control[64];
    iovec part{&sent, sizeof(sent)};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
    if (::recvmsg(to.get(), &message, 0) <= 0) break;
    timespec stamp{};
    std::memcpy(&stamp, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(stamp));
    late.push_back(static_cast<double>(stamp.tv_sec - sent.tv_sec) * 1e3 +
                   static_cast<double>(stamp.tv_nsec - sent.tv_nsec) / 1e6 - to_ms(delay));
  }
  sender.join();
  std::sort(late.begin(), late.end());
  const auto at = [&](std::size_t per_mille) { return late[late.size() * per_mille / 1001]; };
  std::printf(
      "delay %5.1f ms, every %.1f ms:    late by %.3f min, %.3f p50, %.3f p95, %.3f p99, "
      "%.3f max ms\n",
      to_ms(delay), to_ms(gap), at(0), at(500), at(950), at(990), at(1000));
}

}  // namespace
}  // namespace wanbond

int main() {
  using namespace wanbond;
  for (const Duration delay : {0ms, 10ms, 40ms})
    for (const Duration gap : {1ms, 5ms}) measure_delay(delay, gap);
  measure_throughput({.delay = 5ms}, {1'000'000'000}, "1 Gbit/s over 5 ms");
  measure_throughput({.delay = 100ms}, {1'000'000'000}, "1 Gbit/s over 100 ms");
  measure_throughput({.delay = 5ms}, {2'000'000'000}, "2 Gbit/s over 5 ms");
  measure_throughput({.delay = 5ms, .rate = {100'000'000}, .queue_packets_max = 100}, {200'000'000},
                     "200 into 100 Mbit/s");
  return 0;
}
