#include "demo_node.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "crypto/key.h"
#include "demo_wans.h"
#include "io/line_server.h"
#include "json_reader.h"

namespace wanbond {
namespace {

constexpr timeval kAnswerLimit{.tv_sec = 1, .tv_usec = 0};
constexpr int kCannotRun = 127;

std::string interface_text(const DemoFolder& folder, const std::string& site,
                           const std::string& address, const SecretKey& key) {
  return "[Interface]\nPrivateKey = " + key.to_text() + "\nAddress = " + address +
         "/24\nListenPort = " + (site == kDemoHq ? "51900" : "0") +
         "\nControlSocket = " + folder.file(site + ".sock") + "\n";
}

std::string wan_text(const DemoWan& wan) {
  return std::string("\n[Wan ") + wan.name + "]\nDevice = " + wan.name + "\n";
}

std::string peer_text(const char* site, const PublicKey& key, const PresharedKey& psk,
                      const std::string& address) {
  return std::string("\n[Peer ") + site + "]\nPublicKey = " + key.to_text() +
         "\nPresharedKey = " + psk.to_text() + "\nAllowedIPs = " + address + "/32\n";
}

}  // namespace

Result<void> write_demo_configs(const DemoFolder& folder, Random& random) {
  const KeyPair branch = KeyPair::generate(random);
  const KeyPair hq = KeyPair::generate(random);
  const PresharedKey psk = PresharedKey::generate(random);
  std::string branch_text = interface_text(folder, kDemoBranch, kDemoBranchAddress, branch.secret);
  std::string hq_text = interface_text(folder, kDemoHq, kDemoHqAddress, hq.secret);
  std::string endpoints, paths;
  for (const DemoWan& wan : kDemoWans) {
    branch_text += wan_text(wan);
    hq_text += wan_text(wan);
    const std::string endpoint = std::string(wan.hq_address) + ":51900";
    endpoints += (endpoints.empty() ? "" : ", ") + endpoint;
    paths += (paths.empty() ? "" : ", ") + std::string(wan.name) + ">" + endpoint;
  }
  branch_text += peer_text(kDemoHq, hq.public_key, psk, kDemoHqAddress) +
                 "Endpoint = " + endpoints + "\nPaths = " + paths + "\n";
  hq_text += peer_text(kDemoBranch, branch.public_key, psk, kDemoBranchAddress);
  if (auto done = folder.write("branch.conf", branch_text); !done) return done;
  return folder.write("hq.conf", hq_text);
}

std::optional<DemoEvent> parse_demo_event(const std::string& line) {
  const auto json = JsonValue::parse(line);
  if (!json || (*json)["kind"].text().empty()) return std::nullopt;
  const std::string& path = (*json)["path"].text();
  return DemoEvent{.at = Time(Duration((*json)["at_ns"].integer())),
                   .kind = (*json)["kind"].text(),
                   .wan = path.substr(0, path.find('>')),
                   .to = (*json)["to"].text(),
                   .cause = (*json)["cause"].text(),
                   .text = (*json)["text"].text()};
}

std::vector<DemoPath> parse_demo_state(const std::string& text) {
  std::vector<DemoPath> paths;
  const auto json = JsonValue::parse(text);
  if (!json || (*json)["peers"].items().empty()) return paths;
  const auto& all = (*json)["peers"].items().front()["paths"].items();
  for (const DemoWan& wan : kDemoWans) {
    const auto found = std::find_if(all.begin(), all.end(), [&](const JsonValue& path) {
      return path["wan"].text() == wan.name;
    });
    if (found == all.end()) continue;
    const JsonValue& path = *found;
    paths.push_back({.wan = wan.name,
                     .state = path["state"].text(),
                     .selected = path["selected"].is_true(),
                     .rtt_ms = path["rtt_ms"].number(),
                     .loss_percent = path["loss_ppm"].number() / 1e4,
                     .tx_bytes = static_cast<std::uint64_t>(path["tx_bytes"].integer()),
                     .rx_bytes = static_cast<std::uint64_t>(path["rx_bytes"].integer())});
  }
  return paths;
}

const DemoPath* find_path(const std::vector<DemoPath>& paths, const std::string& wan) {
  const auto found = std::find_if(paths.begin(), paths.end(),
                                  [&](const DemoPath& path) { return path.wan == wan; });
  return found == paths.end() ? nullptr : &*found;
}

Result<DemoNode> DemoNode::start(const DemoFolder& folder, const std::string& name,
                                 const Netns& netns) {
  const std::string log = folder.file(name + ".log");
  const Fd output(::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!output.valid()) return Error{"cannot write " + log + ": " + std::strerror(errno)};
  const std::string config = folder.file(name + ".conf");
  const auto body = [&config] {
    ::execl("/proc/self/exe", "wanbond", "run", "-c", config.c_str(), nullptr);
    return kCannotRun;
  };
  auto process = Child::fork(body, {.netns = &netns, .output_fd = output.get()});
  if (!process) return process.error();
  return DemoNode(folder, name, std::move(*process));
}

Fd DemoNode::ask(const std::string& request) const {
  int error = 0;
  auto socket = connect_unix(folder_->file(name_ + ".sock"), error);
  if (!socket) return Fd();
  (void)::setsockopt(socket->get(), SOL_SOCKET, SO_RCVTIMEO, &kAnswerLimit, sizeof(kAnswerLimit));
  const std::string line = request + "\n";
  const ssize_t sent = ::send(socket->get(), line.data(), line.size(), MSG_NOSIGNAL);
  return sent == static_cast<ssize_t>(line.size()) ? std::move(*socket) : Fd();
}

Result<std::vector<DemoEvent>> DemoNode::take_events() {
  if (const auto status = process_.wait(0ms))
    return Error{"the node of site " + name_ + " ended with status " + std::to_string(*status) +
                 ": " + folder_->last_line(name_ + ".log")};
  std::vector<DemoEvent> events;
  if (!events_.valid()) events_ = ask("events json follow");
  std::array<char, 16384> buffer;
  ssize_t size = 0;
  while ((size = ::recv(events_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT)) > 0)
    unread_.append(buffer.data(), static_cast<std::size_t>(size));
  for (std::size_t end; (end = unread_.find('\n')) != std::string::npos;) {
    if (auto event = parse_demo_event(unread_.substr(0, end))) events.push_back(std::move(*event));
    unread_.erase(0, end + 1);
  }
  return events;
}

std::vector<DemoPath> DemoNode::state() const {
  const Fd socket = ask("show json");
  std::string text;
  std::array<char, 16384> buffer;
  ssize_t size = 0;
  while ((size = ::recv(socket.get(), buffer.data(), buffer.size(), 0)) > 0)
    text.append(buffer.data(), static_cast<std::size_t>(size));
  return parse_demo_state(text);
}

}  // namespace wanbond
