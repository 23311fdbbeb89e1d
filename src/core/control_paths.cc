// Which paths there are: each WAN to each address of the peer, configured, learned or offered, and
// what becomes of them when WANs and addresses come and go (protocol 2.7, ADDR, PATH_ABANDON).
#include <algorithm>
#include <utility>

#include "core/control.h"
#include "proto/limits.h"

namespace wanbond {
namespace {

/// Addresses that mean something in the sender's own network only: RFC 1918, RFC 6598, RFC 4193.
bool is_private(const IpAddress& address) noexcept {
  static const std::array<Prefix, 5> kPrivate{
      Prefix(IpAddress::v4(0x0a000000), 8), Prefix(IpAddress::v4(0xac100000), 12),
      Prefix(IpAddress::v4(0xc0a80000), 16), Prefix(IpAddress::v4(0x64400000), 10),
      *Prefix::parse("fc00::/7")};
  return std::any_of(kPrivate.begin(), kPrivate.end(),
                     [&](const Prefix& prefix) { return prefix.contains(address); });
}

/// Not unspecified, loopback, link-local, multicast or reserved: another host may have it.
bool is_routable(const IpAddress& address) noexcept {
  static const std::array<Prefix, 7> kLocal{Prefix(IpAddress::v4(0), 8),
                                            Prefix(IpAddress::v4(0x7f000000), 8),
                                            Prefix(IpAddress::v4(0xa9fe0000), 16),
                                            Prefix(IpAddress::v4(0xe0000000), 3),
                                            *Prefix::parse("::/127"),
                                            *Prefix::parse("fe80::/10"),
                                            *Prefix::parse("ff00::/8")};
  return std::none_of(kLocal.begin(), kLocal.end(),
                      [&](const Prefix& prefix) { return prefix.contains(address); });
}

bool has_family(const WanState& state, const IpAddress& of) noexcept {
  return state.addresses.empty() ||
         std::any_of(state.addresses.begin(), state.addresses.end(), [&](const IpAddress& own) {
           return own.is_v4() == of.is_v4() && is_routable(own);
         });
}

}  // namespace

bool Control::is_ours(PathId id) const noexcept {
  return (id.value < kHalf) == (settings_.half == OpenerHalf::First);
}

bool Control::may_learn(SocketId socket) const noexcept {
  const auto& allowed = settings_.configured.paths;
  return std::any_of(allowed.begin(), allowed.end(),
                     [&](const PathSettings& p) { return !p.endpoint && p.wan == socket; });
}

Path* Control::learn(Time now, PathId id, const Arrival& arrival, Outbox& out) {
  if (is_ours(id) || paths_.full()) return nullptr;
  const auto same_pair = [&](const auto& path) {
    const auto& [socket, remote, local] = path->address();
    const bool same_local = local == arrival.from.local || local.is_unspecified();
    return !path->is_closed() && socket == arrival.from.socket && remote == arrival.from.remote &&
           same_local;
  };
  const auto twin = std::find_if(paths_.begin(), paths_.end(), same_pair);
  if (twin != paths_.end()) {
    if ((*twin)->id() < id) return nullptr;  // two ids on one address pair: the lower stays
    remove(now, static_cast<std::size_t>(twin - paths_.begin()), Cause::DuplicatePath, out);
  } else if (!may_learn(arrival.from.socket)) {
    return nullptr;
  }
  const Path::Settings settings{id, arrival.from, PathOrigin::Learned};
  (void)paths_.push(std::make_unique<Path>(now, settings, settings_.wans[arrival.from.socket.value],
                                           random_));  // not full: see above
  books_[id.value] = {};
  set_order(now, *paths_.back(), wan_orders_[arrival.from.socket.value]);
  out.report({.at = now,
              .kind = EventKind::PathAdded,
              .cause = Cause::Start,
              .peer = settings_.peer,
              .path = id});
  paths_.back()->start(now);
  return paths_.back().get();
}

void Control::remove(Time now, std::size_t index, Cause cause, Outbox& out) noexcept {
  Path& path = *paths_[index];
  path.stop(now, cause);
  report_changes(now, path, out);
  out.report({.at = now,
              .kind = EventKind::PathRemoved,
              .cause = cause,
              .peer = settings_.peer,
              .path = path.id()});
  std::move(paths_.begin() + index + 1, paths_.end(), paths_.begin() + index);
  (void)paths_.pop();
}

std::optional<PathId> Control::free_id() const noexcept {
  const std::size_t first = settings_.half == OpenerHalf::First ? 0 : kHalf;
  for (std::size_t value = first; value < first + kHalf; ++value) {
    const PathId id{static_cast<std::uint8_t>(value)};
    if (find(id) == nullptr) return id;
  }
  return std::nullopt;
}

void Control::open_missing(Time now) {
  const std::size_t configured = settings_.configured.endpoints.size();
  for (const PathSettings& wanted : settings_.configured.paths) {
    if (wanted.endpoint) open(now, wanted.wan, *wanted.endpoint);
    for (std::size_t i = configured; !wanted.endpoint && i < endpoints_.size(); ++i)
      open(now, wanted.wan, i);
  }
}

bool Control::is_wanted(SocketId wan, std::size_t endpoint) const noexcept {
  const Endpoint& remote = endpoints_[endpoint];
  if (remote.port == 0 || settings_.wans[wan.value].name.empty()) return false;
  const bool is_offered = endpoint >= settings_.configured.endpoints.size();
  if (is_offered && !has_family(settings_.wan_states[wan.value], remote.address)) return false;
  return std::none_of(paths_.begin(), paths_.end(), [&](const auto& path) {
    const Book& book = books_[path->id().value];
    const bool is_this = book.endpoint == endpoint && book.opened_to == remote;
    return !path->is_closed() && path->address().socket == wan &&
           (is_this || path->address().remote == remote);
  });
}

void Control::open(Time now, SocketId wan, std::size_t endpoint) {
  if (paths_.full() || !is_wanted(wan, endpoint)) return;
  const auto id = free_id();
  if (!id) return;
  const Endpoint& remote = endpoints_[endpoint];
  const bool is_offered = endpoint >= settings_.configured.endpoints.size();
  const Path::Settings settings{
      *id, {wan, remote, {}}, is_offered ? PathOrigin::Offered : PathOrigin::Configured};
  auto path = std::make_unique<Path>(now, settings, settings_.wans[wan.value], random_);
  if (!settings_.wan_states[wan.value].usable) path->on_wan(now, settings_.wan_states[wan.value]);
  path->set_order(now, wan_orders_[wan.value]);
  if (has_keys_) path->start(now);
  (void)paths_.push(std::move(path));  // not full: see above
  books_[id->value] = {
      .endpoint = static_cast<std::uint8_t>(endpoint), .opened_to = remote, .is_new = true};
}

void Control::on_endpoint(Time now, std::size_t index, const Endpoint& endpoint) {
  endpoints_[index] = endpoint;
  close_retired(now);
  open_missing(now);
}

void Control::on_wan(Time now, SocketId wan) {
  for (const auto& path : paths_)
    if (path->address().socket == wan) path->on_wan(now, settings_.wan_states[wan.value]);
  open_missing(now);
  offer_addresses(now);
}

void Control::close(Time now, Path& path, Cause cause, PathReason reason) noexcept {
  Book& book = books_[path.id().value];
  path.close(now, cause);
  book.closed_for = cause;
  book.closed_at = now;
  book.is_removed = true;
  notices_.tell(now, PathAbandonFrame{.path = path.id(), .reason = reason});
}

/// A path to an address that its endpoint does not have any more is of no use once it fails.
void Control::close_retired(Time now) noexcept {
  for (const auto& path : paths_) {
    const Book& book = books_[path->id().value];
    const bool is_retired =
        book.endpoint != kNoEndpoint && endpoints_[book.endpoint] != book.opened_to;
    if (path->is_closed() || path->is_usable()) continue;
    if (is_retired) close(now, *path, Cause::AddressGone, PathReason::Config);
    if (path->is_forgotten(now)) close(now, *path, Cause::Silence, PathReason::Silence);
  }
}

void Control::forget_closed(Time now) noexcept {
  for (std::size_t i = 0; i < paths_.size();) {
    const bool is_over =
        paths_[i]->is_closed() && now >= books_[paths_[i]->id().value].closed_at + kPathIdHold;
    if (!is_over) {
      ++i;
      continue;
    }
    std::move(paths_.begin() + i + 1, paths_.end(), paths_.begin() + i);
    (void)paths_.pop();
    open_missing(now);  // there may have been no free id
  }
}

void Control::on_offer(Time now, const AddrFrame& offer) {
  const std::size_t index = settings_.configured.endpoints.size() + offer.address_id;
  const bool is_added = offer.action == AddrAction::Add && is_routable(offer.endpoint.address);
  endpoints_[index] = is_added ? offer.endpoint : Endpoint{};
  for (const auto& path : paths_) {
    const Book& book = books_[path->id().value];
    if (book.endpoint == index && book.opened_to != endpoints_[index] && !path->is_closed())
      close(now, *path, Cause::AddressGone, PathReason::Config);
  }
  open_missing(now);
}

/// A private address is told only to a peer that is reached at one.
bool Control::may_offer(const IpAddress& address) const noexcept {
  if (!is_routable(address)) return false;
  return !is_private(address) || std::any_of(paths_.begin(), paths_.end(), [](const auto& path) {
    return path->is_usable() && is_private(path->address().remote.address);
  });
}

void Control::offer_addresses(Time now) {
  FixedVector<Endpoint, kOfferedAddressCountMax> own;
  for (std::size_t i = 0; i < settings_.wans.size(); ++i) {
    const std::uint16_t port = settings_.wans[i].listen_port;
    for (const IpAddress& address : settings_.wan_states[i].addresses)
      if (port != 0 && may_offer(address)) (void)own.push({address, port});  // 16 must do
  }
  const auto has = [](const auto& list, const Endpoint& endpoint) {
    return std::find(list.begin(), list.end(), endpoint) != list.end();
  };
  const auto tell = [&](std::size_t id, AddrAction action, const Endpoint& endpoint) {
    notices_.tell(now, AddrFrame{.address_id = static_cast<std::uint8_t>(id),
                                 .action = action,
                                 .endpoint = endpoint});
  };
  for (std::size_t id = 0; id < offered_.size(); ++id) {
    if (offered_[id].port == 0 || has(own, offered_[id])) continue;
    tell(id, AddrAction::Remove, std::exchange(offered_[id], Endpoint{}));
  }
  for (const Endpoint& endpoint : own) {
    if (has(offered_, endpoint)) continue;
    const auto place = std::find(offered_.begin(), offered_.end(), Endpoint{});
    if (place == offered_.end()) return;
    *place = endpoint;
    tell(static_cast<std::size_t>(place - offered_.begin()), AddrAction::Add, endpoint);
  }
}

}  // namespace wanbond
