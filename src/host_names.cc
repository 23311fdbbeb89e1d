#include "host_names.h"

#include <algorithm>
#include <utility>

namespace wanbond {

HostNames::HostNames(std::vector<HostQuery> queries, Resolver* resolver, Driver& driver)
    : resolver_(resolver), driver_(driver) {
  for (HostQuery& query : queries) names_.push_back({.query = std::move(query)});
}

HostNames::Known HostNames::update(const Known& known, const std::vector<Endpoint>& answer) {
  constexpr std::size_t kHalf = kAddressesPerName / 2;
  const auto has = [](const auto& list, const Endpoint& endpoint) {
    return std::find(list.begin(), list.end(), endpoint) != list.end();
  };
  Known next = known;
  for (Endpoint& place : next)
    if (!has(answer, place)) place = {};
  for (const Endpoint& endpoint : answer) {
    if (has(next, endpoint)) continue;
    const auto first = next.begin() + (endpoint.address.is_v4() ? 0 : kHalf);
    const auto place = std::find(first, first + kHalf, Endpoint{});
    if (place != first + kHalf) *place = endpoint;
  }
  return next;
}

void HostNames::on_timer(Time now) {
  for (std::size_t i = 0; i < names_.size(); ++i) {
    Name& name = names_[i];
    if (name.asked || name.ask_at > now) continue;
    name.asked = resolver_->request(static_cast<int>(i), name.query.host, name.query.port);
    if (!name.asked) name.ask_at = now + kRetry;
  }
}

std::vector<std::string> HostNames::on_readable(Time now) {
  std::vector<std::string> lines;
  for (const Resolution& answer : resolver_->take_results()) {
    Name& name = names_[static_cast<std::size_t>(answer.token)];
    name.asked = false;
    name.ask_at = now + (answer.endpoints.empty() ? kRetry : kRefresh);
    if (answer.endpoints.empty()) {
      lines.push_back("cannot resolve " + answer.host + ": " + answer.error);
      continue;
    }
    const Known before = std::exchange(name.known, update(name.known, answer.endpoints));
    if (name.known == before) continue;
    std::string line = answer.host + " is";
    for (std::size_t i = 0; i < before.size(); ++i) {
      if (name.known[i].port != 0) line += " " + name.known[i].to_string();
      if (name.known[i] != before[i])
        driver_.on_endpoint(name.query.peer, name.query.endpoint + i, name.known[i]);
    }
    lines.push_back(line);
  }
  return lines;
}

Time HostNames::next_timeout() const noexcept {
  Time next = kNever;
  for (const Name& name : names_) {
    if (!name.asked) next = std::min(next, name.ask_at);
  }
  return next;
}

}  // namespace wanbond
