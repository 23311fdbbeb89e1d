#include "demo_stream.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace wanbond {

void ArrivalMeter::on_arrival(Time now, std::uint64_t bytes) noexcept {
  const bool is_first = last_arrival_ == Time{};
  if (!is_first && now - last_arrival_ > sample_.gap) {
    sample_.gap = now - last_arrival_;
    sample_.gap_began = last_arrival_;
  }
  last_arrival_ = now;
  sample_.bytes += bytes;
  ++sample_.packets;
}

StreamSample ArrivalMeter::take(Time now) noexcept {
  StreamSample next = sample_;
  next.gap = Duration::zero();
  next.gap_began = Time{};
  StreamSample taken = std::exchange(sample_, next);
  taken.at = now;
  return taken;
}

StreamSample StreamHistory::latest() const noexcept {
  return samples_.empty() ? StreamSample{} : samples_.back();
}

StreamGap StreamHistory::longest_gap(Time from, Time to) const noexcept {
  StreamGap longest;
  for (const StreamSample& sample : samples_) {
    const bool overlaps = sample.gap_began < to && sample.gap_began + sample.gap > from;
    if (overlaps && sample.gap > longest.length) longest = {sample.gap, sample.gap_began};
  }
  return longest;
}

StreamSample StreamHistory::between(Time from, Time to) const noexcept {
  const StreamSample first = at(from);
  StreamSample last = at(to);
  last.bytes -= first.bytes;
  last.packets -= first.packets;
  last.duplicates -= first.duplicates;
  return last;
}

StreamSample StreamHistory::at(Time time) const noexcept {
  const auto later =
      std::upper_bound(samples_.begin(), samples_.end(), time,
                       [](Time t, const StreamSample& sample) { return t < sample.at; });
  return later == samples_.begin() ? StreamSample{} : *std::prev(later);
}

}  // namespace wanbond
