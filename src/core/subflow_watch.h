// SubflowWatch: tells MPTCP from TCP, and which connection a subflow belongs to, by the handshakes
// that pass in both directions (RFC 8684 3.1, 3.2, 3.7). Station 3 of the way out; the same packets
// of the other direction on the way in.
#pragma once

#include <array>
#include <cstdint>

#include "base/mptcp.h"
#include "sched/flow.h"
#include "sched/subflow.h"

namespace wanbond {

/// Owned by the session. A join belongs to its connection only when both HMACs were right, so that
/// nobody joins by a token alone; until then it may be placed as if it did.
class SubflowWatch {
 public:
  /// `groups` outlives it.
  explicit SubflowWatch(SubflowGroups& groups) noexcept : groups_(groups) {}

  /// Whether on_packet() may learn something from this TCP packet: handshakes, and the pure
  /// acknowledgements of subflows, which have MP_PRIO and MP_FAIL.
  static bool is_worth(const Flow& flow, const InnerPacket& inner) noexcept {
    return (inner.tcp_flags & kTcpSyn) != 0 || flow.mptcp().stage != MptcpStage::Settled ||
           (flow.kind() == FlowKind::Mptcp && inner.payload_bytes() == 0);
  }
  /// A TCP packet of `flow`, of either direction, and its options. True if it tells more of the
  /// flow than was known: its kind, connection or role.
  bool on_packet(Time now, Flow& flow, const InnerPacket& inner,
                 const MptcpOptions& options) noexcept;

 private:
  /// A join whose HMACs are still to come.
  struct Join {
    std::uint16_t stream = 0;  // of the flow; 0: none
    std::uint8_t answerer = 0;
    std::uint32_t caller_nonce = 0;
    std::uint32_t answerer_nonce = 0;
    bool is_answered = false;
  };
  static constexpr std::size_t kJoinsMax = 64;

  bool on_syn(Flow& flow, const MptcpOptions& options) noexcept;
  bool on_answer(Time now, Flow& flow, const MptcpOptions& options) noexcept;
  bool on_later(Time now, Flow& flow, const InnerPacket& inner,
                const MptcpOptions& options) noexcept;
  void on_keys(Time now, Flow& flow, const MptcpCapable& capable) noexcept;
  bool on_join_proof(Flow& flow, const MptcpJoin& proof) noexcept;
  bool is_answer_right(const Flow& flow, const Join& join, const MptcpJoin& answer) const noexcept;
  Join* find_join(const Flow& flow) noexcept;

  SubflowGroups& groups_;
  std::array<Join, kJoinsMax> joins_{};  // a ring: the oldest gives way
  std::size_t next_join_ = 0;
};

}  // namespace wanbond
