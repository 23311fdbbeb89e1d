// Resolver: host names to endpoints without blocking the loop. getaddrinfo(3) may take half a
// minute and cannot be cancelled, so it runs in a child process, which can be ended at any time.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "base/result.h"
#include "io/fd.h"

namespace wanbond {

/// The answer to one request.
struct Resolution {
  int token = 0;
  std::string host;
  std::vector<Endpoint> endpoints;  // in the order of RFC 6724, at most 16; empty on error
  std::string error;                // empty when endpoints are there
};

/// Asks one question after another. Start it after privileges were dropped, before threads, Io and
/// seccomp filter: the child keeps the caller's user but no capability and no open file.
class Resolver {
 public:
  /// Requests not yet answered, at most.
  static constexpr std::size_t kPendingMax = 64;

  static Result<std::unique_ptr<Resolver>> start();
  /// Ends the child at once, also in the middle of a question.
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  /// Asks for the addresses of `host` (1 to 253 characters, a name or an address). The answer
  /// carries `token`. False when too many are pending, the name is too long or the child is gone.
  bool request(int token, std::string_view host, std::uint16_t port);
  /// For Io::watch(): readable when take_results() has something. Stop watching when !alive().
  int fd() const noexcept { return fd_.get(); }
  /// What has been answered; never blocks. If the child died, all that is pending fails.
  std::vector<Resolution> take_results();
  /// False once the child has ended on its own.
  bool alive() const noexcept { return alive_; }

 private:
  struct Pending {
    int token = 0;
    std::string host;
  };
  Resolver(Fd fd, pid_t child) noexcept;

  Fd fd_;
  pid_t child_ = -1;
  bool alive_ = true;
  std::vector<Pending> pending_;  // in the order asked, which is the order answered
};

}  // namespace wanbond
