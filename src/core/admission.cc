#include "core/admission.h"

#include <algorithm>

namespace wanbond {
namespace {

constexpr unsigned kSourcePerSecond = 20;
constexpr unsigned kSourceBurst = 5;
constexpr Duration kLoadMemory = 1s;

/// SplitMix64's finalizer: every input bit reaches every output bit.
std::uint64_t mix(std::uint64_t x) noexcept {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

}  // namespace

bool TokenBucket::take(Time now) noexcept {
  const Time fullest = now - interval_ * static_cast<Duration::rep>(burst_);
  empty_at_ = std::max(empty_at_, fullest);
  if (empty_at_ + interval_ > now) return false;
  empty_at_ += interval_;
  return true;
}

Time TokenBucket::next_permit(Time now) const noexcept {
  return std::max(now, empty_at_ + interval_);
}

Admission::Admission(Random& random)
    : seed_(random.u64()),
      queue_(kQueueMax),
      sources_(kSourceBuckets, TokenBucket(kSourcePerSecond, kSourceBurst)) {}

bool Admission::source_allowed(Time now, const IpAddress& source) noexcept {
  ByteReader reader(source.mapped());
  std::uint64_t hash = mix(seed_ ^ reader.u64());       // an IPv6 /64 ...
  if (source.is_v4()) hash = mix(hash ^ reader.u64());  // ... or the whole IPv4 address
  return sources_[hash % kSourceBuckets].take(now);
}

bool Admission::push(Time now, const PendingHandshake& message) noexcept {
  if (queued_ == kQueueMax) return false;
  queue_[(head_ + queued_++) % kQueueMax] = message;
  if (queued_ >= kLoadCount) load_until_ = now + kLoadMemory;
  return true;
}

std::optional<PendingHandshake> Admission::pop(Time now) noexcept {
  if (queued_ == 0 || !budget_.take(now)) return {};
  if (queued_ >= kLoadCount) load_until_ = now + kLoadMemory;
  const PendingHandshake& first = queue_[head_];
  head_ = (head_ + 1) % kQueueMax;
  --queued_;
  return first;
}

Time Admission::next_timeout(Time now) const noexcept {
  return queued_ == 0 ? kNever : budget_.next_permit(now);
}

}  // namespace wanbond
