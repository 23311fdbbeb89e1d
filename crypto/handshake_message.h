// The bytes of HS_INIT, HS_RESP and HS_COOKIE (protocol 1.2 to 1.4): sizes, places, cheap shape
// checks, and the payloads that the Noise handshake protects.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/time.h"
#include "crypto/aead.h"

namespace wanbond {

inline constexpr std::uint8_t kHandshakeInitType = 0x71;
inline constexpr std::uint8_t kHandshakeRespType = 0x72;
inline constexpr std::uint8_t kHandshakeCookieType = 0x73;
inline constexpr std::uint8_t kHandshakeVersion = 1;

inline constexpr std::size_t kInitBytes = 176;
inline constexpr std::size_t kRespBytes = 116;
inline constexpr std::size_t kCookieReplyBytes = 64;
inline constexpr std::size_t kInitPayloadBytes = 40;
inline constexpr std::size_t kRespPayloadBytes = 24;
inline constexpr std::size_t kMacBytes = 16;

using InitMessage = std::array<std::byte, kInitBytes>;
using RespMessage = std::array<std::byte, kRespBytes>;
using CookieReply = std::array<std::byte, kCookieReplyBytes>;
using Mac = std::array<std::byte, kMacBytes>;

/// TAI64N, big-endian, so that byte order is time order: 8 bytes of seconds, 4 of nanoseconds.
using Tai64n = std::array<std::byte, 12>;
/// The time stamp of a handshake: rounded down to 2^24 ns (16.8 ms), which hides the exact clock.
/// Two messages less than that apart may carry the same stamp: keep retries 20 ms apart.
Tai64n tai64n(WallTime wall) noexcept;

/// InitPayload::cipher_offer bit of a cipher.
constexpr std::uint16_t cipher_bit(Cipher cipher) noexcept {
  return static_cast<std::uint16_t>(1U << static_cast<unsigned>(cipher));
}
/// `Cipher =` of the configuration.
enum class CipherPolicy : std::uint8_t { Auto, Aes, ChaCha };
/// What this machine may offer under a policy; 0 for Aes without the instructions.
std::uint16_t cipher_offer(CipherPolicy policy) noexcept;
/// The responder's choice (protocol 2.2): AES when both can and our policy is Auto or Aes, else
/// ChaCha when both can; none when nothing fits.
std::optional<Cipher> choose_cipher(std::uint16_t peer_offer, CipherPolicy policy) noexcept;

/// Bits of `features`. Unknown bits are not answered.
inline constexpr std::uint16_t kFeaturePassive = 1 << 0;  // I hold no endpoint for you
inline constexpr std::uint16_t kFeatureMayRelay = 1 << 1;
inline constexpr std::uint16_t kFeatureEcn = 1 << 2;  // ECN seen and set

/// True for what may stand in a cid base field: 24 bits, the 6 path bits 0.
constexpr bool is_cid_base(std::uint32_t value) noexcept { return (value & 0xff00003f) == 0; }

/// What HS_INIT says under encryption.
struct InitPayload {
  Tai64n timestamp{};
  std::uint16_t cipher_offer = 0;
  std::uint16_t features = 0;
  std::uint32_t cid_base = 0;           // is_cid_base
  std::uint8_t highest_path = 0;        // 0 to 63
  std::uint16_t payload_bytes_max = 0;  // largest UDP payload the sender takes
  std::uint64_t boot_id = 0;            // random per process
  std::uint64_t retry_echo = 0;         // proof of a cookie, else 0 (protocol 2.6)
  friend auto operator<=>(const InitPayload&, const InitPayload&) = default;
};

/// What HS_RESP says under encryption.
struct RespPayload {
  Cipher cipher = Cipher::ChaCha20Poly1305;
  std::uint16_t features = 0;     // accepted
  std::uint32_t cid_base = 0;     // is_cid_base
  std::uint8_t highest_path = 0;  // 0 to 63
  std::uint16_t payload_bytes_max = 0;
  std::uint64_t boot_id = 0;
  friend auto operator<=>(const RespPayload&, const RespPayload&) = default;
};

/// Length, type, version, zero fields and the form of the cid bases: what costs nothing to check.
bool is_well_formed_init(Bytes message) noexcept;
bool is_well_formed_resp(Bytes message) noexcept;
bool is_well_formed_cookie_reply(Bytes message) noexcept;

/// The sender's cid base of a well-formed HS_INIT or HS_RESP; of an HS_COOKIE its receiver's.
std::uint32_t first_cid_base(Bytes message) noexcept;
/// The initiator's cid base that a well-formed HS_RESP answers: whose handshake it is for.
std::uint32_t answered_cid_base(Bytes resp) noexcept;
/// The ephemeral key of a well-formed HS_INIT: tells repeats of one message apart from new ones.
std::span<const std::byte, 32> init_ephemeral(Bytes init) noexcept;

/// Payloads to bytes and back; `out` has exactly the size. Parsing refuses nonzero reserved fields,
/// a path above 63, an unknown cipher and a cid base that is none.
void write_init_payload(const InitPayload& payload, MutableBytes out) noexcept;
std::optional<InitPayload> parse_init_payload(Bytes bytes) noexcept;
void write_resp_payload(const RespPayload& payload, MutableBytes out) noexcept;
std::optional<RespPayload> parse_resp_payload(Bytes bytes) noexcept;

}  // namespace wanbond
