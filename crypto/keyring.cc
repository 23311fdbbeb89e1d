#include "crypto/keyring.h"

#include <algorithm>

#include "base/check.h"

namespace wanbond {

bool Keyring::is_waiting(std::uint8_t place) const noexcept {
  return epochs_[place] && current_ != place && previous_ != place;
}

std::size_t Keyring::waiting_count() const noexcept {
  std::size_t count = 0;
  for (std::uint8_t i = 0; i < kEpochCount; ++i) count += is_waiting(i) ? 1 : 0;
  return count;
}

void Keyring::erase(std::uint8_t place) noexcept {
  check(freed_.push(epochs_[place]->cids.local));
  epochs_[place].reset();
  if (current_ == place) current_.reset();
  if (previous_ == place) previous_.reset();
}

std::uint8_t Keyring::install(Time now, const TrafficKeys& keys, const ConnectionIds& cids) {
  const auto free = std::find(epochs_.begin(), epochs_.end(), nullptr);
  check(free != epochs_.end());
  *free = std::make_unique<Epoch>(keys, cids, library_);
  Epoch& epoch = **free;
  epoch.created = now;
  epoch.serial = ++last_serial_;
  return static_cast<std::uint8_t>(free - epochs_.begin());
}

void Keyring::make_current(Time now, std::uint8_t place) noexcept {
  if (previous_) erase(*previous_);
  previous_ = current_;
  current_ = place;
  epochs_[place]->erase_at = epochs_[place]->created + limits_.erase_after;
  // What is older than the current key may still have packets under way, and no future.
  for (const auto& epoch : epochs_)
    if (epoch && epoch->serial < epochs_[place]->serial)
      epoch->erase_at = std::min(epoch->erase_at, now + limits_.previous_kept);
}

EpochId Keyring::install_initiator(Time now, const TrafficKeys& keys, const ConnectionIds& cids) {
  if (previous_) erase(*previous_);
  const std::uint8_t place = install(now, keys, cids);
  Epoch& epoch = *epochs_[place];
  epoch.role = NoiseRole::Initiator;
  epoch.rekey_at = now + limits_.rekey_after;
  const Duration jitter = std::min(limits_.rekey_jitter, limits_.rekey_after / 2);
  if (jitter > Duration::zero()) epoch.rekey_at -= random_.below(jitter);
  make_current(now, place);
  return EpochId{place};
}

EpochId Keyring::install_responder(Time now, const TrafficKeys& keys, const ConnectionIds& cids) {
  if (waiting_count() == 2) {
    std::optional<std::uint8_t> oldest;
    for (std::uint8_t i = 0; i < kEpochCount; ++i)
      if (is_waiting(i) && (!oldest || epochs_[i]->serial < epochs_[*oldest]->serial)) oldest = i;
    erase(*oldest);
  }
  const std::uint8_t place = install(now, keys, cids);
  Epoch& epoch = *epochs_[place];
  epoch.role = NoiseRole::Responder;
  epoch.rekey_at = now + limits_.responder_rekey_after;
  epoch.erase_at = now + limits_.reject_after;
  return EpochId{place};
}

void Keyring::erase_all() noexcept {
  for (std::uint8_t i = 0; i < kEpochCount; ++i)
    if (epochs_[i]) erase(i);
}

bool Keyring::can_send(Time now) const noexcept {
  return current_ && now - at(current_)->created < limits_.reject_after;
}

std::optional<SendNumber> Keyring::take_number(Time now, PathId path) noexcept {
  if (!can_send(now)) return std::nullopt;
  Epoch& epoch = *at(current_);
  const auto number = epoch.send.take_number(path, limits_);
  if (!number) return std::nullopt;
  return SendNumber(epoch.serial, epoch.cids.remote | path.value, *number, path);
}

bool Keyring::seal(SendNumber number, Bytes ad, MutableBytes text, Tag tag) noexcept {
  for (const auto& epoch : epochs_) {
    if (!epoch || epoch->serial != number.serial_) continue;
    epoch->send.seal(number.path_, number.number_, ad, text, tag);
    return true;
  }
  return false;
}

void Keyring::skip_numbers(PathId path, std::uint32_t next) noexcept {
  if (current_) at(current_)->send.skip_to(path, next);
}

Opened Keyring::open(Time now, EpochId id, const SealedPacket& packet) noexcept {
  Epoch* const epoch = id.value < kEpochCount ? epochs_[id.value].get() : nullptr;
  if (epoch == nullptr || epoch->cids.local != packet.cid - packet.path().value ||
      now >= epoch->erase_at)
    return {};
  Opened opened;
  if (now - epoch->created >= limits_.reject_after) {
    opened.result = OpenResult::Expired;
    return opened;
  }
  const bool fast = (fast_paths_ >> packet.path().value & 1) != 0;
  opened.result = epoch->receive.open(
      packet, fast ? ReplayWindow::kNumbersFast : ReplayWindow::kNumbers, limits_);
  if (opened.result != OpenResult::Ok) return opened;
  opened.newest = epoch->receive.highest(packet.path()) == packet.number;
  epoch->peer_proven = true;
  // An older key than the current one may not take its place: the peer is about to erase it.
  if (!current_ || epoch->serial > at(current_)->serial) {
    make_current(now, id.value);
    opened.promoted = true;
  }
  return opened;
}

void Keyring::set_fast(PathId path) noexcept {
  check(path.value < kPathCountMax);
  fast_paths_ |= std::uint64_t{1} << path.value;
}

bool Keyring::rekey_wanted(Time now) const noexcept {
  const Epoch* const epoch = current();
  return epoch != nullptr && (now >= epoch->rekey_at || epoch->send.wants_rekey(limits_) ||
                              epoch->receive.wants_rekey(limits_));
}

void Keyring::on_timer(Time now) noexcept {
  timer_seen_ = now;
  for (std::uint8_t i = 0; i < kEpochCount; ++i)
    if (epochs_[i] && now >= epochs_[i]->erase_at) erase(i);
}

Time Keyring::next_timeout() const noexcept {
  Time next = kNever;
  for (const auto& epoch : epochs_)
    if (epoch) next = std::min(next, epoch->erase_at);
  const Epoch* const epoch = current();
  if (epoch != nullptr && epoch->rekey_at > timer_seen_) next = std::min(next, epoch->rekey_at);
  return next;
}

FixedVector<std::uint32_t, 8> Keyring::take_freed() noexcept {
  return std::exchange(freed_, FixedVector<std::uint32_t, 8>());
}

}  // namespace wanbond
