// PathMtu: which UDP payload a path carries, found without ICMP by acknowledged probes (RFC 8899,
// datagram packetization layer path MTU discovery; protocol PACKET SIZE). A passive machine of one
// path: time, answers and reports come in; the sizes to probe and the size to use come out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/fixed.h"
#include "base/time.h"
#include "proto/frames.h"
#include "proto/limits.h"

namespace wanbond {

/// What bounds the search on a path: both depend on its interface and on the peer's address.
struct PmtuLimits {
  std::size_t payload_bytes_max = kPmtuBaseBytes;  // of the interface (MAX_PLPMTU)
  std::size_t header_bytes = 28;                   // of IP and UDP in front of it: 28 or 48
  friend bool operator==(const PmtuLimits&, const PmtuLimits&) = default;
};

/// Promise: payload_bytes() is what the peer has acknowledged, or the base size that validation has
/// shown; it falls only after kPmtuProbesMax probes of that size were lost, each while a small
/// probe right behind it arrived. ICMP and the kernel's refusals never set it.
class PathMtu {
 public:
  /// RFC 8899 5.2. BASE is not among them: path validation confirms the base size.
  enum class Phase : std::uint8_t {
    Disabled,   // the address does not answer
    Searching,  // for a larger size
    Complete,   // nothing larger passes; looked at again after kPmtuRaiseInterval
    Error,      // not even kDataPayloadBytesMin passes; looked at again after kPmtuErrorInterval
  };
  /// What the peer has said of our packets so far, cumulative per key epoch (FEEDBACK).
  struct Report {
    std::uint32_t largest = 0, packets = 0, bytes = 0;
  };

  /// The address answers: the search begins. A size known from before stays in use, and is tried
  /// again at once. Nothing while it runs.
  void start(Time now, const PmtuLimits& limits) noexcept;
  /// The interface takes packets of another size now: a larger one is looked for, a smaller one is
  /// used at once.
  void set_limits(Time now, const PmtuLimits& limits) noexcept;
  /// The address does not answer any more; the size stays known.
  void stop() noexcept;
  /// Smoothed round-trip time; for the probe timer.
  void set_rtt(Duration srtt) noexcept { rtt_ = srtt; }

  /// Packets of data, and all their UDP payload.
  void on_data_sent(Time now, std::uint32_t packets, std::uint64_t bytes) noexcept {
    if (is_large(packets, bytes)) large_sent_at_ = now;
  }
  /// Whether they were larger than what every path carries, so that their arrival is not certain.
  static bool is_large(std::uint32_t packets, std::uint64_t bytes) noexcept {
    return bytes > std::uint64_t{packets} * kPmtuBaseBytes;
  }
  /// A FEEDBACK about our packets: losses while large packets are sent start a check.
  void on_report(Time now, const Report& report) noexcept;
  /// EMSGSIZE, or an ICMP packet too big: starts a check, nothing more (RFC 8899 4.6.2).
  void on_too_big(Time now) noexcept;
  void on_ack(Time now, const PmtuAckFrame& ack) noexcept;

  void on_timer(Time now) noexcept;
  Time next_timeout() const noexcept;
  /// The next probe to send now; call until none.
  std::optional<PmtuProbeFrame> poll_probe(Time now) noexcept;

  /// The largest UDP payload to send on this path (PLPMTU).
  std::size_t payload_bytes() const noexcept { return size_; }
  /// False when not even kDataPayloadBytesMin passes, or it is not known yet.
  bool carries_data() const noexcept { return size_ >= kDataPayloadBytesMin; }
  /// Of IP and UDP in front of the payload.
  std::size_t header_bytes() const noexcept { return limits_.header_bytes; }
  Phase phase() const noexcept { return phase_; }
  /// The size in use is in doubt.
  bool is_checking() const noexcept { return check_.has_value(); }

 private:
  static constexpr std::size_t kRoundMax = 13;  // sizes probed at once
  struct Probe {
    std::uint16_t id = 0;
    std::uint16_t bytes = 0;
  };
  using Sizes = FixedVector<std::uint16_t, kRoundMax>;
  /// Search for a larger size: rounds of the same probes, largest first.
  struct Search {
    Sizes sizes;  // those that are neither acknowledged nor given up
    unsigned rounds = 0;
    bool is_ladder = false;  // else one size of the binary search
  };
  /// Does the size in use still pass?
  struct Check {
    unsigned lost = 0;    // rounds in which only the small probe arrived
    unsigned silent = 0;  // rounds in which nothing did
    std::uint16_t best = 0;
  };

  void begin_ladder(Time now) noexcept;
  void begin_check(Time now) noexcept;
  void search_on(Time now) noexcept;
  void send_round(Time now) noexcept;
  void send_check(Time now) noexcept;
  void finish_check(Time now) noexcept;
  void queue_search() noexcept;
  void end_check_round(Time now) noexcept;
  void end_search_round(Time now) noexcept;
  void on_black_hole(Time now) noexcept;
  void complete(Time now, Phase phase) noexcept;
  /// Usual sizes above the one in use and below what is known not to pass, largest first.
  Sizes ladder(unsigned round) const noexcept;
  Duration probe_timer() const noexcept;

  PmtuLimits limits_;
  Phase phase_ = Phase::Disabled;
  std::size_t size_ = kPmtuBaseBytes;
  std::size_t too_large_ = kPmtuBaseBytes + 1;  // the smallest size known not to pass
  Duration rtt_{};
  std::optional<Search> search_;
  std::optional<Check> check_;
  Sizes queue_;              // to be sent now, last first
  bool small_seen_ = false;  // the last and smallest probe of this round was acknowledged
  std::uint16_t small_id_ = 0;
  std::uint16_t next_id_ = 0;
  FixedVector<Probe, 3 * kRoundMax> sent_;
  Time deadline_ = kNever;  // of the round
  Time again_at_ = kNever;  // when Complete or Error end
  Time check_allowed_{};    // next check for a weak reason
  Time check_again_{};      // next check at all
  Time large_sent_at_{};
  std::optional<Report> last_report_;
};

}  // namespace wanbond
