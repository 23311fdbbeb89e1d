// What a packet costs inside the program, station by station and altogether, without the kernel.
// Prints ns per packet and ratios; asserts nothing about time.
#include <cstdio>

#include "cases.h"
#include "crypto/key.h"

int main(int argc, char** argv) {
  using namespace wanbond;
  if (const auto ready = crypto_init(); !ready) {
    std::fprintf(stderr, "%s\n", ready.error().message.c_str());
    return 2;
  }
  Measure measure;
  for (const auto& add : {add_bond, add_classify, add_split, add_coalesce, add_window, add_keyring,
                          add_order, add_pipeline})
    add(measure);
  return measure.run(argc, argv);
}
