// wanbond-lab: the link emulator as a program of its own, for the system tests. Built, never
// installed.
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "lab/command_socket.h"
#include "lab/console.h"
#include "lab/emulator.h"
#include "lab/link_spec.h"
#include "lab/script.h"

namespace wanbond {
namespace {

constexpr const char* kUsage =
    "usage: wanbond-lab --link SPEC... [--control SOCKET] [--script FILE] [--log FILE] [--seed N]\n"
    "\n"
    "Emulates links between pairs of TUN devices in network namespaces, until SIGINT or SIGTERM.\n"
    "Prints \"ready\" when the links are up. Namespaces that do not exist are made, and deleted "
    "at\n"
    "the end.\n"
    "\n"
    "  --link SPEC       NAME,NETNS,DEVICE,ADDRESSES,NETNS,DEVICE,ADDRESSES[,KEY=VALUE...]\n"
    "                    keys: delay jitter distribution order rate overhead queue_bytes\n"
    "                    queue_packets loss burst mtu semantics, with a2b. or b2a. before them "
    "for\n"
    "                    one direction; device_mtu\n"
    "  --control SOCKET  commands, one per line: set, cut, restore, show, stats\n"
    "  --script FILE     lines as \"at 10s cut fiber\"\n"
    "  --log FILE        \"CLOCK_MONOTONIC-ns command\" for each change\n"
    "  --seed N          of loss and jitter; default 1\n";

struct Options {
  std::vector<LinkSpec> links;
  std::optional<std::string> control, script, log;
  std::uint64_t seed = 1;
};

Result<Options> parse_options(int argc, char** argv) {
  Options options;
  const std::map<std::string, std::optional<std::string>*> files{
      {"--control", &options.control}, {"--script", &options.script}, {"--log", &options.log}};
  for (int i = 1; i < argc; i += 2) {
    const std::string name = argv[i];
    if (i + 1 == argc) return Error{"the option " + name + " needs a value"};
    const std::string value = argv[i + 1];
    if (const auto file = files.find(name); file != files.end()) {
      *file->second = value;
    } else if (name == "--seed") {
      options.seed = std::strtoull(value.c_str(), nullptr, 10);
    } else if (name == "--link") {
      auto link = parse_link_spec(value);
      if (!link) return link.error();
      options.links.push_back(std::move(*link));
    } else {
      return Error{"there is no option " + name};
    }
  }
  if (options.links.empty()) return Error{"there is no --link"};
  return options;
}

// Namespaces by name: those that exist, and those made here.
class NetnsTable {
 public:
  Result<const Netns*> get(const std::string& name) {
    if (const auto known = names_.find(name); known != names_.end()) return known->second;
    auto netns = Netns::open_named(name);
    if (!netns) {
      auto made = Netns::make_named(name);
      if (!made) return made.error();
      namespaces_.push_back(std::move(*made));
    } else {
      namespaces_.push_back(std::move(*netns));
    }
    return names_[name] = &namespaces_.back();
  }

 private:
  std::deque<Netns> namespaces_;
  std::map<std::string, const Netns*> names_;
};

Result<std::vector<EmulatedLink>> resolve(std::vector<LinkSpec> specs, NetnsTable& table) {
  std::vector<EmulatedLink> links;
  for (LinkSpec& spec : specs) {
    EmulatedLink link{
        .name = std::move(spec.name), .ends = std::move(spec.ends), .settings = spec.settings};
    for (std::size_t side = 0; side < 2; ++side) {
      const auto netns = table.get(spec.netns[side]);
      if (!netns) return netns.error();
      link.netns[side] = *netns;
    }
    links.push_back(std::move(link));
  }
  return links;
}

Result<std::vector<ScriptStep>> read_script(const std::optional<std::string>& path) {
  if (!path) return std::vector<ScriptStep>{};
  std::ifstream file(*path);
  if (!file) return Error{"cannot read " + *path + ": " + std::strerror(errno)};
  const std::string text(std::istreambuf_iterator<char>(file), {});
  auto steps = parse_script(text);
  if (!steps) return Error{*path + ": " + steps.error().message};
  return steps;
}

// Gives the script's commands at their times; returns when the next one is.
class ScriptRunner {
 public:
  ScriptRunner(std::vector<ScriptStep> steps, Time start)
      : steps_(std::move(steps)), start_(start) {}

  Time run_due(Console& console) {
    for (; next_ < steps_.size(); ++next_) {
      const ScriptStep& step = steps_[next_];
      if (start_ + step.at > monotonic_now()) return start_ + step.at;
      const std::string reply = console.execute(step.command);
      if (!reply.starts_with("ok"))
        std::fprintf(stderr, "script: %s: %s\n", step.command.c_str(), reply.c_str());
    }
    return kNever;
  }

 private:
  std::vector<ScriptStep> steps_;
  Time start_;
  std::size_t next_ = 0;
};

// SIGINT and SIGTERM arrive here instead, so that every destructor runs.
Fd open_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  return Fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
}

Result<void> run(Options options) {
  const Fd signals = open_signals();
  auto steps = read_script(options.script);
  if (!steps) return steps.error();
  std::ofstream log;
  if (options.log) log.open(*options.log, std::ios::app);
  if (options.log && !log) return Error{"cannot write " + *options.log};

  NetnsTable table;
  auto links = resolve(std::move(options.links), table);
  if (!links) return links.error();
  auto emulator = Emulator::open(std::move(*links), options.seed);
  if (!emulator) return emulator.error();
  Console console(*emulator, [&log](Time at, std::string_view command) {
    if (log) log << at.time_since_epoch().count() << ' ' << command << std::endl;
  });
  std::optional<CommandSocket> control;
  if (options.control) {
    auto opened = CommandSocket::open(*options.control, *emulator);
    if (!opened) return opened.error();
    control.emplace(std::move(*opened));
  }
  if (const auto watched = emulator->watch(signals.get()); !watched) return watched;
  ScriptRunner script(std::move(*steps), monotonic_now());
  std::puts(run_in_real_time() ? "ready" : "ready (without real-time priority)");
  std::fflush(stdout);

  for (;;) {
    for (const int fd : emulator->turn(script.run_due(console))) {
      if (fd == signals.get()) return {};
      if (control) control->serve(fd, console);
    }
  }
}

}  // namespace
}  // namespace wanbond

int main(int argc, char** argv) {
  if (argc == 2 && std::strcmp(argv[1], "--help") == 0) {
    std::fputs(wanbond::kUsage, stdout);
    return 0;
  }
  auto options = wanbond::parse_options(argc, argv);
  if (!options) {
    std::fprintf(stderr, "wanbond-lab: %s\n%s", options.error().message.c_str(), wanbond::kUsage);
    return 2;
  }
  const auto ended = wanbond::run(std::move(*options));
  if (ended) return 0;
  std::fprintf(stderr, "wanbond-lab: %s\n", ended.error().message.c_str());
  return 1;
}
