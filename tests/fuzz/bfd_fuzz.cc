// Fuzz target: BFD packets, and a session under any order of packets, times and commands. The
// session never asks to be woken in the past, and never sends without end.
#include <algorithm>
#include <array>

#include "base/check.h"
#include "proto/bfd.h"
#include "tests/sim/seeded_random.h"

using namespace wanbond;

namespace {

void check_packet(Bytes bytes) {
  BfdError error{};
  const auto control = parse_bfd(bytes, error);
  if (!control) return;
  std::array<std::byte, kBfdControlBytes> again{};
  ByteWriter out(again);
  write_bfd(out, *control);
  check(out.ok());
  check(parse_bfd(again, error) == control);
}

void drain(BfdSession& session, Time now) {
  (void)session.on_timer(now);
  int sent = 0;
  while (const auto control = session.poll_transmit(now)) {
    check(++sent <= 2);  // a Final, and one of its own
    check(!(control->poll && control->final));
    check(control->my_discriminator == session.my_discriminator());
    check(control->state == session.state());
  }
  check(session.next_timeout() > now);
}

BfdIntervals some_intervals(ByteReader& in) {
  return {std::chrono::microseconds(1 + in.u16()), std::chrono::microseconds(1 + in.u16()),
          static_cast<std::uint8_t>(in.u8() | 1)};
}

void one_input(BfdSession& session, Time now, ByteReader& in) {
  switch (in.u8() % 8) {
    case 0:
    case 1: {
      BfdError error{};
      auto control = parse_bfd(in.take(std::min(kBfdControlBytes, in.remaining())), error);
      if (!control) return;
      // So that the fuzzer need not guess it.
      if (control->your_discriminator == 1)
        control->your_discriminator = session.my_discriminator();
      (void)session.on_control(now, *control);
      return;
    }
    case 2:
      session.on_sign_of_life(now);
      return;
    case 3:
      session.on_sent(now);
      return;
    case 4:
      session.set_intervals(now, some_intervals(in));
      return;
    case 5:
      (void)(in.u8() % 2 == 0 ? session.set_admin_down(now) : session.clear_admin_down(now));
      return;
    case 6:
      (void)session.restart(now);
      return;
    default:
      session.shift_deadline(std::chrono::milliseconds(in.u8()));
      return;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes bytes = std::as_bytes(std::span(data, size));
  check_packet(bytes);
  sim::SeededRandom random(1);
  Time now{1s};
  ByteReader in(bytes);
  const auto liveness = in.u8() % 2 == 0 ? BfdLiveness::AnyPacket : BfdLiveness::Strict;
  BfdSession session(now, {.liveness = liveness}, random);
  drain(session, now);
  while (in.remaining() > 0) {
    now += std::chrono::milliseconds(in.u8());
    drain(session, now);
    one_input(session, now, in);
    drain(session, now);
  }
  return 0;
}
