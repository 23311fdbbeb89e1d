// The last part of Demo: what it finds out about the run once the traffic has ended.
#include <utility>

#include "demo.h"
#include "demo_hash.h"
#include "io/io.h"

namespace wanbond {
namespace {

constexpr Duration kAskPace = 50ms;
constexpr Duration kHashLimit = 30s;
constexpr Duration kSettled = 1s;       // after the cut; what arrives later came another way
constexpr Duration kCutWindow = 500ms;  // a gap that begins later has another reason

std::uint64_t received_bytes(const std::vector<DemoPath>& paths, const std::string& wan) {
  const DemoPath* path = find_path(paths, wan);
  return path == nullptr ? 0 : path->rx_bytes;
}

DemoStreamFacts stream_facts(const StreamHistory& sent, const StreamHistory& received,
                             const DemoFacts& facts) {
  return {.sent = sent.latest(),
          .received = received.latest(),
          .longest_gap = received.longest_gap(facts.began, received.latest().at),
          .cut_gap = received.longest_gap(facts.cut_at, facts.cut_at + kCutWindow),
          .during_outage = received.between(facts.cut_at + kSettled, facts.restored_at)};
}

}  // namespace

Result<void> Demo::compare_files(DemoFacts& facts) {
  const std::string sent = folder_.file(kDemoSentFile);
  const std::string received = folder_.file(kDemoReceivedFile);
  auto at_hq = DemoHash::start(sent, sites_[kHq].netns);
  if (!at_hq) return at_hq.error();
  auto at_branch = DemoHash::start(received, sites_[kBranch].netns);
  if (!at_branch) return at_branch.error();
  const Time limit = monotonic_now() + kHashLimit;
  for (auto [hash, text] :
       {std::pair{&*at_hq, &facts.sent_hash}, std::pair{&*at_branch, &facts.received_hash}}) {
    while (text->empty()) {
      if (monotonic_now() > limit) return Error{"sha256sum has not ended after 30 s"};
      if (auto done = work_until(monotonic_now() + kAskPace); !done) return done;
      const auto taken = hash->take();
      if (!taken) return taken.error();
      *text = taken->value_or("");
    }
  }
  const auto different = count_different_bytes(sent, received);
  if (!different) return different.error();
  facts.corrupted_bytes = *different;
  return {};
}

void Demo::evaluate(DemoFacts& facts) const {
  for (const SiteIndex i : {kBranch, kHq}) {
    facts.sites.push_back(
        find_reaction(sites_[i].events, facts.wan, facts.cut_at, facts.restored_at));
    facts.sites.back().site = sites_[i].node->name();
  }
  facts.file =
      stream_facts(traffic_->tcp_sender.history(), traffic_->tcp_receiver.history(), facts);
  facts.packets =
      stream_facts(traffic_->udp_sender.history(), traffic_->udp_receiver.history(), facts);
  for (const DemoWan& wan : kDemoWans) {
    DemoShare share{.wan = wan.name};
    for (std::size_t i = 0; i < kDemoPhases; ++i) {
      const Snapshot& from = snapshots_[i];
      const Snapshot& to = snapshots_[i + 1];
      share.to_branch[i] =
          received_bytes(to.branch, wan.name) - received_bytes(from.branch, wan.name);
      share.to_hq[i] = received_bytes(to.hq, wan.name) - received_bytes(from.hq, wan.name);
    }
    facts.shares.push_back(share);
  }
}

}  // namespace wanbond
