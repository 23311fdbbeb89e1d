// wanbond version: what this build can do, and what this machine lets it do.
#include <iostream>
#include <string>

#include "cmd_line.h"
#include "crypto/aead.h"
#include "io/io.h"
#include "version.h"

namespace wanbond {
namespace {

constexpr std::size_t kProbePoolBytes = std::size_t{4} << 20;

/// "usable" or why this library cannot compute ciphers here.
std::string probe_library(AeadLibrary library) {
  const auto probed = probe_aead(library);
  return probed ? "usable" : "not usable: " + probed.error().message;
}

/// "io_uring" or why it cannot be used here.
std::string probe_io(IoChoice choice) {
  PacketPool pool(kProbePoolBytes);
  std::string why_not_uring;
  const auto io = make_io(choice, pool, why_not_uring);
  if (!io) return "not usable: " + io.error().message;
  return "usable";
}

}  // namespace

int run_version(Arguments arguments) {
  const CommandForm form{"version",
                         "Prints the version, and the ciphers, their libraries and the I/O back "
                         "ends that this build and this machine have.",
                         Operand::None,
                         {}};
  const auto line = parse_command_line(form, arguments);
  if (const int* status = std::get_if<int>(&line)) return *status;
  // Without a wish there is always one.
  const std::string library(aead_library_name(choose_aead(std::nullopt).value()));
  std::cout << "wanbond " << kVersion << "\n"
            << "cipher aes-256-gcm: "
            << (aes_available() ? library : "not usable: the processor lacks AES instructions")
            << "\n"
            << "cipher chacha20-poly1305: " << library << "\n"
            << "aead libIPSec_MB: " << probe_library(AeadLibrary::IpsecMb) << "\n"
            << "aead libsodium: " << probe_library(AeadLibrary::Sodium) << "\n"
            << "io io_uring: " << probe_io(IoChoice::Uring) << "\n"
            << "io epoll: " << probe_io(IoChoice::Epoll) << "\n";
  return kExitFine;
}

}  // namespace wanbond
