// OrderChecker: what comes out of a LAN went into another one, unchanged, once, and in the order of
// its flow.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/bytes.h"
#include "base/time.h"

namespace wanbond::sim {

/// TCP is put back in order, but for packets that come later than the resequencer waits. What is
/// not, pure acknowledgements among it, may break order between a packet that went in before its
/// sender moved to another path and one that went in after; so may what is copied unasked.
class OrderChecker {
 public:
  /// Links that reorder excuse the rest.
  enum class Links { KeepOrder, Reorder };
  void set_links(Links links) noexcept { links_ = links; }

  void on_in(Time now, unsigned host, Bytes packet);
  /// The host sends by another path from now on.
  void on_moved(Time now, unsigned host) { moves_[host].push_back(now); }
  /// What is wrong with a packet that came out, or nothing.
  std::optional<std::string> on_out(Time now, Bytes packet);

 private:
  struct Sent {
    unsigned count = 0;  // of identical packets, not out yet
    bool ambiguous = false;
    unsigned host = 0;
    std::uint64_t flow = 0;
    std::uint64_t number = 0;
    Time time{};
    bool is_resequenced = false;
    bool is_copied = false;
  };
  struct Flow {
    std::uint64_t sent = 0;
    std::uint64_t highest = 0;  // number of the youngest that came out
    Time highest_time{};        // when that one went in
  };
  bool moved_between(unsigned host, Time from, Time to) const;

  Links links_ = Links::KeepOrder;
  std::unordered_map<std::uint64_t, Sent> sent_;  // looked up only, never walked
  std::unordered_map<std::uint64_t, Flow> flows_;
  std::unordered_map<unsigned, std::vector<Time>> moves_;
};

}  // namespace wanbond::sim
