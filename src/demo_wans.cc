#include "demo_wans.h"

#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <string_view>
#include <vector>

#include "lab/console.h"
#include "lab/emulator.h"

namespace wanbond {
namespace {

constexpr std::uint32_t kPacketsMax = 4096;  // in all links together; full queues hold some 700
constexpr std::uint64_t kSeed = 1;
constexpr Duration kQueueTime = 40ms;  // a full queue adds this much delay
constexpr std::size_t kCommandMax = 256;
constexpr unsigned kSubnetBits = 30;
constexpr timeval kReplyLimit{.tv_sec = 2, .tv_usec = 0};

LinkSettings settings_of(const DemoWan& wan) {
  LinkSettings settings;
  settings.delay = wan.rtt / 2;
  settings.rate = BitRate{wan.rate_mbps * 1'000'000};
  settings.queue_bytes_max = wan.rate_mbps * 1000 / 8 * (kQueueTime / 1ms);
  settings.loss_ppm = wan.loss_ppm;
  return settings;
}

LinkEnd end_of(const DemoWan& wan, const char* address) {
  return {.device = wan.name, .addresses = {{*IpAddress::parse(address), kSubnetBits}}};
}

std::vector<EmulatedLink> make_links(const Netns& branch, const Netns& hq) {
  std::vector<EmulatedLink> links;
  for (const DemoWan& wan : kDemoWans) {
    const LinkSettings settings = settings_of(wan);
    links.push_back({.name = wan.name,
                     .netns = {&branch, &hq},
                     .ends = {end_of(wan, wan.branch_address), end_of(wan, wan.hq_address)},
                     .settings = {settings, settings}});
  }
  return links;
}

/// The emulator's process, until the demo closes its end of the channel.
int emulate(Emulator& emulator, int channel) {
  (void)run_in_real_time();  // without the right to, delays are less exact
  if (!emulator.watch(channel)) return 1;
  Console console(emulator);
  for (;;) {
    if (emulator.turn(kNever).empty()) continue;
    std::array<char, kCommandMax> command;
    const ssize_t size = ::recv(channel, command.data(), command.size(), 0);
    if (size <= 0) return 0;
    const std::string reply = console.execute({command.data(), static_cast<std::size_t>(size)});
    (void)::send(channel, reply.data(), reply.size(), MSG_NOSIGNAL);
  }
}

}  // namespace

Result<DemoWans> DemoWans::start(const Netns& branch, const Netns& hq) {
  auto emulator = Emulator::open(make_links(branch, hq), kSeed, kPacketsMax);
  if (!emulator) return emulator.error();
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0)
    return Error{std::string("cannot make a socket pair: ") + std::strerror(errno)};
  Fd ours(ends[0]);
  const Fd theirs(ends[1]);
  (void)::setsockopt(ours.get(), SOL_SOCKET, SO_RCVTIMEO, &kReplyLimit, sizeof(kReplyLimit));
  auto process = Child::fork([&] {
    ours = Fd();  // so that the end of the demo is the end of the channel
    return emulate(*emulator, theirs.get());
  });
  if (!process) return process.error();
  return DemoWans(std::move(ours), std::move(*process));
}

Result<Time> DemoWans::command(const std::string& line) {
  constexpr std::string_view kOk = "ok ";
  std::array<char, kCommandMax> buffer;
  (void)::send(channel_.get(), line.data(), line.size(), MSG_NOSIGNAL);
  const ssize_t size = ::recv(channel_.get(), buffer.data(), buffer.size(), 0);
  const std::string_view reply(buffer.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
  std::int64_t nanoseconds = 0;
  if (reply.starts_with(kOk))
    std::from_chars(reply.data() + kOk.size(), reply.data() + reply.size(), nanoseconds);
  if (nanoseconds > 0) return Time(Duration(nanoseconds));
  return Error{"the link emulator did not carry out '" + line + "'" +
               (reply.empty() ? "" : ": " + std::string(reply))};
}

}  // namespace wanbond
