// CommandSocket: a UNIX stream socket on which other processes give the emulator commands, one per
// line, each answered by one line.
#pragma once

#include <map>
#include <string>
#include <utility>

#include "base/result.h"
#include "io/fd.h"
#include "lab/console.h"
#include "lab/emulator.h"

namespace wanbond {

/// Listens at a path that it makes (mode 0600) and removes. Its descriptors are watched by the
/// emulator; give each that turn() names to serve(). Console and emulator must outlive it.
class CommandSocket {
 public:
  /// An old socket of that name is replaced.
  static Result<CommandSocket> open(const std::string& path, Emulator& emulator);

  CommandSocket(CommandSocket&& other) noexcept
      : path_(std::exchange(other.path_, {})),
        listener_(std::move(other.listener_)),
        emulator_(other.emulator_),
        clients_(std::move(other.clients_)) {}
  CommandSocket& operator=(CommandSocket&&) = delete;
  ~CommandSocket();

  /// Accepts, reads and answers without waiting. A descriptor that is not its own is ignored. A
  /// client that does not read its answers, or sends a line above 4096 bytes, is disconnected.
  void serve(int fd, Console& console);

 private:
  struct Client {
    Fd fd;
    std::string unread;  // a line not yet complete
  };
  CommandSocket(std::string path, Fd listener, Emulator& emulator) noexcept
      : path_(std::move(path)), listener_(std::move(listener)), emulator_(&emulator) {}

  void accept_client();
  bool answer(Client& client, Console& console);

  std::string path_;
  Fd listener_;
  Emulator* emulator_;
  std::map<int, Client> clients_;
};

}  // namespace wanbond
