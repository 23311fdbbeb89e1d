// PacketStore: the memory of all packets inside the link emulator, in slots of one size, taken at
// start and touched on first use.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/check.h"

namespace wanbond {

/// `count` slots of `slot_bytes` each; a slot is named by its handle. The one used last is given
/// out first, so that a short queue stays in the cache.
class PacketStore {
 public:
  PacketStore(std::uint32_t count, std::size_t slot_bytes)
      : slot_bytes_(slot_bytes), memory_(new std::byte[count * slot_bytes]) {
    free_.reserve(count);
    for (std::uint32_t handle = count; handle > 0; --handle) free_.push_back(handle - 1);
  }

  /// None when all slots are in use.
  std::optional<std::uint32_t> acquire() noexcept {
    if (free_.empty()) return std::nullopt;
    const std::uint32_t handle = free_.back();
    free_.pop_back();
    return handle;
  }
  void release(std::uint32_t handle) noexcept {
    check(free_.size() < free_.capacity());
    free_.push_back(handle);
  }
  MutableBytes slot(std::uint32_t handle) noexcept {
    return {memory_.get() + handle * slot_bytes_, slot_bytes_};
  }

 private:
  std::size_t slot_bytes_;
  std::unique_ptr<std::byte[]> memory_;
  std::vector<std::uint32_t> free_;
};

}  // namespace wanbond
