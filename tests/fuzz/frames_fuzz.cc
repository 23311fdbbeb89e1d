// Fuzz target: the frames of a CTRL. What the reader yields can be written, and reads the same.
#include <array>

#include "base/check.h"
#include "proto/frames.h"

using namespace wanbond;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes bytes = std::as_bytes(std::span(data, size));
  auto reader = FrameReader::open(bytes);
  if (!reader) return 0;
  std::size_t count = 0;
  while (const auto frame = reader->next()) {
    check(++count * kFrameHeadBytes <= size);
    std::array<std::byte, kFrameHeadBytes + kFrameValueBytesMax> again{};
    ByteWriter out(again);
    write_frame(out, *frame);
    check(out.ok());
    auto second = FrameReader::open(out.written());
    check(second.has_value());
    check(second->next() == frame);
    check(!second->next());
  }
  return 0;
}
