// Fuzz target: a datagram's header, and the same bytes as decrypted DATA and CTRL. What parses is
// written back to the same bytes.
#include <algorithm>
#include <array>

#include "base/check.h"
#include "proto/wire.h"

using namespace wanbond;

namespace {

void check_header(Bytes datagram) {
  WireError error{};
  const auto header = parse_header(datagram, error);
  if (!header) return;
  std::array<std::byte, kClearHeaderBytes> again{};
  ByteWriter out(again);
  write_header(out, *header);
  check(out.ok() && std::ranges::equal(again, datagram.first(kClearHeaderBytes)));
  check(Cid::make(header->cid.slot(), header->cid.path()) == header->cid);
}

void check_data(Bytes plaintext) {
  const auto body = parse_data(plaintext);
  if (!body) return;
  std::array<std::byte, kDataFieldsBytes + kDataExtensionBytes> again{};
  ByteWriter out(again);
  write_data_fields(out, body->fields);
  check(out.ok() && out.size() + body->inner.size() == plaintext.size());
  check(std::ranges::equal(out.written(), plaintext.first(out.size())));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes bytes = std::as_bytes(std::span(data, size));
  check_header(bytes);
  check_data(bytes);
  const auto ctrl = parse_ctrl(bytes);
  check(!ctrl || ctrl->frames.size() + kCtrlFieldsBytes <= size);
  return 0;
}
