// The benchmarks' own table of AEAD back ends. Linked in place of crypto/aead_backend.cc, which
// gives them a cipher that does nothing: the price of everything but the cipher. It is in no other
// program.
#pragma once

#include <string>
#include <vector>

#include "crypto/aead.h"

namespace wanbond {

/// Who computes for the keys made from now on: no one, or the library that they ask for.
enum class CipherWork : std::uint8_t { Nothing, Real };

/// Nothing until this is called: no text is touched, tags are zeros, every tag is good. Keys keep
/// what they were made with.
void choose_cipher_work(CipherWork work) noexcept;

/// A cipher of one library, by its name in the tables: "null", "libsodium aes" ...
struct BenchCipher {
  std::string name;
  CipherWork work;
  Cipher cipher;
  AeadLibrary library;
};
/// All that this machine can do, null first.
std::vector<BenchCipher> bench_ciphers();

}  // namespace wanbond
