#include "demo_traffic.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "demo_ends.h"
#include "demo_node.h"
#include "demo_pipe.h"

namespace wanbond {
namespace {

constexpr std::uint16_t kFilePort = 5001;
constexpr std::uint16_t kPacketPort = 5002;

/// A socket in a namespace; bound to `port` of all addresses unless it is 0.
Result<Fd> make_socket(const Netns& netns, int type, std::uint16_t port) {
  const auto visit = NetnsVisit::enter(netns);
  if (!visit) return visit.error();
  Fd fd(::socket(AF_INET, type | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  const auto* any = reinterpret_cast<const sockaddr*>(&address);
  const bool is_bound = port == 0 || ::bind(fd.get(), any, sizeof(address)) == 0;
  const bool is_ready =
      is_bound && (type != SOCK_STREAM || port == 0 || ::listen(fd.get(), 1) == 0);
  if (!fd.valid() || !is_ready)
    return Error{std::string("cannot make a socket for the demo's traffic: ") +
                 std::strerror(errno)};
  return fd;
}

using Work = int (*)(const DemoEndTask&);

Result<DemoEnd> start_end(Work work, const DemoEndTask& task, const Netns& netns) {
  auto pipe = make_pipe();
  if (!pipe) return pipe.error();
  DemoEndTask own = task;
  own.pipe = pipe->in.get();
  auto process = Child::fork([&] { return work(own); }, {.netns = &netns});
  if (!process) return process.error();
  return DemoEnd(std::move(*process), std::move(pipe->out));
}

}  // namespace

Result<void> DemoEnd::take_samples() {
  const auto status = process_.wait(0ms);  // before reading, so that nothing it wrote is missed
  StreamSample sample;
  while (::read(pipe_.get(), &sample, sizeof(sample)) == sizeof(sample)) history_.add(sample);
  if (status && !history_.is_complete())
    return Error{"a transfer broke off after " + std::to_string(history_.latest().bytes) +
                 " bytes"};
  return {};
}

Result<DemoTraffic> DemoTraffic::start(const DemoTrafficSettings& s) {
  const auto listener = make_socket(*s.branch, SOCK_STREAM, kFilePort);
  const auto caller = make_socket(*s.hq, SOCK_STREAM, 0);
  const auto packets_in = make_socket(*s.hq, SOCK_DGRAM, kPacketPort);
  const auto packets_out = make_socket(*s.branch, SOCK_DGRAM, 0);
  for (const auto* socket : {&listener, &caller, &packets_in, &packets_out})
    if (!*socket) return socket->error();
  DemoEndTask task{.begin = s.begin, .end = s.end};

  task.socket = listener->get();
  task.file = s.folder->file(kDemoReceivedFile);
  auto tcp_receiver = start_end(receive_file, task, *s.branch);
  task.socket = packets_in->get();
  auto udp_receiver = start_end(receive_packets, task, *s.hq);
  task.socket = caller->get();
  task.file = s.folder->file(kDemoSentFile);
  task.peer = {*IpAddress::parse(kDemoBranchAddress), kFilePort};
  auto tcp_sender = start_end(send_file, task, *s.hq);
  task.socket = packets_out->get();
  task.peer = {*IpAddress::parse(kDemoHqAddress), kPacketPort};
  auto udp_sender = start_end(send_packets, task, *s.branch);

  for (const auto* end : {&tcp_sender, &tcp_receiver, &udp_sender, &udp_receiver})
    if (!*end) return end->error();
  return DemoTraffic{std::move(*tcp_sender), std::move(*tcp_receiver), std::move(*udp_sender),
                     std::move(*udp_receiver)};
}

Result<void> DemoTraffic::take_samples() {
  for (DemoEnd* end : {&tcp_sender, &tcp_receiver, &udp_sender, &udp_receiver})
    if (auto taken = end->take_samples(); !taken) return taken;
  return {};
}

bool DemoTraffic::is_complete() const noexcept {
  return tcp_sender.history().is_complete() && tcp_receiver.history().is_complete() &&
         udp_sender.history().is_complete() && udp_receiver.history().is_complete();
}

}  // namespace wanbond
