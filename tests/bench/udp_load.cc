// A paced UDP sender and its receiver, cheaper than the tunnels they measure.
//
//     udp_load send ADDRESS PORT PAYLOAD_BYTES PACKETS_PER_SECOND SECONDS    prints what it sent
//     udp_load receive PORT IDLE_SECONDS         prints what came until the line was idle that long
#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

namespace wanbond {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::size_t kBurst = 64;  // packets of one system call, at most
constexpr int kBufferBytes = 16 << 20;

// Descriptors of a burst whose packets all lie in `memory`, `step` bytes apart.
struct Burst {
  Burst(std::size_t bytes, std::size_t step) : memory(kBurst * std::max(bytes, step)) {
    for (std::size_t i = 0; i < kBurst; ++i) {
      parts[i] = {memory.data() + i * step, bytes};
      messages[i].msg_hdr.msg_iov = &parts[i];
      messages[i].msg_hdr.msg_iovlen = 1;
    }
  }
  std::vector<std::byte> memory;
  std::array<iovec, kBurst> parts{};
  std::array<mmsghdr, kBurst> messages{};
};

int open_socket() {
  const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ::setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &kBufferBytes, sizeof(kBufferBytes));
  ::setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &kBufferBytes, sizeof(kBufferBytes));
  return fd;
}

int send_all(const sockaddr_in& to, std::size_t bytes, double rate, double seconds) {
  const int fd = open_socket();
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof(to)) != 0) {
    std::perror("connect");
    return 1;
  }
  Burst burst(bytes, 0);
  const auto total = static_cast<std::uint64_t>(rate * seconds);
  const auto start = SteadyClock::now();
  std::uint64_t sent = 0;
  while (sent < total) {
    const double passed = std::chrono::duration<double>(SteadyClock::now() - start).count();
    const auto due = std::min(total, static_cast<std::uint64_t>(passed * rate) + 1);
    if (due <= sent) {
      std::this_thread::sleep_for(std::chrono::microseconds(20));
      continue;
    }
    const auto count = static_cast<unsigned>(std::min<std::uint64_t>(due - sent, kBurst));
    const int done = ::sendmmsg(fd, burst.messages.data(), count, 0);
    // What the own device refuses counts as sent: it is lost.
    sent += done > 0 ? static_cast<std::uint64_t>(done) : count;
  }
  const double took = std::chrono::duration<double>(SteadyClock::now() - start).count();
  std::printf("{\"packets\": %llu, \"seconds\": %.6f}\n", static_cast<unsigned long long>(sent),
              took);
  return 0;
}

int receive_all(const sockaddr_in& at, double idle) {
  const int fd = open_socket();
  const timeval pause{.tv_sec = static_cast<time_t>(idle),
                      .tv_usec = static_cast<suseconds_t>((idle - static_cast<int>(idle)) * 1e6)};
  const timeval patience{.tv_sec = 10, .tv_usec = 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&at), sizeof(at)) != 0) {
    std::perror("bind");
    return 1;
  }
  std::puts("ready");
  std::fflush(stdout);
  Burst burst(2048, 2048);
  std::uint64_t packets = 0;
  for (;;) {
    const int count = ::recvmmsg(fd, burst.messages.data(), kBurst, MSG_WAITFORONE, nullptr);
    if (count <= 0) break;
    if (packets == 0) ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &pause, sizeof(pause));
    packets += static_cast<std::uint64_t>(count);
  }
  std::printf("{\"packets\": %llu}\n", static_cast<unsigned long long>(packets));
  return 0;
}

}  // namespace
}  // namespace wanbond

int main(int argc, char** argv) {
  sockaddr_in address{.sin_family = AF_INET};
  if (argc == 7 && std::strcmp(argv[1], "send") == 0 &&
      ::inet_pton(AF_INET, argv[2], &address.sin_addr) == 1) {
    address.sin_port = htons(static_cast<std::uint16_t>(std::atoi(argv[3])));
    return wanbond::send_all(address, static_cast<std::size_t>(std::atoi(argv[4])),
                             std::atof(argv[5]), std::atof(argv[6]));
  }
  if (argc == 4 && std::strcmp(argv[1], "receive") == 0) {
    address.sin_port = htons(static_cast<std::uint16_t>(std::atoi(argv[2])));
    return wanbond::receive_all(address, std::atof(argv[3]));
  }
  std::fprintf(stderr, "usage: see the head of udp_load.cc\n");
  return 2;
}
