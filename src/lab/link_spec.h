// LinkSpec: one emulated link as written on the command line of wanbond-lab.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "base/result.h"
#include "lab/link_settings.h"
#include "lab/plain_tun.h"

namespace wanbond {

/// A link whose namespaces are still only names.
struct LinkSpec {
  std::string name;
  std::array<std::string, 2> netns;  // of end a, of end b
  std::array<LinkEnd, 2> ends;
  std::array<LinkSettings, 2> settings;  // by LinkDirection
};

/// "NAME,NETNS,DEVICE,ADDRESSES,NETNS,DEVICE,ADDRESSES[,KEY=VALUE...]", end a first. ADDRESSES are
/// "192.0.2.1/30", several joined by "+", or "-" for none. Keys are those of link_text.h for both
/// directions, "a2b.KEY" or "b2a.KEY" for one, and device_mtu (default 1500).
Result<LinkSpec> parse_link_spec(std::string_view text);

}  // namespace wanbond
