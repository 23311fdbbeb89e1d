// Stands for aead_ipsec_mb.cc in a build without libIPSec_MB.
#include "crypto/aead_backend.h"

namespace wanbond {

std::string_view ipsec_mb_fault() noexcept { return "this build is without it"; }

const AeadBackend* ipsec_mb_aead(Cipher /*cipher*/) noexcept { return nullptr; }

}  // namespace wanbond
