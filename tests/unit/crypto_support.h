// What the tests of crypto/ share: hexadecimal, scripted and seeded randomness, vector files.
#pragma once

#include <doctest/doctest.h>

#include <array>
#include <cstring>
#include <deque>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/random.h"
#include "crypto/key.h"
#include "json.h"

namespace wanbond::test {

using Buffer = std::vector<std::byte>;

/// libsodium is ready in every test that includes this file.
inline const bool kCryptoReady = crypto_init().has_value();

inline Buffer unhex(std::string_view text) {
  if (text.size() % 2 != 0) throw std::runtime_error("odd number of hexadecimal digits");
  Buffer bytes;
  for (std::size_t i = 0; i < text.size(); i += 2)
    bytes.push_back(std::byte(std::stoul(std::string(text.substr(i, 2)), nullptr, 16)));
  return bytes;
}
inline Buffer unhex(const Json& json) { return unhex(json.string()); }

inline std::string hex(Bytes bytes) {
  std::string text;
  for (const std::byte b : bytes) {
    text += "0123456789abcdef"[std::to_integer<unsigned>(b) >> 4];
    text += "0123456789abcdef"[std::to_integer<unsigned>(b) & 15];
  }
  return text;
}

inline std::span<const std::byte, 32> bytes32(const Buffer& bytes) {
  if (bytes.size() != 32) throw std::runtime_error("not 32 bytes");
  return std::span<const std::byte, 32>(bytes.data(), 32);
}
template <class Key>
Key secret_from(const Json& json) {
  return Key(bytes32(unhex(json)));
}
inline PublicKey public_from(const Json& json) {
  const Buffer bytes = unhex(json);
  PublicKey key;
  std::memcpy(key.bytes.data(), bytes32(bytes).data(), 32);
  return key;
}

/// Gives exactly the bytes it was told, in order; asking for more ends the test program.
class ScriptedRandom final : public Random {
 public:
  explicit ScriptedRandom(const Buffer& bytes) { add(bytes); }
  void add(const Buffer& bytes) { rest_.insert(rest_.end(), bytes.begin(), bytes.end()); }
  void fill(MutableBytes out) noexcept override {
    check(out.size() <= rest_.size());
    for (std::byte& b : out) {
      b = rest_.front();
      rest_.pop_front();
    }
  }

 private:
  std::deque<std::byte> rest_;
};

/// splitmix64: the same bytes for the same seed.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed) : state_(seed) {}
  void fill(MutableBytes out) noexcept override {
    for (std::byte& b : out) {
      state_ += 0x9e3779b97f4a7c15;
      std::uint64_t z = state_;
      z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
      z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
      b = static_cast<std::byte>(z >> 56);
    }
  }

 private:
  std::uint64_t state_;
};

/// A third-party vector file; says "skipped" by name where it is absent.
inline std::optional<Json> vectors(const std::string& name) {
  auto json = read_json(std::string(WANBOND_VECTORS) + "/" + name);
  if (!json) MESSAGE("skipped: no vectors ", name);
  return json;
}

}  // namespace wanbond::test
