// The keys of one peer over time: previous, current, and up to two that wait for the initiator's
// first packet. Make before break, all paths at once (protocol 2.4 to 2.6).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "base/fixed.h"
#include "base/random.h"
#include "base/time.h"
#include "crypto/epoch.h"

namespace wanbond {

/// Place of an epoch in its keyring, 0 to 3, the same for the epoch's whole life: what a node's
/// table of cid slots points to. Places are used again, so the node frees a slot as soon as
/// Keyring::take_freed() names it.
using EpochId = StrongId<struct EpochTag, std::uint8_t>;

/// A packet number with the key it belongs to. Move-only: a number is sealed once.
class SendNumber {
 public:
  SendNumber(SendNumber&& other) noexcept
      : serial_(std::exchange(other.serial_, 0)),
        cid_(other.cid_),
        number_(other.number_),
        path_(other.path_) {}
  SendNumber& operator=(SendNumber&&) = delete;
  SendNumber(const SendNumber&) = delete;

  /// For the clear header: the peer's cid base | path, and the packet number.
  std::uint32_t cid() const noexcept { return cid_; }
  std::uint32_t number() const noexcept { return number_; }

 private:
  friend class Keyring;
  SendNumber(std::uint64_t serial, std::uint32_t cid, std::uint32_t number, PathId path) noexcept
      : serial_(serial), cid_(cid), number_(number), path_(path) {}

  std::uint64_t serial_;  // of its epoch, from 1 on; 0: used up
  std::uint32_t cid_;
  std::uint32_t number_;
  PathId path_;
};

/// What came of one received packet.
struct Opened {
  OpenResult result = OpenResult::NoKey;
  /// The packet has the highest number of its path so far: only such a one may speak of addresses.
  bool newest = false;
  /// This packet made its epoch the current one: all paths have moved to the new key.
  bool promoted = false;
};

/// One per peer. Crossing handshakes must be settled before anything is installed (protocol 2.6.7),
/// else the two sides would each move to the other's key.
class Keyring {
 public:
  static constexpr std::size_t kEpochCount = 4;

  /// `random` is used for the rekey jitter and outlives the keyring. `library` computes the packets
  /// of all its keys (choose_aead).
  Keyring(Random& random, const KeyLimits& limits,
          AeadLibrary library = AeadLibrary::Sodium) noexcept
      : random_(random), limits_(limits), library_(library) {}

  /// After HS_RESP came: the new epoch is current at once, the old one opens for 20 s more.
  EpochId install_initiator(Time now, const TrafficKeys& keys, const ConnectionIds& cids);
  /// After HS_RESP was sent: the new epoch waits for its first packet. Of two that wait, the older
  /// gives way to a third.
  EpochId install_responder(Time now, const TrafficKeys& keys, const ConnectionIds& cids);
  /// Erases every key now (CLOSE received, peer removed).
  void erase_all() noexcept;

  /// True while a packet can be sent: there is a current epoch younger than reject_after.
  bool can_send(Time now) const noexcept;
  /// The next number of a path under the current epoch; none when there is no key, it is too old
  /// (180 s), or worn out (2^32 - 2^16 numbers, 2^35 AES blocks). `path` < 64.
  std::optional<SendNumber> take_number(Time now, PathId path) noexcept;
  /// Seals in place under exactly that number. False, with nothing written, when its key has been
  /// erased since: the packet is dropped.
  [[nodiscard]] bool seal(SendNumber number, Bytes ad, MutableBytes text, Tag tag) noexcept;
  /// Leaves out numbers of the current epoch on a path: the next one is `next`, never less than
  /// before.
  void skip_numbers(PathId path, std::uint32_t next) noexcept;

  /// Opens in place: tag first, then window. `id` is what the node's table holds for the packet's
  /// cid; NoKey when the epoch there is another one by now.
  Opened open(Time now, EpochId id, const SealedPacket& packet) noexcept;
  /// Windows of `path` that are allocated from now on hold kNumbersFast.
  void set_fast(PathId path) noexcept;

  /// True when a new handshake is due: by age, by numbers, by AES blocks, by failed opens. False
  /// without a current epoch: then it is not a rekey.
  bool rekey_wanted(Time now) const noexcept;
  /// Erases what is over. Harmless when called early.
  void on_timer(Time now) noexcept;
  /// When on_timer has something to erase, or rekey_wanted becomes true by age.
  Time next_timeout() const noexcept;

  /// The local cid bases of epochs erased since the last call: their slots are free. To be called
  /// after every install, open that promoted, on_timer and erase_all.
  FixedVector<std::uint32_t, 8> take_freed() noexcept;

  /// For `show` and for decisions by age; null when there is none.
  const Epoch* current() const noexcept { return at(current_); }
  const Epoch* previous() const noexcept { return at(previous_); }
  /// Epochs that wait for their first packet, 0 to 2.
  std::size_t waiting_count() const noexcept;

 private:
  using Place = std::optional<std::uint8_t>;

  const Epoch* at(Place place) const noexcept { return place ? epochs_[*place].get() : nullptr; }
  Epoch* at(Place place) noexcept { return place ? epochs_[*place].get() : nullptr; }
  std::uint8_t install(Time now, const TrafficKeys& keys, const ConnectionIds& cids);
  void make_current(Time now, std::uint8_t place) noexcept;
  void erase(std::uint8_t place) noexcept;
  bool is_waiting(std::uint8_t place) const noexcept;

  Random& random_;
  KeyLimits limits_;
  AeadLibrary library_;
  std::array<std::unique_ptr<Epoch>, kEpochCount> epochs_;
  Place current_;
  Place previous_;
  std::uint64_t last_serial_ = 0;
  std::uint64_t fast_paths_ = 0;  // one bit per path
  Time timer_seen_{};             // of the last on_timer
  FixedVector<std::uint32_t, 8> freed_;
};

}  // namespace wanbond
