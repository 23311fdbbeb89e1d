// LineServer: answers one-line requests on a UNIX or TCP socket inside the loop, never blocking it.
// What the requests mean is the caller's matter; so are the names of its clients' tokens.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/address.h"
#include "base/result.h"
#include "io/fd.h"
#include "io/io.h"

namespace wanbond {

/// A first line of a client, without its line feed.
struct LineRequest {
  std::size_t client = 0;
  std::string line;
};

/// At most kClientsMax clients, each with one request of at most kRequestMax bytes and kOutputMax
/// bytes of answer not yet read; who exceeds a bound is cut off.
class LineServer {
 public:
  static constexpr std::size_t kClientsMax = 8;
  static constexpr std::size_t kRequestMax = 4096;
  static constexpr std::size_t kOutputMax = std::size_t{16} << 20;
  /// Tokens that it takes in the Io: `token` for itself and the next kClientsMax for its clients.
  static constexpr int kTokens = 1 + static_cast<int>(kClientsMax);

  /// What becomes of the client once its answer is sent.
  enum class After : std::uint8_t { Close, Keep };

  /// Takes over a listening socket.
  LineServer(Fd listener, int token) noexcept : listener_(std::move(listener)), token_(token) {}
  ~LineServer() = default;
  LineServer(LineServer&&) = default;
  LineServer& operator=(LineServer&&) = delete;

  /// Begins to take clients from `io`, which outlives this.
  Result<void> start(Io& io);
  /// True for a token of this server.
  bool owns(int token) const noexcept { return token >= token_ && token < token_ + kTokens; }
  /// After Readable with a token of this server: the requests that are complete now.
  std::vector<LineRequest> on_readable(int token);
  /// Appends to what the client is sent.
  void answer(std::size_t client, const std::string& text, After after);
  bool is_connected(std::size_t client) const noexcept { return clients_[client].fd.valid(); }
  /// Sends on what a client's socket had no room for. Cheap when there is nothing.
  void flush();
  /// When to call flush(); kNever when nothing waits.
  Time next_timeout(Time now) const noexcept;

 private:
  struct Client {
    Fd fd;
    std::string input;
    std::string output;
    std::size_t sent = 0;  // of output
    bool asked = false;    // the request is complete; more input is ignored
    bool close_after = false;
  };

  void accept_all();
  bool read_request(Client& client, LineRequest& request);
  void write_some(std::size_t index);
  void drop(std::size_t index) noexcept;

  Fd listener_;
  int token_;
  Io* io_ = nullptr;
  std::array<Client, kClientsMax> clients_;
};

/// A listening UNIX socket with mode 0660. A file without a listener behind it is replaced; an
/// error that says so when somebody listens.
Result<Fd> listen_unix(const std::string& path);
/// A listening TCP socket.
Result<Fd> listen_tcp(const Endpoint& endpoint);
/// True unless the process behind a connected UNIX socket is known to be gone or to live in another
/// network namespace. To know the latter, it takes the right to look at that process: root's, or
/// CAP_SYS_PTRACE.
bool may_share_network(const Fd& connection) noexcept;
/// A blocking connection to a UNIX socket; `errno` of the failure in `error_number`.
Result<Fd> connect_unix(const std::string& path, int& error_number);

}  // namespace wanbond
