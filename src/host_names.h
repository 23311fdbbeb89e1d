// HostNames: asks for the addresses of endpoints that are host names, and asks again.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "driver.h"
#include "io/resolver.h"
#include "plan.h"

namespace wanbond {

/// Names are asked anew after kRefresh, or kRetry when there was no answer.
class HostNames {
 public:
  static constexpr Duration kRefresh = 120s;
  static constexpr Duration kRetry = 5s;

  /// `resolver` may be null when there is no name; it and the driver outlive this.
  HostNames(std::vector<HostQuery> queries, Resolver* resolver, Driver& driver);

  void on_timer(Time now);
  /// Hands answers to the node; returns lines for the log.
  std::vector<std::string> on_readable(Time now);
  Time next_timeout() const noexcept;

  using Known = std::array<Endpoint, kAddressesPerName>;
  /// Which addresses to call when `answer` has come: those known that are still in it keep their
  /// places, since round robin is no change; others take free places of their family, in order.
  static Known update(const Known& known, const std::vector<Endpoint>& answer);

 private:
  struct Name {
    HostQuery query;
    Known known{};  // first half IPv4, second IPv6; port 0: none
    Time ask_at{};
    bool asked = false;
  };

  std::vector<Name> names_;
  Resolver* resolver_;
  Driver& driver_;
};

}  // namespace wanbond
