// Hash: a fast 64-bit fold of values and bytes, for traces and for telling packets apart. Not
// cryptographic.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace wanbond::sim {

/// The order of what is added counts.
class Hash {
 public:
  Hash& add(std::uint64_t value) noexcept {
    state_ = (state_ ^ value) * 0x9e3779b97f4a7c15;
    state_ ^= state_ >> 29;
    return *this;
  }
  Hash& add(Bytes bytes) noexcept {
    ByteReader reader(bytes);
    while (reader.remaining() >= 8) add(reader.u64());
    while (reader.remaining() > 0) add(reader.u8());
    return add(bytes.size());
  }
  std::uint64_t value() const noexcept { return state_; }

 private:
  std::uint64_t state_ = 0xcbf29ce484222325;
};

}  // namespace wanbond::sim
