#include "crypto/handshake.h"

#include <cstring>

#include "base/check.h"
#include "crypto/cookie.h"

namespace wanbond {
namespace {

constexpr std::string_view kProtocolName = "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2b";
constexpr std::string_view kPrologue = "wanbond v1";

/// Where Noise's part of a message starts and ends.
constexpr std::size_t kInitNoiseAt = 8;
constexpr std::size_t kRespNoiseAt = 12;
constexpr std::size_t kMacsBytes = 2 * kMacBytes;
static_assert(kInitNoiseAt + 2 * kKeyBytes + kTagBytes + kInitPayloadBytes + kTagBytes +
                  kMacsBytes ==
              kInitBytes);
static_assert(kRespNoiseAt + kKeyBytes + kRespPayloadBytes + kTagBytes + kMacsBytes == kRespBytes);

Bytes noise_part(Bytes message, std::size_t at) noexcept {
  return message.subspan(at, message.size() - kMacsBytes - at);
}

/// The state before the first message: prologue, and the pre-message `<- s`.
NoiseHandshake start(NoiseRole role, const NoiseKeys& keys, const PublicKey& responder) noexcept {
  NoiseSymmetric symmetric(kProtocolName, Cipher::ChaCha20Poly1305);
  symmetric.mix_hash(label_bytes(kPrologue));
  symmetric.mix_hash(responder.bytes);
  return NoiseHandshake(role, symmetric, keys);
}

/// Protocol 2.1: bound to the cipher and, by h, to everything both sides said.
TrafficKeys traffic_keys(const NoiseSymmetric& symmetric, Cipher cipher, NoiseRole role) noexcept {
  const NoiseSymmetric::Split split = symmetric.split();
  const std::byte id{static_cast<std::uint8_t>(cipher)};
  TrafficKeys keys;
  keys.cipher = cipher;
  const bool initiator = role == NoiseRole::Initiator;
  Key32& to_responder = initiator ? keys.send : keys.receive;
  Key32& to_initiator = initiator ? keys.receive : keys.send;
  const Bytes label = label_bytes("wanbond1-data");
  const Bytes h = symmetric.handshake_hash();
  blake2b(to_responder.bytes(), split.first.bytes(), {label, {&id, 1}, h});
  blake2b(to_initiator.bytes(), split.second.bytes(), {label, {&id, 1}, h});
  return keys;
}

}  // namespace

InitiatorHandshake::InitiatorHandshake(const LocalIdentity& local, const RemoteIdentity& remote,
                                       const InitPayload& payload, Random& random) noexcept
    : noise_(start(NoiseRole::Initiator,
                   {local.keys(), remote.public_key(), remote.static_shared(), NoisePsk::Used},
                   remote.public_key())),
      psk_(remote.psk()),
      local_guard_(local.guard()),
      cipher_offer_(payload.cipher_offer),
      cid_base_(payload.cid_base) {
  check(is_cid_base(cid_base_));
  ByteWriter writer(message_);
  writer.u8(kHandshakeInitType);
  writer.u8(kHandshakeVersion);
  writer.u16(0);
  writer.u32(cid_base_);
  noise_.write_e(writer, random);
  // A RemoteIdentity is never a point of low order.
  check(noise_.mix_dh(NoiseToken::Es));
  noise_.write_s(writer);
  check(noise_.mix_dh(NoiseToken::Ss));
  std::array<std::byte, kInitPayloadBytes> text;
  write_init_payload(payload, text);
  noise_.symmetric().encrypt(text, writer.reserve(kInitPayloadBytes + kTagBytes));
  check(writer.ok() && writer.remaining() == kMacsBytes);
  write_mac1(remote.guard(), message_);
}

std::span<const std::byte, kMacBytes> InitiatorHandshake::mac1() const noexcept {
  return std::span(message_).subspan<kInitBytes - kMacsBytes, kMacBytes>();
}

std::optional<InitiatorHandshake::Completed> InitiatorHandshake::consume_response(
    Bytes message) const noexcept {
  if (!is_well_formed_resp(message) || answered_cid_base(message) != cid_base_ ||
      !verify_mac1(local_guard_, message))
    return std::nullopt;
  NoiseHandshake noise = noise_;
  ByteReader reader(noise_part(message, kRespNoiseAt));
  if (!noise.read_e(reader) || !noise.mix_dh(NoiseToken::Ee) || !noise.mix_dh(NoiseToken::Se))
    return std::nullopt;
  noise.mix_psk(psk_);
  std::array<std::byte, kRespPayloadBytes> text;
  if (!noise.symmetric().decrypt(reader.take(reader.remaining()), text)) return std::nullopt;
  const auto payload = parse_resp_payload(text);
  if (!payload || payload->cid_base != first_cid_base(message) ||
      (cipher_offer_ & cipher_bit(payload->cipher)) == 0)
    return std::nullopt;
  return Completed{*payload,
                   traffic_keys(noise.symmetric(), payload->cipher, NoiseRole::Initiator)};
}

std::optional<ReceivedInit> ReceivedInit::read(const LocalIdentity& local, Bytes message) noexcept {
  if (!is_well_formed_init(message) || !verify_mac1(local.guard(), message)) return std::nullopt;
  NoiseKeys keys;
  keys.local_static = local.keys();
  keys.psk = NoisePsk::Used;
  NoiseHandshake noise = start(NoiseRole::Responder, keys, local.public_key());
  ByteReader reader(noise_part(message, kInitNoiseAt));
  if (!noise.read_e(reader) || !noise.mix_dh(NoiseToken::Es) || !noise.read_s(reader))
    return std::nullopt;
  ReceivedInit received(noise, first_cid_base(message));
  std::memcpy(received.sealed_payload_.data(), reader.take(reader.remaining()).data(),
              received.sealed_payload_.size());
  return received;
}

std::optional<InitPayload> ReceivedInit::read_payload(const RemoteIdentity& remote) noexcept {
  NoiseHandshake noise = noise_;
  noise.set_static_shared(remote.static_shared());
  std::array<std::byte, kInitPayloadBytes> text;
  if (!noise.mix_dh(NoiseToken::Ss) || !noise.symmetric().decrypt(sealed_payload_, text))
    return std::nullopt;
  const auto payload = parse_init_payload(text);
  if (!payload || payload->cid_base != cid_base_) return std::nullopt;
  noise_ = noise;
  step_ = Step::PayloadRead;
  return payload;
}

std::optional<ReceivedInit::Answer> ReceivedInit::respond(const RemoteIdentity& remote,
                                                          const RespPayload& payload,
                                                          Random& random) noexcept {
  check(step_ == Step::PayloadRead && is_cid_base(payload.cid_base));
  step_ = Step::Answered;
  Answer answer{};
  ByteWriter writer(answer.message);
  writer.u8(kHandshakeRespType);
  writer.u8(kHandshakeVersion);
  writer.u16(0);
  writer.u32(payload.cid_base);
  writer.u32(cid_base_);
  noise_.write_e(writer, random);
  if (!noise_.mix_dh(NoiseToken::Ee) || !noise_.mix_dh(NoiseToken::Se)) return std::nullopt;
  noise_.mix_psk(remote.psk());
  std::array<std::byte, kRespPayloadBytes> text;
  write_resp_payload(payload, text);
  noise_.symmetric().encrypt(text, writer.reserve(kRespPayloadBytes + kTagBytes));
  check(writer.ok() && writer.remaining() == kMacsBytes);
  write_mac1(remote.guard(), answer.message);
  answer.keys = traffic_keys(noise_.symmetric(), payload.cipher, NoiseRole::Responder);
  return answer;
}

}  // namespace wanbond
