#include "crypto/cookie.h"

#include "base/check.h"
#include "crypto/hash.h"
#include "crypto/limits.h"

namespace wanbond {
namespace {

constexpr std::size_t kMacsBytes = 2 * kMacBytes;
/// HS_COOKIE: nonce and sealed cookie (protocol 1.4).
constexpr std::size_t kNonceAt = 8;
constexpr std::size_t kSealedAt = kNonceAt + XChaCha::kNonceBytes;
static_assert(kSealedAt + sizeof(Cookie) + kTagBytes == kCookieReplyBytes);

bool has_macs(Bytes message) noexcept {
  return message.size() == kInitBytes || message.size() == kRespBytes;
}

Mac mac1_of(const GuardKeys& receiver, Bytes message) noexcept {
  Mac mac;
  blake2b(mac, receiver.mac1.bytes(), {message.first(message.size() - kMacsBytes)});
  return mac;
}

Mac mac2_of(const Cookie& cookie, Bytes message) noexcept {
  Mac mac;
  blake2b(mac, cookie, {message.first(message.size() - kMacBytes)});
  return mac;
}

Cookie cookie_under(const Key32& secret, const Endpoint& source) noexcept {
  std::array<std::byte, 2> port;
  ByteWriter(port).u16_be(source.port);
  Cookie cookie;
  blake2b(cookie, secret.bytes(), {source.address.mapped(), port});
  return cookie;
}

}  // namespace

void write_mac1(const GuardKeys& receiver, MutableBytes message) noexcept {
  check(has_macs(message));
  const Mac mac = mac1_of(receiver, message);
  ByteWriter(message.last(kMacsBytes)).put(mac);
}

void set_mac2(MutableBytes message, const Cookie& cookie) noexcept {
  check(has_macs(message));
  const Mac mac = mac2_of(cookie, message);
  ByteWriter(message.last(kMacBytes)).put(mac);
}

bool verify_mac1(const GuardKeys& receiver, Bytes message) noexcept {
  return has_macs(message) &&
         secure_equal(mac1_of(receiver, message), message.last(kMacsBytes).first(kMacBytes));
}

std::uint64_t retry_echo(const Cookie& cookie) noexcept {
  std::array<std::byte, 8> echo;
  blake2b(echo, cookie, {label_bytes("wanbond1-echo")});
  return ByteReader(echo).u64();
}

std::optional<Cookie> open_cookie_reply(Bytes reply,
                                        std::span<const std::byte, kMacBytes> sent_mac1,
                                        const GuardKeys& responder) noexcept {
  if (!is_well_formed_cookie_reply(reply)) return std::nullopt;
  const XChaCha cipher{responder.cookie, reply.subspan<kNonceAt, XChaCha::kNonceBytes>(),
                       sent_mac1};
  Cookie cookie;
  if (!cipher.open(reply.subspan(kSealedAt), cookie)) return std::nullopt;
  return cookie;
}

void CookieJar::rotate(Time now) noexcept {
  if (current_ && now - current_->made < kCookieSecretLife) return;
  previous_ = current_;
  if (previous_ && now - previous_->made >= 2 * kCookieSecretLife) previous_.reset();
  current_ = TimedSecret{Key32::generate(random_), now};
}

Cookie CookieJar::cookie_for(Time now, const Endpoint& source) noexcept {
  rotate(now);
  return cookie_under(current_->key, source);
}

template <class Test>
bool CookieJar::any_cookie(Time now, const Endpoint& source, Test test) noexcept {
  rotate(now);
  return test(cookie_under(current_->key, source)) ||
         (previous_ && test(cookie_under(previous_->key, source)));
}

bool CookieJar::verify_mac2(Time now, const Endpoint& source, Bytes message) noexcept {
  if (!has_macs(message)) return false;
  return any_cookie(now, source, [message](const Cookie& cookie) {
    return secure_equal(mac2_of(cookie, message), message.last(kMacBytes));
  });
}

bool CookieJar::matches_echo(Time now, const Endpoint& source, std::uint64_t echo) noexcept {
  return any_cookie(now, source,
                    [echo](const Cookie& cookie) { return retry_echo(cookie) == echo; });
}

CookieReply CookieJar::make_reply(Time now, const GuardKeys& local, Bytes message,
                                  const Endpoint& source) noexcept {
  check(has_macs(message));
  const Cookie cookie = cookie_for(now, source);
  CookieReply reply{};
  ByteWriter writer(reply);
  writer.u8(kHandshakeCookieType);
  writer.u8(kHandshakeVersion);
  writer.u16(0);
  writer.u32(first_cid_base(message));
  const MutableBytes nonce = writer.reserve(XChaCha::kNonceBytes);
  random_.fill(nonce);
  const XChaCha cipher{local.cookie, nonce.first<XChaCha::kNonceBytes>(),
                       message.last(kMacsBytes).first(kMacBytes)};
  cipher.seal(cookie, writer.reserve(sizeof(Cookie) + kTagBytes));
  check(writer.ok() && writer.remaining() == 0);
  return reply;
}

}  // namespace wanbond
