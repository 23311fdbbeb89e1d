// Fuzz target: a configuration file. Either it is refused with at least one placed message, or its
// values keep their promises.
#include <string>

#include "base/check.h"
#include "config.h"

using namespace wanbond;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(data, data + size);
  // The same text as a drop-in of itself: what is single is replaced, lists grow.
  for (const auto& texts : {std::vector<ConfigText>{{"a.conf", text}},
                            std::vector<ConfigText>{{"a.conf", text}, {"b.conf", text}}}) {
    const auto config = parse_config(texts);
    if (!config) {
      check(config.error().message.find(".conf") != std::string::npos);
      continue;
    }
    check(config->interface.private_key.given() && !config->peers.empty());
    check(!config->interface.device.empty() && config->interface.device.size() <= 15);
    for (const WanConfig& wan : config->wans) check(!wan.name.empty() && wan.name.size() <= 16);
    for (const PeerConfig& peer : config->peers) check(!peer.name.empty());
  }
  return 0;
}
