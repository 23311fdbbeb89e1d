// The micro benchmarks, one function and one file per subject; micro.cc runs them.
#pragma once

#include "measure.h"

namespace wanbond {

void add_classify(Measure& measure);
void add_split(Measure& measure);
void add_coalesce(Measure& measure);
void add_window(Measure& measure);
void add_keyring(Measure& measure);
void add_bond(Measure& measure);
void add_order(Measure& measure);
void add_pipeline(Measure& measure);

}  // namespace wanbond
