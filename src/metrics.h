// The Prometheus text of an instance (exposition format 0.0.4).
#pragma once

#include <string>

#include "instance_status.h"

namespace wanbond {

/// Lines of "name{labels} value" with their HELP and TYPE.
std::string metrics_text(const InstanceStatus& status);

}  // namespace wanbond
