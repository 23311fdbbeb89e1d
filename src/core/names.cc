// The words of events and drop reasons, as they appear in `show`, JSON and metrics.
#include "core/bond_status.h"
#include "core/drop_reason.h"
#include "core/event.h"

namespace wanbond {

std::string_view to_string(DropReason reason) noexcept {
  switch (reason) {
    case DropReason::Malformed:
      return "malformed";
    case DropReason::UnknownConnection:
      return "unknown_connection";
    case DropReason::BadMac:
      return "bad_mac";
    case DropReason::RateLimited:
      return "rate_limited";
    case DropReason::UnknownPeer:
      return "unknown_peer";
    case DropReason::CipherMismatch:
      return "cipher_mismatch";
    case DropReason::StaleHandshake:
      return "stale_handshake";
    case DropReason::BadTag:
      return "bad_tag";
    case DropReason::Replayed:
      return "replayed";
    case DropReason::Expired:
      return "expired";
    case DropReason::BadFrame:
      return "bad_frame";
    case DropReason::InnerMalformed:
      return "inner_malformed";
    case DropReason::SourceNotAllowed:
      return "source_not_allowed";
    case DropReason::MarkedCe:
      return "marked_ce";
    case DropReason::Duplicate:
      return "duplicate";
    case DropReason::NoRoute:
      return "no_route";
    case DropReason::NoPath:
      return "no_path";
    case DropReason::TooBig:
      return "too_big";
    case DropReason::Rule:
      return "rule";
    case DropReason::NoBuffer:
      return "no_buffer";
    case DropReason::QueueFull:
      return "queue_full";
    case DropReason::SendFailed:
      return "send_failed";
    case DropReason::Count:
      break;
  }
  return "unknown";
}

std::string_view to_string(PathState state) noexcept {
  switch (state) {
    case PathState::Candidate:
      return "candidate";
    case PathState::Validating:
      return "validating";
    case PathState::Up:
      return "up";
    case PathState::Suspect:
      return "suspect";
    case PathState::Down:
      return "down";
  }
  return "unknown";
}

std::string_view to_string(FlowCare care) noexcept {
  switch (care) {
    case FlowCare::Repaired:
      return "repaired";
    case FlowCare::Plain:
      return "plain";
    case FlowCare::All:
      return "all";
  }
  return "unknown";
}

std::string_view to_string(Cause cause) noexcept {
  switch (cause) {
    case Cause::None:
      return "";
    case Cause::Start:
      return "configured";
    case Cause::Silence:
      return "no sign of life";
    case Cause::Unacknowledged:
      return "packets are not acknowledged";
    case Cause::PeerSaysDown:
      return "the peer does not hear us";
    case Cause::AdminDown:
      return "taken down by hand";
    case Cause::NoAnswer:
      return "no answer";
    case Cause::Answered:
      return "answered";
    case Cause::SignOfLife:
      return "heard again";
    case Cause::PeerRestarted:
      return "the peer restarted";
    case Cause::PeerClosed:
      return "the peer said goodbye";
    case Cause::SendRefused:
      return "the kernel refuses to send";
    case Cause::WanLost:
      return "the WAN is gone";
    case Cause::PeerLostWan:
      return "the peer's WAN is gone";
    case Cause::LessDelay:
      return "less delay";
    case Cause::Failover:
      return "the path in use failed";
    case Cause::Revert:
      return "the preferred path is back";
    case Cause::KeysExpired:
      return "the keys expired";
    case Cause::TooSmall:
      return "too small for data";
    case Cause::AddressGone:
      return "the peer does not have the address any more";
    case Cause::PeerAbandoned:
      return "the peer gave it up";
    case Cause::DuplicatePath:
      return "another path has the same addresses";
  }
  return "unknown";
}

std::string_view to_string(BondStatus::State state) noexcept {
  switch (state) {
    case BondStatus::State::Alone:
      return "alone";
    case BondStatus::State::Out:
      return "out";
    case BondStatus::State::Suspended:
      return "suspended";
    case BondStatus::State::In:
      return "in";
    case BondStatus::State::Competing:
      return "competing";
  }
  return "unknown";
}

}  // namespace wanbond
