// What is known of the traffic on a path: what we received (to report) and what of ours arrived (as
// reported). One pair per path; costs a few additions per packet.
#pragma once

#include <cstdint>

#include "base/ids.h"
#include "base/time.h"
#include "sched/delay_jumps.h"

namespace wanbond {

/// The receiving side's account of one path under one key epoch; what FEEDBACK reports.
class ReceiveAccount {
 public:
  /// One authentic packet that was no replay. `stamp` is the sender's, `arrival` ours, both in wire
  /// units. A change of `epoch` starts the counts anew.
  void on_packet(std::uint8_t epoch, std::uint32_t number, std::uint32_t bytes) noexcept;
  /// Stamps of the newest packet of a batch.
  void on_stamp(Time now, std::uint16_t stamp, std::uint16_t arrival) noexcept;
  /// We ourselves were late by so much: what came meanwhile waited here, and no jump of the delay
  /// counts that appears while it is worked off, for as long again.
  void excuse(Time now, Duration late) noexcept {
    excuse_ = late;
    excused_until_ = now + late;
  }

  bool any() const noexcept { return packets_ > 0; }
  std::uint32_t largest() const noexcept { return largest_; }
  std::uint32_t packets() const noexcept { return packets_; }
  std::uint32_t bytes() const noexcept { return bytes_; }
  std::uint16_t late() const noexcept { return late_; }
  std::uint16_t newest_stamp() const noexcept { return newest_stamp_; }
  std::uint16_t newest_arrival() const noexcept { return newest_arrival_; }
  Time newest_at() const noexcept { return newest_at_; }
  /// Arrival minus sending in wire units: one-way delay plus the unknown offset of the two clocks,
  /// which is the same for all paths of a peer. Smoothed.
  std::uint16_t delay_stamp() const noexcept { return delay_stamp_; }
  /// Mean deviation of the one-way delay between packets (RFC 3550 section 6.4.1).
  Duration jitter() const noexcept { return jitter_; }
  /// How far the one-way delay jumps up between two packets, but rarely: see DelayJumps::tail.
  Duration jump_tail() const noexcept { return jumps_.tail(); }

 private:
  std::uint8_t epoch_ = 0;
  std::uint32_t largest_ = 0;
  std::uint32_t packets_ = 0;
  std::uint32_t bytes_ = 0;
  std::uint16_t late_ = 0;
  std::uint16_t newest_stamp_ = 0;
  std::uint16_t newest_arrival_ = 0;
  std::uint16_t delay_stamp_ = 0;
  std::uint16_t last_delay_ = 0;
  bool stamped_ = false;
  Time newest_at_{};
  Duration jitter_{};
  Duration excuse_{};
  Time excused_until_{};
  DelayJumps jumps_;
};

/// The sending side's account, from the peer's reports: loss and delivered rate.
class SendAccount {
 public:
  struct Report {
    std::uint32_t largest = 0, packets = 0, bytes = 0;  // cumulative per epoch
  };
  /// A report older than the last one is ignored; counts that fell start a new epoch.
  void on_report(Time now, const Report& report) noexcept;
  /// Our own traffic stands in a queue before the path: what is lost in this second and the next
  /// is lost to it, and not to the path.
  void note_queue() noexcept { queued_windows_ = 2; }

  /// An outage has ended: what was lost in it, below this packet number, says nothing of the path
  /// as it is now. Reports that do not go beyond it are of before.
  void forget_outage(std::uint32_t next_number) noexcept {
    has_base_ = false;
    base_from_ = next_number;
    heavy_since_ = kNever;
  }
  /// Of what was sent over the last second or more of traffic, in parts per million.
  std::uint32_t loss_ppm() const noexcept { return loss_ppm_; }
  /// The same over the last ten seconds or so, however little was sent, without what was lost to a
  /// queue of ours.
  std::uint32_t lasting_loss_ppm() const noexcept { return lasting_loss_ppm_; }
  /// Packets sent per second, DATA and CTRL, over the last second or more.
  std::uint32_t packets_per_second() const noexcept { return packets_per_second_; }
  /// Since when every second has lost more than a fifth; kNever: it does not.
  Time heavy_loss_since() const noexcept { return heavy_since_; }
  /// Delivered over the last second or more; 0 when nothing was.
  BitRate rate() const noexcept { return rate_; }

 private:
  void note_losses(std::uint32_t sent, std::uint32_t lost) noexcept;

  bool has_base_ = false;
  std::uint32_t base_from_ = 0;
  Report base_;
  Time base_at_{};
  std::uint32_t loss_ppm_ = 0;
  unsigned queued_windows_ = 0;  // whose losses do not count, the present one first
  std::uint32_t packets_per_second_ = 0;
  std::uint32_t lasting_loss_ppm_ = 0;
  Time heavy_since_ = kNever;
  BitRate rate_{};
};

}  // namespace wanbond
