// The scenarios of the scheduler's acceptance table and the public two-path profiles.
#pragma once

#include <vector>

#include "tests/bond/lab.h"

namespace wanbond::bond {

/// The numbered rows; the name begins with the number.
std::vector<Scenario> table_rows();
/// Both paths as netem makes them, one CUBIC flow 3 s after the tunnel; 14 s count.
std::vector<Scenario> two_path_profiles();

}  // namespace wanbond::bond
