// What sealing and opening a packet costs with each cipher of each library: ns of CPU time per
// packet in place, and how many times as fast as libsodium in the same run. The libraries take
// turns within a round. Prints two tables; asserts nothing about time.
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <string>
#include <vector>

#include "crypto/aead.h"

namespace wanbond {
namespace {

constexpr std::array<std::size_t, 5> kSizes{64, 200, 512, 1420, 8900};
constexpr std::size_t kAdBytes = 8;  // the clear header of a datagram
constexpr std::size_t kRounds = 41;
constexpr std::size_t kRoundBytes = 400'000;  // about 100 us, so that some rounds are undisturbed
constexpr std::size_t kFrames = 64;           // packets in turn, as in a train: 128 KB at 1420

enum class Work { Seal, Open };

/// Packets of one size under one key, sealed.
class Frames {
 public:
  Frames(Cipher cipher, AeadLibrary library, std::size_t size)
      : key_(cipher, Key32(), library), size_(size), memory_(count() * stride()) {}

  /// All of them once; the other half of the work is outside of the time that counts.
  double ns_per_packet(Work work, std::size_t times) {
    double total = 0;
    for (std::size_t i = 0; i < times; ++i) {
      const double begin = cpu_ns();
      seal_all();
      const double middle = cpu_ns();
      open_all();
      total += work == Work::Seal ? middle - begin : cpu_ns() - middle;
    }
    return total / static_cast<double>(times * count());
  }
  std::size_t count() const { return size_ > 2000 ? kFrames / 8 : kFrames; }

 private:
  static double cpu_ns() {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) * 1e9 + static_cast<double>(time.tv_nsec);
  }
  std::size_t stride() const { return kAdBytes + size_ + kTagBytes; }
  MutableBytes frame(std::size_t i) {
    return MutableBytes(memory_).subspan(i * stride(), stride());
  }
  void seal_all() {
    for (std::size_t i = 0; i < count(); ++i) {
      const MutableBytes all = frame(i);
      key_.seal(i, all.first(kAdBytes), all.subspan(kAdBytes, size_), all.last<kTagBytes>());
    }
  }
  void open_all() {
    for (std::size_t i = 0; i < count(); ++i) {
      const MutableBytes all = frame(i);
      if (!key_.open(i, all.first(kAdBytes), all.subspan(kAdBytes, size_), all.last<kTagBytes>()))
        std::abort();
    }
  }

  AeadKey key_;
  std::size_t size_;
  std::vector<std::byte> memory_;
};

struct Figure {
  double best = 0;
  double median = 0;
};

Figure figure_of(std::vector<double> rounds) {
  std::ranges::sort(rounds);
  return {rounds.front(), rounds[rounds.size() / 2]};
}

void print_line(Work work, std::size_t size, Cipher cipher,
                const std::vector<AeadLibrary>& libraries) {
  std::vector<std::vector<double>> times(libraries.size());
  const std::size_t repeats = std::max<std::size_t>(1, kRoundBytes / (size + 200) / kFrames);
  std::vector<std::unique_ptr<Frames>> sets;
  sets.reserve(libraries.size());
  for (const AeadLibrary library : libraries)
    sets.push_back(std::make_unique<Frames>(cipher, library, size));
  for (std::size_t round = 0; round < kRounds; ++round)
    for (std::size_t i = 0; i < sets.size(); ++i)
      times[i].push_back(sets[i]->ns_per_packet(work, repeats));
  const Figure base = figure_of(times.front());
  std::printf("%-5s %6zu", work == Work::Seal ? "seal" : "open", size);
  for (const std::vector<double>& rounds : times) {
    const Figure figure = figure_of(rounds);
    std::printf("  %7.0f %7.0f %5.2f", figure.best, figure.median, base.median / figure.median);
  }
  std::printf("\n");
}

void print_table(Cipher cipher, const std::vector<AeadLibrary>& libraries) {
  std::printf("%s, ns per packet: best, median, ratio of medians to libsodium\n%-12s",
              cipher == Cipher::Aes256Gcm ? "AES-256-GCM" : "ChaCha20-Poly1305", "");
  for (const AeadLibrary library : libraries)
    std::printf("  %21s", std::string(aead_library_name(library)).c_str());
  std::printf("\n");
  for (const Work work : {Work::Seal, Work::Open})
    for (const std::size_t size : kSizes) print_line(work, size, cipher, libraries);
}

}  // namespace
}  // namespace wanbond

int main() {
  using namespace wanbond;
  if (const auto ready = crypto_init(); !ready) {
    std::fprintf(stderr, "%s\n", ready.error().message.c_str());
    return 2;
  }
  std::vector<AeadLibrary> libraries{AeadLibrary::Sodium};
  if (const auto probed = probe_aead(AeadLibrary::IpsecMb); probed)
    libraries.push_back(AeadLibrary::IpsecMb);
  else
    std::printf("libIPSec_MB not usable: %s\n", probed.error().message.c_str());
  if (aes_available()) print_table(Cipher::Aes256Gcm, libraries);
  print_table(Cipher::ChaCha20Poly1305, libraries);
  return 0;
}
