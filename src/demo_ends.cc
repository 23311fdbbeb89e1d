#include "demo_ends.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <memory>
#include <vector>

#include "demo_stream.h"
#include "demo_traffic.h"
#include "io/fd.h"
#include "io/io.h"
#include "io/random.h"

namespace wanbond {
namespace {

constexpr Duration kSamplePace = 50ms;
constexpr std::size_t kBlockBytes = 65536;
constexpr timeval kStall{.tv_sec = 10, .tv_usec = 0};  // a transfer that stands still is given up
constexpr int kStallMs = 10000;
constexpr Duration kLastPackets = 1s;  // how long the UDP receiver waits after the end

using Block = std::array<std::byte, kBlockBytes>;

sockaddr_in to_sockaddr(const Endpoint& endpoint) noexcept {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(endpoint.port);
  std::memcpy(&address.sin_addr, endpoint.address.bytes().data(), sizeof(address.sin_addr));
  return address;
}

bool connect_to(const DemoEndTask& task) noexcept {
  const sockaddr_in address = to_sockaddr(task.peer);
  (void)::setsockopt(task.socket, SOL_SOCKET, SO_SNDTIMEO, &kStall, sizeof(kStall));
  (void)::setsockopt(task.socket, SOL_SOCKET, SO_RCVTIMEO, &kStall, sizeof(kStall));
  return ::connect(task.socket, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
}

bool write_all(int fd, Bytes bytes) noexcept {
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd, bytes.data(), bytes.size());
    if (count <= 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
  return true;
}

bool report(int pipe, const StreamSample& sample) noexcept {
  return ::write(pipe, &sample, sizeof(sample)) == sizeof(sample);
}

int report_last(int pipe, StreamSample sample) noexcept {
  sample.is_last = 1;
  return report(pipe, sample) ? 0 : 1;
}

/// Reports at the pace of samples.
class Reporter {
 public:
  explicit Reporter(int pipe) noexcept : pipe_(pipe) {}
  void on_time(Time now, ArrivalMeter& meter) noexcept {
    if (now < next_) return;
    next_ = now + kSamplePace;
    (void)report(pipe_, meter.take(now));
  }

 private:
  int pipe_;
  Time next_{};
};

bool becomes_readable(int fd, int limit_ms) noexcept {
  pollfd waiting{.fd = fd, .events = POLLIN, .revents = 0};
  return ::poll(&waiting, 1, limit_ms) > 0;
}

Fd create(const std::string& file) {
  return Fd(::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
}

}  // namespace

int send_file(const DemoEndTask& task) {
  const Fd file = create(task.file);
  KernelRandom random;
  const auto block = std::make_unique<Block>();
  StreamSample sample;
  if (!connect_to(task)) return 1;
  while (monotonic_now() < task.end) {
    random.fill(*block);
    if (!write_all(file.get(), *block) || !write_all(task.socket, *block)) return 1;
    sample.bytes += block->size();
  }
  ::shutdown(task.socket, SHUT_WR);
  std::byte nothing{};
  if (::recv(task.socket, &nothing, 1, 0) != 0) return 1;  // until the receiver has all of it
  sample.at = monotonic_now();
  return report_last(task.pipe, sample);
}

int receive_file(const DemoEndTask& task) {
  const Fd file = create(task.file);
  if (!becomes_readable(task.socket, kStallMs)) return 1;
  const Fd connection(::accept4(task.socket, nullptr, nullptr, SOCK_CLOEXEC));
  const auto block = std::make_unique<Block>();
  ArrivalMeter meter;
  Reporter reporter(task.pipe);
  while (becomes_readable(connection.get(), kStallMs)) {
    const ssize_t size = ::recv(connection.get(), block->data(), block->size(), 0);
    const Time now = monotonic_now();
    if (size == 0) return report_last(task.pipe, meter.take(now));
    if (size < 0) return 1;
    meter.on_arrival(now, static_cast<std::uint64_t>(size));
    if (!write_all(file.get(), Bytes(*block).first(static_cast<std::size_t>(size)))) return 1;
    reporter.on_time(now, meter);
  }
  return 1;
}

int send_packets(const DemoEndTask& task) {
  std::array<std::byte, kDemoPacketBytes> packet{};
  StreamSample sample;
  if (!connect_to(task)) return 1;
  for (Time at = task.begin; at < task.end; at += kDemoPacketPace) {
    sleep_until(at);
    std::memcpy(packet.data(), &sample.packets, sizeof(sample.packets));
    // A packet that the machine refuses was sent and is lost, as any other.
    (void)::send(task.socket, packet.data(), packet.size(), MSG_DONTWAIT);
    ++sample.packets;
    sample.bytes += packet.size();
  }
  sample.at = monotonic_now();
  return report_last(task.pipe, sample);
}

int receive_packets(const DemoEndTask& task) {
  std::vector<bool> seen(static_cast<std::size_t>((task.end - task.begin) / kDemoPacketPace) + 1);
  std::array<std::byte, kDemoPacketBytes> packet{};
  ArrivalMeter meter;
  Reporter reporter(task.pipe);
  Time now = monotonic_now();
  for (; now < task.end + kLastPackets; now = monotonic_now()) {
    const int pace_ms = static_cast<int>(kSamplePace / 1ms);
    const bool has_come = becomes_readable(task.socket, pace_ms);
    const ssize_t size =
        has_come ? ::recv(task.socket, packet.data(), packet.size(), MSG_DONTWAIT) : -1;
    now = monotonic_now();
    std::uint64_t number = seen.size();
    if (size == kDemoPacketBytes) std::memcpy(&number, packet.data(), sizeof(number));
    if (number < seen.size() && seen[number])
      meter.on_duplicate();
    else if (number < seen.size())
      meter.on_arrival(now, packet.size());
    if (number < seen.size()) seen[number] = true;
    reporter.on_time(now, meter);
  }
  return report_last(task.pipe, meter.take(now));
}

}  // namespace wanbond
