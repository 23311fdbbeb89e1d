#include "crypto/mptcp_key.h"

#include <sodium.h>

#include <algorithm>

namespace wanbond {
namespace {

const unsigned char* raw(const std::byte* bytes) noexcept {
  return reinterpret_cast<const unsigned char*>(bytes);
}

}  // namespace

std::uint32_t mptcp_token(const MptcpKey& key) noexcept {
  std::array<std::byte, crypto_hash_sha256_BYTES> digest{};
  crypto_hash_sha256(reinterpret_cast<unsigned char*>(digest.data()), raw(key.data()), key.size());
  return ByteReader(digest).u32_be();
}

MptcpHmac mptcp_join_hmac(const MptcpJoinEnd& sender, const MptcpJoinEnd& receiver) noexcept {
  std::array<std::byte, 2 * sizeof(MptcpKey)> key{};
  std::copy(sender.key.begin(), sender.key.end(), key.begin());
  std::copy(receiver.key.begin(), receiver.key.end(), key.begin() + sizeof(MptcpKey));
  std::array<std::byte, 8> message{};
  ByteWriter writer(message);
  writer.u32_be(sender.nonce);
  writer.u32_be(receiver.nonce);
  std::array<std::byte, crypto_auth_hmacsha256_BYTES> whole{};
  crypto_auth_hmacsha256_state state;
  crypto_auth_hmacsha256_init(&state, raw(key.data()), key.size());
  crypto_auth_hmacsha256_update(&state, raw(message.data()), message.size());
  crypto_auth_hmacsha256_final(&state, reinterpret_cast<unsigned char*>(whole.data()));
  MptcpHmac hmac{};
  std::copy_n(whole.begin(), hmac.size(), hmac.begin());
  return hmac;
}

}  // namespace wanbond
