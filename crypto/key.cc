#include "crypto/key.h"

#include <sodium.h>

namespace wanbond {
namespace {

unsigned char* raw(std::byte* bytes) noexcept { return reinterpret_cast<unsigned char*>(bytes); }
const unsigned char* raw(const std::byte* bytes) noexcept {
  return reinterpret_cast<const unsigned char*>(bytes);
}

}  // namespace

Result<void> crypto_init() {
  if (sodium_init() < 0)
    return Error{"libsodium could not start: no randomness or no memory; check /dev/urandom"};
  return {};
}

void secure_wipe(MutableBytes bytes) noexcept { sodium_memzero(bytes.data(), bytes.size()); }

bool secure_equal(Bytes a, Bytes b) noexcept {
  return a.size() == b.size() && sodium_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::optional<std::array<std::byte, kKeyBytes>> parse_key_text(std::string_view text) noexcept {
  // libsodium refuses wrong padding, nonzero bits behind the last byte and anything that is not of
  // the alphabet, so 32 bytes are exactly 44 characters.
  std::array<std::byte, kKeyBytes> bytes{};
  std::size_t size = 0;
  if (sodium_base642bin(raw(bytes.data()), bytes.size(), text.data(), text.size(), nullptr, &size,
                        nullptr, sodium_base64_VARIANT_ORIGINAL) != 0 ||
      size != kKeyBytes) {
    secure_wipe(bytes);
    return std::nullopt;
  }
  return bytes;
}

std::string key_text(std::span<const std::byte, kKeyBytes> bytes) {
  std::array<char, kKeyTextChars + 1> text{};
  sodium_bin2base64(text.data(), text.size(), raw(bytes.data()), bytes.size(),
                    sodium_base64_VARIANT_ORIGINAL);
  std::string result(text.data(), kKeyTextChars);
  sodium_memzero(text.data(), text.size());
  return result;
}

std::optional<PublicKey> PublicKey::parse(std::string_view text) noexcept {
  const auto bytes = parse_key_text(text);
  if (!bytes) return std::nullopt;
  return PublicKey{*bytes};
}

PublicKey public_key_of(const SecretKey& secret) noexcept {
  PublicKey key;
  check(crypto_scalarmult_base(raw(key.bytes.data()), raw(secret.bytes().data())) == 0);
  return key;
}

std::optional<Key32> shared_secret(const SecretKey& secret, const PublicKey& point) noexcept {
  Key32 shared;
  if (crypto_scalarmult(raw(shared.bytes().data()), raw(secret.bytes().data()),
                        raw(point.bytes.data())) != 0)
    return std::nullopt;
  return shared;
}

KeyPair KeyPair::from(const SecretKey& secret) noexcept { return {secret, public_key_of(secret)}; }

KeyPair KeyPair::generate(Random& random) noexcept {
  SecretKey secret = SecretKey::generate(random);
  secret.bytes()[0] &= std::byte{0xf8};
  secret.bytes()[31] &= std::byte{0x7f};
  secret.bytes()[31] |= std::byte{0x40};
  return from(secret);
}

}  // namespace wanbond
