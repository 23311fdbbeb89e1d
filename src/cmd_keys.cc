// wanbond genkey, pubkey, genpsk: keys on standard output, as wg(8) does it.
#include <filesystem>
#include <iostream>
#include <iterator>
#include <string>

#include "cmd_line.h"
#include "config_scanner.h"
#include "crypto/key.h"
#include "io/random.h"

namespace wanbond {
namespace {

constexpr std::size_t kInputMax = 4096;  // a key has 44 characters

/// A secret in a file that everybody may read is no secret.
void warn_of_open_output() {
  std::error_code error;
  const auto status = std::filesystem::status("/dev/stdout", error);
  const auto others = std::filesystem::perms::others_read;
  if (!error && std::filesystem::is_regular_file(status) &&
      (status.permissions() & others) != std::filesystem::perms::none)
    complain("warning: everybody may read the file that the key goes to; cure: umask 077");
}

int print_secret(Arguments arguments, const CommandForm& form) {
  const auto line = parse_command_line(form, arguments);
  if (const int* status = std::get_if<int>(&line)) return *status;
  warn_of_open_output();
  KernelRandom random;
  const bool is_key = std::string(form.name) == "genkey";
  std::cout << (is_key ? KeyPair::generate(random).secret.to_text()
                       : PresharedKey::generate(random).to_text())
            << std::endl;
  return std::cout ? kExitFine : kExitFailed;
}

}  // namespace

int run_genkey(Arguments arguments) {
  return print_secret(arguments, {"genkey", "Prints a new private key.", Operand::None, {}});
}

int run_genpsk(Arguments arguments) {
  return print_secret(
      arguments, {"genpsk", "Prints a new secret for PresharedKey or NetKey.", Operand::None, {}});
}

int run_pubkey(Arguments arguments) {
  const CommandForm form{"pubkey",
                         "Reads a private key from standard input and prints its public key.",
                         Operand::None,
                         {}};
  const auto line = parse_command_line(form, arguments);
  if (const int* status = std::get_if<int>(&line)) return *status;
  std::string text(kInputMax, '\0');
  std::cin.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(std::cin.gcount()));
  const auto secret = SecretKey::parse(trim(text));
  secure_wipe(std::as_writable_bytes(std::span(text.data(), text.size())));
  if (!secret) {
    complain("pubkey: standard input is not a key (44 characters of base64)");
    return kExitFailed;
  }
  std::cout << public_key_of(*secret).to_text() << std::endl;
  return std::cout ? kExitFine : kExitFailed;
}

}  // namespace wanbond
