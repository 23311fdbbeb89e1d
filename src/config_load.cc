// load_config(): the files behind a configuration, drop-ins and keys included.
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>

#include "config.h"
#include "config_checks.h"

namespace wanbond {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kKeyFileBytesMax = 4096;

/// The first `bytes_max` bytes and one more, so that the caller sees a file that is too long.
Result<std::string> read_file(const std::string& file, std::size_t bytes_max) {
  errno = 0;
  std::ifstream stream(file, std::ios::binary);
  std::error_code ignored;
  if (!stream || fs::is_directory(file, ignored))
    return Error{"cannot read " + file + ": " + std::strerror(errno == 0 ? EISDIR : errno)};
  std::string text(bytes_max + 1, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(stream.gcount()));
  if (text.size() > bytes_max) return Error{file + " is too large to be what it should be"};
  return text;
}

Result<std::vector<ConfigText>> read_texts(const std::string& file) {
  auto main_text = read_file(file, kConfigBytesMax);
  if (!main_text) return main_text.error();
  std::vector<ConfigText> texts{{file, std::move(*main_text)}};
  std::error_code error;
  std::vector<std::string> drop_ins;
  for (const auto& entry : fs::directory_iterator(file + ".d", error)) {
    if (entry.path().extension() == ".conf") drop_ins.push_back(entry.path().string());
  }
  std::sort(drop_ins.begin(), drop_ins.end());
  for (const std::string& drop_in : drop_ins) {
    auto text = read_file(drop_in, kConfigBytesMax);
    if (!text) return text.error();
    texts.push_back({drop_in, std::move(*text)});
  }
  return texts;
}

/// The key itself, from the configuration or from its file. Empty after a fault.
template <class Key>
std::optional<Key> load_key(const KeyText& source, const char* name, Diagnostics& diagnostics) {
  if (!source.is_file()) return Key::parse(source.text);
  std::error_code error;
  const fs::file_status status = fs::status(source.text, error);
  constexpr fs::perms kOthers = fs::perms::group_read | fs::perms::others_read;
  if (!error && fs::is_regular_file(status) &&
      (status.permissions() & kOthers) != fs::perms::none) {
    diagnostics.error(source.place, std::string(name) + ": " + source.text +
                                        " can be read by group or others; cure: chmod 600 " +
                                        source.text);
    return {};
  }
  auto text = read_file(source.text, kKeyFileBytesMax);
  if (!text) {
    diagnostics.error(source.place, std::string(name) + ": " + text.error().message);
    return {};
  }
  const auto key = Key::parse(trim(*text));
  secure_wipe(std::as_writable_bytes(std::span(text->data(), text->size())));
  if (!key)
    diagnostics.error(source.place, std::string(name) + ": " + source.text +
                                        " does not hold a key (44 characters of base64)");
  return key;
}

void load_keys(Config& config, Diagnostics& diagnostics) {
  if (const auto secret =
          load_key<SecretKey>(config.interface.private_key, "PrivateKey", diagnostics))
    config.keys = KeyPair::from(*secret);
  if (config.interface.net_key.given()) {
    if (const auto key = load_key<Key32>(config.interface.net_key, "NetKey", diagnostics))
      config.netkey = NetKey(*key);
  }
  for (PeerConfig& peer : config.peers) {
    if (peer.public_key == config.keys.public_key)
      diagnostics.error(peer.public_key_place,
                        "PublicKey of [Peer " + peer.name + "] is this node's own");
    if (!peer.preshared_key.given()) continue;
    if (const auto psk = load_key<PresharedKey>(peer.preshared_key, "PresharedKey", diagnostics))
      peer.psk = *psk;
  }
}

/// A key in the configuration file is as secret as the file.
void check_inline_keys(const Config& config, Diagnostics& diagnostics) {
  const KeyText& key = config.interface.private_key;
  if (!key.given() || key.is_file()) return;
  std::error_code error;
  const fs::file_status status = fs::status(key.place.file, error);
  if (!error && (status.permissions() & fs::perms::others_read) != fs::perms::none)
    diagnostics.warning(
        key.place,
        "holds a PrivateKey and can be read by everybody; cure: chmod 600 " + key.place.file);
}

}  // namespace

Result<std::string> control_path_in(const std::string& file) {
  const auto texts = read_texts(file);
  if (!texts) return texts.error();
  const auto config = parse_config(*texts);
  if (!config) return config.error();
  return config->control_path();
}

Result<Config> load_config(const std::string& file) {
  const auto texts = read_texts(file);
  if (!texts) return texts.error();
  auto config = parse_config(*texts);
  if (!config) return config;
  Diagnostics diagnostics;
  load_keys(*config, diagnostics);
  check_inline_keys(*config, diagnostics);
  if (!diagnostics.errors().empty()) return Error{join_lines(diagnostics.errors())};
  config->warnings.insert(config->warnings.end(), diagnostics.warnings().begin(),
                          diagnostics.warnings().end());
  return config;
}

}  // namespace wanbond
