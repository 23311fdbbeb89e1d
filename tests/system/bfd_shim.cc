// bfd_shim: one strict BFD session of ours against any BFD over UDP (RFC 5881), for the interop
// tests. It is src/proto/bfd with two sockets around it, and nothing else of wanbond.
//
//     bfd_shim LOCAL REMOTE            IPv4 addresses; bfd_interop_test.py
//
// Commands on standard input, one per line: "intervals TX_MS RX_MS MULT", "admin_down", "admin_up",
// "restart" (a new session with a new discriminator, as after a crash), "status". One JSON object
// per line on standard output: state changes, Polls and Finals, answers to "status".
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <sstream>
#include <string>

#include "io/fd.h"
#include "io/io.h"
#include "io/random.h"
#include "proto/bfd.h"

namespace wanbond {
namespace {

constexpr std::uint16_t kBfdPort = 3784;           // RFC 5881 4
constexpr std::uint16_t kSourcePort = 49152;       // RFC 5881 4: from here on
constexpr int kTtl = 255;                          // RFC 5881 5: sent, and asked of what comes
constexpr BfdIntervals kIntervals{50ms, 50ms, 4};  // until told otherwise

std::int64_t to_ms(Duration duration) { return duration / 1ms; }

void fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

sockaddr_in address_of(const char* text, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  if (::inet_pton(AF_INET, text, &address.sin_addr) != 1) fail(text);
  return address;
}

Fd open_socket(const char* local, std::uint16_t port) {
  Fd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const sockaddr_in address = address_of(local, port);
  const int on = 1;
  if (::setsockopt(fd.get(), IPPROTO_IP, IP_TTL, &kTtl, sizeof(kTtl)) != 0) fail("IP_TTL");
  if (::setsockopt(fd.get(), IPPROTO_IP, IP_RECVTTL, &on, sizeof(on)) != 0) fail("IP_RECVTTL");
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
    fail("bind");
  return fd;
}

/// The TTL that a datagram came with; 0: the kernel did not say.
int ttl_of(msghdr& message) {
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr; part = CMSG_NXTHDR(&message, part))
    if (part->cmsg_level == IPPROTO_IP && part->cmsg_type == IP_TTL)
      return *reinterpret_cast<const int*>(CMSG_DATA(part));
  return 0;
}

class Shim {
 public:
  Shim(const char* local, const char* remote)
      : receiver_(open_socket(local, kBfdPort)),
        sender_(open_socket(local, kSourcePort)),
        remote_(address_of(remote, kBfdPort)) {
    begin();
  }

  /// Until standard input ends.
  void run() {
    std::array<pollfd, 2> waits{{{receiver_.get(), POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}}};
    while (true) {
      const Time next = session_->next_timeout();
      const Duration left = next == kNever ? Duration(1h) : next - monotonic_now();
      (void)::poll(waits.data(), waits.size(),
                   static_cast<int>(std::max<std::int64_t>(0, (left + 999us) / 1ms)));
      receive();  // all of it, before a timer is acted on
      if ((waits[1].revents & (POLLIN | POLLHUP)) != 0 && !obey()) return;
      const Time now = monotonic_now();
      note(session_->on_timer(now));
      send(now);
    }
  }

 private:
  void begin() {
    session_.emplace(monotonic_now(),
                     BfdSettings{.intervals = kIntervals, .liveness = BfdLiveness::Strict},
                     random_);
    intervals_ = kIntervals;
  }

  void receive() {
    std::array<std::byte, 256> bytes;
    alignas(cmsghdr) std::array<std::byte, 64> control;
    while (true) {
      iovec part{bytes.data(), bytes.size()};
      msghdr message{};
      message.msg_iov = &part;
      message.msg_iovlen = 1;
      message.msg_control = control.data();
      message.msg_controllen = control.size();
      const ssize_t size = ::recvmsg(receiver_.get(), &message, 0);
      if (size < 0) return;
      BfdError error{};
      const auto packet = parse_bfd(Bytes(bytes).first(static_cast<std::size_t>(size)), error);
      if (!packet || ttl_of(message) != kTtl) continue;
      if (packet->poll) std::printf("{\"event\": \"poll_received\"}\n");
      if (packet->final) std::printf("{\"event\": \"final_received\"}\n");
      note(session_->on_control(monotonic_now(), *packet));
    }
  }

  void send(Time now) {
    while (const auto packet = session_->poll_transmit(now)) {
      std::array<std::byte, kBfdControlBytes> bytes;
      ByteWriter writer(bytes);
      write_bfd(writer, *packet);
      if (packet->poll) std::printf("{\"event\": \"poll_sent\"}\n");
      if (packet->final) std::printf("{\"event\": \"final_sent\"}\n");
      (void)::sendto(sender_.get(), bytes.data(), bytes.size(), 0,
                     reinterpret_cast<const sockaddr*>(&remote_), sizeof(remote_));
    }
  }

  void note(const std::optional<BfdStateChange>& change) {
    if (!change) return;
    std::printf("{\"event\": \"state\", \"from\": %d, \"to\": %d, \"diag\": %d, \"at_ns\": %lld}\n",
                static_cast<int>(change->from), static_cast<int>(change->to),
                static_cast<int>(change->diag),
                static_cast<long long>(change->time.time_since_epoch().count()));
  }

  /// False at the end of standard input.
  bool obey() {
    std::string line;
    if (!std::getline(std::cin, line)) return false;
    std::istringstream words(line);
    std::string word;
    words >> word;
    const Time now = monotonic_now();
    if (word == "intervals") {
      int tx = 0, rx = 0, mult = 0;
      words >> tx >> rx >> mult;
      intervals_ = {tx * 1ms, rx * 1ms, static_cast<std::uint8_t>(mult)};
      session_->set_intervals(now, intervals_);
    } else if (word == "admin_down") {
      note(session_->set_admin_down(now));
    } else if (word == "admin_up") {
      note(session_->clear_admin_down(now));
    } else if (word == "restart") {
      begin();
    } else if (word == "status") {
      std::printf(
          "{\"event\": \"status\", \"state\": %d, \"remote_state\": %d, \"diag\": %d, "
          "\"my_discriminator\": %u, \"interval_ms\": %lld, \"detection_ms\": %lld}\n",
          static_cast<int>(session_->state()), static_cast<int>(session_->remote_state()),
          static_cast<int>(session_->diag()), session_->my_discriminator(),
          static_cast<long long>(to_ms(session_->transmit_interval())),
          static_cast<long long>(to_ms(session_->detection_time())));
    }
    return true;
  }

  KernelRandom random_;
  Fd receiver_, sender_;
  sockaddr_in remote_;
  BfdIntervals intervals_ = kIntervals;
  std::optional<BfdSession> session_;
};

}  // namespace
}  // namespace wanbond

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: bfd_shim LOCAL REMOTE\n");
    return 2;
  }
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  std::setvbuf(stdin, nullptr, _IONBF, 0);  // a second line stays in the pipe, where poll() sees it
  wanbond::Shim(argv[1], argv[2]).run();
  return 0;
}
