// wanbond run: the node, in the foreground.
#include <cstdlib>
#include <cstring>
#include <string>

#include "cmd_line.h"
#include "config_values.h"
#include "instance.h"

namespace wanbond {
namespace {

Result<RunOptions> read_environment() {
  RunOptions options;
  if (const char* io = std::getenv("WANBOND_IO")) {
    if (std::strcmp(io, "epoll") != 0 && std::strcmp(io, "uring") != 0)
      return Error{std::string("WANBOND_IO: '") + io + "' is not epoll or uring"};
    options.io = std::strcmp(io, "epoll") == 0 ? IoChoice::Epoll : IoChoice::Uring;
  }
  if (const char* aead = std::getenv("WANBOND_AEAD")) {
    if (std::strcmp(aead, "sodium") != 0 && std::strcmp(aead, "ipsec-mb") != 0)
      return Error{std::string("WANBOND_AEAD: '") + aead + "' is not sodium or ipsec-mb"};
    options.aead = std::strcmp(aead, "sodium") == 0 ? AeadLibrary::Sodium : AeadLibrary::IpsecMb;
  }
  if (const char* offloads = std::getenv("WANBOND_OFFLOADS")) {
    if (std::strcmp(offloads, "off") != 0)
      return Error{std::string("WANBOND_OFFLOADS: '") + offloads + "' is not off"};
    options.batching = Batching::OnePacket;
  }
  if (const char* rekey = std::getenv("WANBOND_REKEY_AFTER")) {
    const auto time = parse_duration(rekey);
    if (!time || *time < 1s || *time > 120s)
      return Error{std::string("WANBOND_REKEY_AFTER: '") + rekey +
                   "' is not a time from 1s to 120s"};
    options.rekey_after = *time;
  }
  return options;
}

}  // namespace

int run_node(Arguments arguments) {
  const CommandForm form{
      "run", "Runs a node in the foreground until SIGTERM or SIGINT.", Operand::Instance, {}};
  const auto parsed = parse_command_line(form, arguments);
  if (const int* status = std::get_if<int>(&parsed)) return *status;
  const auto& line = std::get<CommandLine>(parsed);
  if (line.config_file.empty()) {
    complain("run: which one? give NAME or -c FILE");
    return kExitUsage;
  }
  const auto options = read_environment();
  if (!options) {
    complain(options.error().message);
    return kExitUsage;
  }
  auto hooks = Hooks::start();  // before the keys are read: the helper needs none
  if (!hooks) {
    complain(hooks.error().message);
    return kExitFailed;
  }
  auto config = load_config(line.config_file);
  if (!config) {
    complain(config.error().message);
    return kExitUsage;
  }
  const auto instance = Instance::start(std::move(*config), std::move(*hooks), *options);
  if (!instance) {
    complain(instance.error().message);
    return kExitFailed;
  }
  (*instance)->run();
  return kExitFine;
}

}  // namespace wanbond
