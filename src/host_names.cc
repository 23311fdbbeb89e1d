#include "host_names.h"

#include <algorithm>

namespace wanbond {

HostNames::HostNames(std::vector<HostQuery> queries, Resolver* resolver, Driver& driver)
    : resolver_(resolver), driver_(driver) {
  for (HostQuery& query : queries) names_.push_back({.query = std::move(query)});
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
    // An address that is still among the answers is kept: round robin is no change.
    const auto& all = answer.endpoints;
    if (std::find(all.begin(), all.end(), name.known) != all.end()) continue;
    name.known = all.front();
    lines.push_back(answer.host + " is " + name.known.to_string());
    driver_.on_endpoint(name.query.peer, name.query.endpoint, name.known);
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
