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

std::string_view wan_of(const InstanceStatus& status, const PathStatus& path) noexcept {
  return path.wan.value < status.wans.size() ? std::string_view(status.wans[path.wan.value]) : "";
}

}  // namespace wanbond
