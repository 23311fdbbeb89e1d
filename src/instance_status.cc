#include "instance_status.h"

namespace wanbond {

std::string_view cipher_name(Cipher cipher) noexcept {
  switch (cipher) {
    case Cipher::ChaCha20Poly1305:
      return "chacha20-poly1305";
    case Cipher::Aes256Gcm:
      return "aes-256-gcm";
  }
  return "unknown";
}

std::string_view bfd_state_name(BfdState state) noexcept {
  switch (state) {
    case BfdState::AdminDown:
      return "AdminDown";
    case BfdState::Down:
      return "Down";
    case BfdState::Init:
      return "Init";
    case BfdState::Up:
      return "Up";
  }
  return "unknown";
}

std::string use_text(const PathUse& use) {
  using Why = PathUse::Why;
  switch (use.why) {
    case Why::Used:
      return "";
    case Why::Unproven:
      return "its address has not answered yet";
    case Why::Down:
      return "down";
    case Why::TooSmall:
      return "carries less than 1312 bytes at once";
    case Why::Suspect:
      return "not all that is sent arrives";
    case Why::Drained:
      return "drained by hand";
    case Why::HeldBack:
      return "has failed too often; waits " + std::to_string(use.held / 1s + 1) + " s";
    case Why::Metered:
      return "metered; for when no other works";
    case Why::Backup:
      return "of lower priority; for when no better works";
    case Why::Suspended:
      return "nothing comes back from it";
    case Why::Slower:
      return "another path is faster";
    case Why::Surplus:
      return "eight others are in the bond";
  }
  return "";
}

std::string_view wan_of(const InstanceStatus& status, const PathStatus& path) noexcept {
  return path.wan.value < status.wans.size() ? std::string_view(status.wans[path.wan.value]) : "";
}

}  // namespace wanbond
