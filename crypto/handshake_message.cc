#include "crypto/handshake_message.h"

#include "base/check.h"
#include "crypto/limits.h"

namespace wanbond {
namespace {

bool has_head(Bytes message, std::uint8_t type, std::size_t size) noexcept {
  if (message.size() != size) return false;
  ByteReader reader(message);
  return reader.u8() == type && reader.u8() == kHandshakeVersion && reader.u16() == 0 &&
         is_cid_base(reader.u32());
}

std::uint32_t u32_at(Bytes message, std::size_t offset) noexcept {
  return ByteReader(message.subspan(offset)).u32();
}

}  // namespace

Tai64n tai64n(WallTime wall) noexcept {
  // 2^62 marks the second of 1970-01-01 TAI, which was 10 s before that of UTC; leap seconds since
  // then are ignored, as everywhere else that TAI64N labels are only compared.
  static constexpr std::int64_t kSecond = 1'000'000'000;
  static constexpr std::uint64_t kEpochSecond = 0x400000000000000a;
  static constexpr std::uint32_t kStep = 1U << 24;
  std::int64_t second = wall.unix_ns / kSecond;
  std::int64_t rest = wall.unix_ns % kSecond;
  if (rest < 0) {
    rest += kSecond;
    --second;
  }
  Tai64n stamp;
  ByteWriter writer(stamp);
  writer.u64_be(kEpochSecond + static_cast<std::uint64_t>(second));
  writer.u32_be(static_cast<std::uint32_t>(rest) & ~(kStep - 1));
  return stamp;
}

std::uint16_t cipher_offer(CipherPolicy policy) noexcept {
  const auto chacha = cipher_bit(Cipher::ChaCha20Poly1305);
  const auto aes = aes_available() ? cipher_bit(Cipher::Aes256Gcm) : std::uint16_t{0};
  switch (policy) {
    case CipherPolicy::Auto:
      return chacha | aes;
    case CipherPolicy::Aes:
      return aes;
    case CipherPolicy::ChaCha:
      return chacha;
  }
  return 0;
}

std::optional<Cipher> choose_cipher(std::uint16_t peer_offer, CipherPolicy policy) noexcept {
  const int common = peer_offer & cipher_offer(policy);
  for (const Cipher cipher : {Cipher::Aes256Gcm, Cipher::ChaCha20Poly1305})
    if ((common & cipher_bit(cipher)) != 0) return cipher;
  return std::nullopt;
}

bool is_well_formed_init(Bytes message) noexcept {
  return has_head(message, kHandshakeInitType, kInitBytes);
}

bool is_well_formed_resp(Bytes message) noexcept {
  return has_head(message, kHandshakeRespType, kRespBytes) &&
         is_cid_base(answered_cid_base(message));
}

bool is_well_formed_cookie_reply(Bytes message) noexcept {
  return has_head(message, kHandshakeCookieType, kCookieReplyBytes);
}

std::uint32_t first_cid_base(Bytes message) noexcept { return u32_at(message, 4); }

std::uint32_t answered_cid_base(Bytes resp) noexcept { return u32_at(resp, 8); }

std::span<const std::byte, 32> init_ephemeral(Bytes init) noexcept {
  check(init.size() == kInitBytes);
  return init.subspan<8, 32>();
}

void write_init_payload(const InitPayload& payload, MutableBytes out) noexcept {
  ByteWriter writer(out);
  writer.put(payload.timestamp);
  writer.u16(payload.cipher_offer);
  writer.u16(payload.features);
  writer.u32(payload.cid_base);
  writer.u8(payload.highest_path);
  writer.u8(0);
  writer.u16(payload.payload_bytes_max);
  writer.u64(payload.boot_id);
  writer.u64(payload.retry_echo);
  check(writer.ok() && writer.remaining() == 0);
}

std::optional<InitPayload> parse_init_payload(Bytes bytes) noexcept {
  if (bytes.size() != kInitPayloadBytes) return std::nullopt;
  ByteReader reader(bytes);
  InitPayload payload;
  std::memcpy(payload.timestamp.data(), reader.take(12).data(), 12);
  payload.cipher_offer = reader.u16();
  payload.features = reader.u16();
  payload.cid_base = reader.u32();
  payload.highest_path = reader.u8();
  const std::uint8_t reserved = reader.u8();
  payload.payload_bytes_max = reader.u16();
  payload.boot_id = reader.u64();
  payload.retry_echo = reader.u64();
  if (reserved != 0 || payload.highest_path >= kPathCountMax || !is_cid_base(payload.cid_base))
    return std::nullopt;
  return payload;
}

void write_resp_payload(const RespPayload& payload, MutableBytes out) noexcept {
  ByteWriter writer(out);
  writer.u16(static_cast<std::uint16_t>(payload.cipher));
  writer.u16(payload.features);
  writer.u32(payload.cid_base);
  writer.u8(payload.highest_path);
  writer.u8(0);
  writer.u16(payload.payload_bytes_max);
  writer.u64(payload.boot_id);
  writer.u32(0);
  check(writer.ok() && writer.remaining() == 0);
}

std::optional<RespPayload> parse_resp_payload(Bytes bytes) noexcept {
  if (bytes.size() != kRespPayloadBytes) return std::nullopt;
  ByteReader reader(bytes);
  RespPayload payload;
  const std::uint16_t cipher = reader.u16();
  payload.features = reader.u16();
  payload.cid_base = reader.u32();
  payload.highest_path = reader.u8();
  const std::uint8_t reserved = reader.u8();
  payload.payload_bytes_max = reader.u16();
  payload.boot_id = reader.u64();
  const std::uint32_t reserved_end = reader.u32();
  if (cipher > static_cast<std::uint16_t>(Cipher::Aes256Gcm) || reserved != 0 ||
      reserved_end != 0 || payload.highest_path >= kPathCountMax || !is_cid_base(payload.cid_base))
    return std::nullopt;
  payload.cipher = static_cast<Cipher>(cipher);
  return payload;
}

}  // namespace wanbond
