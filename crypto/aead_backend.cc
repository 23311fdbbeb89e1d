// Which library computes which cipher. A file of its own, so that the benchmarks can put another
// choice in its place when they are linked; nothing else does.
#include "crypto/aead_backend.h"

namespace wanbond {

const AeadBackend* aead_backend(AeadLibrary library, Cipher cipher) noexcept {
  switch (library) {
    case AeadLibrary::Sodium:
      return sodium_aead(cipher);
    case AeadLibrary::IpsecMb:
      return ipsec_mb_aead(cipher);
  }
  return nullptr;
}

}  // namespace wanbond
