#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace wanbond {

void check_failed(const char* file, int line, const char* function) noexcept {
  std::fprintf(stderr, "wanbond: internal error at %s:%d in %s\n", file, line, function);
  std::abort();
}

}  // namespace wanbond
