#include "core/subflow_watch.h"

#include <algorithm>

#include "crypto/mptcp_key.h"

namespace wanbond {
namespace {

constexpr std::uint8_t kKnownVersion = 1;  // tokens of version 0 are SHA-1, which nobody has
constexpr std::size_t kAnswerHmacBytes = 8;

bool settle(Flow& flow, FlowKind kind) noexcept {
  flow.mptcp().stage = MptcpStage::Settled;
  if (kind == FlowKind::Tcp) flow.mptcp().connection.reset();
  const bool is_news = flow.kind() != kind;
  flow.set_kind(kind);
  return is_news;
}

}  // namespace

bool SubflowWatch::on_packet(Time now, Flow& flow, const InnerPacket& inner,
                             const MptcpOptions& options) noexcept {
  const bool syn = (inner.tcp_flags & kTcpSyn) != 0;
  const bool ack = (inner.tcp_flags & kTcpAck) != 0;
  if (syn && !ack) return on_syn(flow, options);
  if (syn) return on_answer(now, flow, options);
  return on_later(now, flow, inner, options);
}

/// A SYN may be sent again; a new one on old ports starts anew.
bool SubflowWatch::on_syn(Flow& flow, const MptcpOptions& options) noexcept {
  MptcpState& state = flow.mptcp();
  state = {};
  if (options.join) {
    state.stage = MptcpStage::JoinAsked;
    state.role = options.join->is_backup ? SubflowRole::Backup : SubflowRole::Active;
    if (const auto found = groups_.find(options.join->token)) {
      state.connection = found->connection;
      Join* join = find_join(flow);
      if (join == nullptr) join = &joins_[next_join_++ % kJoinsMax];
      *join = {.stream = flow.stream(FlowTrack::Data),
               .answerer = found->end,
               .caller_nonce = options.join->nonce};
    }
    flow.set_kind(FlowKind::Mptcp);
    return true;
  }
  if (!options.capable) return settle(flow, FlowKind::Tcp);
  state.stage = MptcpStage::CapableAsked;
  return false;
}

bool SubflowWatch::on_answer(Time now, Flow& flow, const MptcpOptions& options) noexcept {
  MptcpState& state = flow.mptcp();
  if (state.stage == MptcpStage::JoinAsked && options.join) {
    Join* join = find_join(flow);
    if (join == nullptr || !state.connection) return settle(flow, FlowKind::Mptcp);
    if (!is_answer_right(flow, *join, *options.join)) {
      *join = {};
      state.connection.reset();
      state.stage = MptcpStage::Settled;
      return true;
    }
    join->answerer_nonce = options.join->nonce;
    join->is_answered = true;
    return false;
  }
  if (!options.capable || !options.capable->sender) return settle(flow, FlowKind::Tcp);
  if (options.capable->version == kKnownVersion) {
    state.connection = groups_.open(now, mptcp_token(*options.capable->sender));
    if (state.connection) groups_.keys(*state.connection)[1] = options.capable->sender;
  }
  // Not settled: the third packet has the other key.
  flow.set_kind(FlowKind::Mptcp);
  state.stage = MptcpStage::KeysAwaited;
  return true;
}

bool SubflowWatch::on_later(Time now, Flow& flow, const InnerPacket& inner,
                            const MptcpOptions& options) noexcept {
  MptcpState& state = flow.mptcp();
  if (options.is_infinite || options.has(MptcpSubtype::Fail)) return settle(flow, FlowKind::Tcp);
  bool is_news = false;
  if (options.is_backup) {
    const SubflowRole role = *options.is_backup ? SubflowRole::Backup : SubflowRole::Active;
    is_news = state.role != role;
    state.role = role;
  }
  if (options.capable && options.capable->sender && options.capable->receiver)
    on_keys(now, flow, *options.capable);
  if (state.stage == MptcpStage::JoinAsked && options.join)
    return on_join_proof(flow, *options.join) || is_news;
  if (state.stage == MptcpStage::KeysAwaited && options.has(MptcpSubtype::Dss))
    state.stage = MptcpStage::Settled;
  if (state.stage != MptcpStage::Unknown) return is_news;
  // We came in the middle of it. Nearly every packet of a subflow has a DSS.
  if (options.has(MptcpSubtype::Dss)) return settle(flow, FlowKind::Mptcp) || is_news;
  return inner.payload_bytes() > 0 ? settle(flow, FlowKind::Tcp) : is_news;
}

/// The third packet, or the first data: both keys.
void SubflowWatch::on_keys(Time now, Flow& flow, const MptcpCapable& capable) noexcept {
  MptcpState& state = flow.mptcp();
  if (capable.version != kKnownVersion) return;
  if (!state.connection) state.connection = groups_.open(now, mptcp_token(*capable.receiver));
  flow.set_kind(FlowKind::Mptcp);
  if (state.stage == MptcpStage::Unknown) state.stage = MptcpStage::KeysAwaited;
  if (!state.connection) return;
  SubflowGroups::Keys& keys = groups_.keys(*state.connection);
  if (keys[1] && keys[1] != capable.receiver) return;
  if (!keys[1]) keys[1] = capable.receiver;
  if (keys[0]) return;
  keys[0] = capable.sender;
  groups_.add_token(*state.connection, mptcp_token(*capable.sender));
}

/// The caller's HMAC. Without it the subflow is one of its own.
bool SubflowWatch::on_join_proof(Flow& flow, const MptcpJoin& proof) noexcept {
  MptcpState& state = flow.mptcp();
  Join* join = find_join(flow);
  bool is_right = false;
  if (join != nullptr && join->is_answered && state.connection) {
    const SubflowGroups::Keys& keys = groups_.keys(*state.connection);
    const auto& caller = keys[1U - join->answerer];
    const auto& answerer = keys[join->answerer];
    is_right = caller && answerer &&
               mptcp_join_hmac({*caller, join->caller_nonce}, {*answerer, join->answerer_nonce}) ==
                   proof.hmac;
  }
  if (join != nullptr) *join = {};
  if (!is_right) state.connection.reset();
  state.stage = MptcpStage::Settled;
  return true;
}

bool SubflowWatch::is_answer_right(const Flow& flow, const Join& join,
                                   const MptcpJoin& answer) const noexcept {
  const SubflowGroups::Keys& keys = groups_.keys(*flow.mptcp().connection);
  if (!keys[0] || !keys[1]) return false;
  const MptcpJoinEnd caller{*keys[1U - join.answerer], join.caller_nonce};
  const MptcpJoinEnd answerer{*keys[join.answerer], answer.nonce};
  const MptcpHmac expected = mptcp_join_hmac(answerer, caller);
  return std::equal(expected.begin(), expected.begin() + kAnswerHmacBytes, answer.hmac.begin());
}

SubflowWatch::Join* SubflowWatch::find_join(const Flow& flow) noexcept {
  const std::uint16_t stream = flow.stream(FlowTrack::Data);
  auto* const found = std::find_if(joins_.begin(), joins_.end(),
                                   [&](const Join& join) { return join.stream == stream; });
  return found == joins_.end() ? nullptr : found;
}

}  // namespace wanbond
