#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace wanbond {

void check_failed(const std::source_location& place) noexcept {
  std::fprintf(stderr, "wanbond: internal error at %s:%u in %s\n", place.file_name(),
               static_cast<unsigned>(place.line()), place.function_name());
  std::abort();
}

}  // namespace wanbond
