#include "lab/link_spec.h"

#include <charconv>
#include <vector>

#include "lab/link_text.h"

namespace wanbond {
namespace {

constexpr std::size_t kFixedFields = 7;
constexpr std::string_view kDeviceMtu = "device_mtu=";

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (std::size_t end; (end = text.find(separator)) != std::string_view::npos;) {
    parts.push_back(text.substr(0, end));
    text.remove_prefix(end + 1);
  }
  parts.push_back(text);
  return parts;
}

Result<InterfaceAddress> parse_address(std::string_view text) {
  const Error error{"'" + std::string(text) + "' is not an address as in 192.0.2.1/30"};
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return error;
  const auto address = IpAddress::parse(text.substr(0, slash));
  unsigned length = 0;
  const auto [end, failure] =
      std::from_chars(text.data() + slash + 1, text.data() + text.size(), length);
  if (!address || failure != std::errc{} || end != text.data() + text.size() ||
      length > address->bit_count())
    return error;
  return InterfaceAddress{*address, length};
}

Result<LinkEnd> parse_end(std::string_view device, std::string_view addresses) {
  LinkEnd end{.device = std::string(device)};
  if (addresses == "-") return end;
  for (const std::string_view text : split(addresses, '+')) {
    const auto address = parse_address(text);
    if (!address) return address.error();
    end.addresses.push_back(*address);
  }
  return end;
}

Result<void> apply_device_mtu(LinkSpec& spec, std::string_view value) {
  const auto mtu = parse_bytes(value);
  if (!mtu || *mtu < 68 || *mtu > 65521)
    return Error{"device_mtu: '" + std::string(value) + "' is not a size from 68 to 65521"};
  for (LinkEnd& end : spec.ends) end.mtu_bytes = static_cast<std::uint32_t>(*mtu);
  return {};
}

Result<void> apply(LinkSpec& spec, std::string_view pair) {
  if (pair.starts_with(kDeviceMtu)) return apply_device_mtu(spec, pair.substr(kDeviceMtu.size()));
  if (pair.starts_with("a2b.")) return apply_setting(spec.settings[0], pair.substr(4));
  if (pair.starts_with("b2a.")) return apply_setting(spec.settings[1], pair.substr(4));
  for (LinkSettings& settings : spec.settings)
    if (const auto applied = apply_setting(settings, pair); !applied) return applied;
  return {};
}

}  // namespace

Result<LinkSpec> parse_link_spec(std::string_view text) {
  const auto fields = split(text, ',');
  const std::string place = "link '" + std::string(fields[0]) + "': ";
  if (fields.size() < kFixedFields)
    return Error{place +
                 "a link is NAME,NETNS,DEVICE,ADDRESSES,NETNS,DEVICE,ADDRESSES[,KEY=VALUE...]"};
  LinkSpec spec{.name = std::string(fields[0]),
                .netns = {std::string(fields[1]), std::string(fields[4])}};
  for (std::size_t side = 0; side < 2; ++side) {
    auto end = parse_end(fields[2 + 3 * side], fields[3 + 3 * side]);
    if (!end) return Error{place + end.error().message};
    spec.ends[side] = std::move(*end);
  }
  for (std::size_t i = kFixedFields; i < fields.size(); ++i)
    if (const auto applied = apply(spec, fields[i]); !applied)
      return Error{place + applied.error().message};
  return spec;
}

}  // namespace wanbond
