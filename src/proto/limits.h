// Every number of the wire protocol, version 1: sizes in bytes, spans of time, bounds. Each line
// gives its reason and source ("protocol" is wanbond-protocol(7)). No number of the protocol
// stands anywhere else.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/ids.h"
#include "base/packet.h"
#include "base/time.h"

namespace wanbond {

// ---- Messages ---------------------------------------------------------------------------------

/// Second byte of every handshake message.
inline constexpr std::uint8_t kProtocolVersion = 1;
/// UDP payload of the handshake messages. An answer is never larger than what caused it.
inline constexpr std::size_t kHsInitBytes = 176;
inline constexpr std::size_t kHsRespBytes = 116;
inline constexpr std::size_t kHsCookieBytes = 64;
/// Type, connection id and packet number in the clear: the AEAD's associated data.
inline constexpr std::size_t kClearHeaderBytes = 8;
/// Time stamp, stream, sequence and flags: first encrypted bytes of DATA.
inline constexpr std::size_t kDataFieldsBytes = 8;
/// More encrypted bytes of DATA with the flag Extended.
inline constexpr std::size_t kDataExtensionBytes = 4;
/// Time stamp and length of the frames: first encrypted bytes of CTRL.
inline constexpr std::size_t kCtrlFieldsBytes = 4;
/// What DATA adds to an inner packet, without and with the extension; the same as WireGuard's 32.
inline constexpr std::size_t kDataOverheadBytes = kClearHeaderBytes + kDataFieldsBytes + kTagBytes;
inline constexpr std::size_t kDataOverheadBytesMax = kDataOverheadBytes + kDataExtensionBytes;
/// What CTRL adds to its frames; also the smallest CTRL.
inline constexpr std::size_t kCtrlOverheadBytes = kClearHeaderBytes + kCtrlFieldsBytes + kTagBytes;
/// Largest UDP payload that version 1 sends or accepts: a 9000-byte link's 8972, with room.
inline constexpr std::size_t kUdpPayloadBytesMax = 9216;

// ---- Connection ids ---------------------------------------------------------------------------

/// Low bits of a connection id: the path.
inline constexpr unsigned kPathBits = 6;
/// High bits: a random free index in the receiver's array, one per key epoch. 1000 spokes with 3
/// epochs use 1.1 % of it, so a guess rarely meets a key.
inline constexpr unsigned kSlotBits = 18;
inline constexpr std::uint32_t kSlotCountMax = std::uint32_t{1} << kSlotBits;
inline constexpr unsigned kCidBits = kSlotBits + kPathBits;
/// Path ids below this are opened by the side with the smaller static key, the rest by the other,
/// so that both can open a path at once without agreeing on an id (protocol, PATHS).
inline constexpr std::uint8_t kSecondOpenerPath = 32;

// ---- Time stamps and order --------------------------------------------------------------------

/// A wire stamp is the sender's monotonic nanoseconds >> 15: 32.768 us, wraps in 2.147 s, so a
/// difference is right while it is below 1.07 s either way.
inline constexpr unsigned kStampShift = 15;
inline constexpr Duration kStampUnit{std::int64_t{1} << kStampShift};
/// Order number within a stream: 300 ms of skew at 10 Gbit/s is 250,000 of its 16.7 million.
inline constexpr unsigned kSequenceBits = 24;
/// Unit of the waiting time in the extension of DATA.
inline constexpr Duration kWaitUnit = 10us;

// ---- Frames -----------------------------------------------------------------------------------

/// Type and length before each frame's value, and before each block within FEEDBACK.
inline constexpr std::size_t kFrameHeadBytes = 2;
/// A length is one byte.
inline constexpr std::size_t kFrameValueBytesMax = 255;
/// Frame types from here on end the parsing of a packet; unknown ones below are skipped.
inline constexpr std::uint8_t kFrameTypeEnd = 128;
/// FEEDBACK without its blocks.
inline constexpr std::size_t kFeedbackBaseBytes = 24;
/// Type of the block of FEEDBACK that acknowledges, and the runs that one can hold.
inline constexpr std::uint8_t kBlockRanges = 1;
inline constexpr std::size_t kAckRangeCountMax =
    (kFrameValueBytesMax - kFeedbackBaseBytes - kFrameHeadBytes - 2) / 4 + 1;
/// Types of the blocks on slots and trains, and how many slots a report repeats: the newest, so
/// that the loss of a report costs nothing.
inline constexpr std::uint8_t kBlockSlots = 2;
inline constexpr std::uint8_t kBlockTrain = 3;
inline constexpr std::size_t kReportedSlotsMax = 4;
/// Unit of the gaps within a train.
inline constexpr Duration kTrainGapUnit = 1us;
/// Streams are numbered 1 to this: one for the data and one for the pure acknowledgements of 8192
/// flows. A receiver keeps about 100 bytes for each that it has seen.
inline constexpr std::size_t kStreamCountMax = 16384;
/// Packet numbers of a path go on over a rekey, so that reports mean the same under both keys, and
/// start again from 0 with the first rekey from here on.
inline constexpr std::uint32_t kNumberRestart = std::uint32_t{1} << 28;
/// A WAN's name: as long as an interface name (IFNAMSIZ with its zero).
inline constexpr std::size_t kPathNameBytesMax = 16;
/// Sequence numbers in one ACK frame: more than a peer can have open at once.
inline constexpr std::size_t kAckCountMax = 16;
/// Addresses that a peer may offer (ADDR): what an enrolled but hostile peer can make us hold.
inline constexpr std::size_t kOfferedAddressCountMax = 16;
/// PATH_STATUS, PATH_ABANDON and ADDR are repeated after this many halves of an RTT until
/// acknowledged, this often; a first guess of the RTT serves while none is known.
inline constexpr int kControlRepeatHalfRtts = 3;
inline constexpr int kControlRepeatCountMax = 5;
inline constexpr Duration kControlRepeatMin = 20ms;
/// An abandoned path's state is kept for 3 RTT or this, whichever is longer, so that late packets
/// do not look like a new path.
inline constexpr Duration kPathAbandonHold = 3s;

// ---- Handshake --------------------------------------------------------------------------------

/// Waits before each retry while a path is up, the last one for ever, plus 0 to the jitter.
inline constexpr std::array<Duration, 4> kHandshakeRetry{1s, 2s, 4s, 5s};
inline constexpr Duration kHandshakeRetryJitterMax = 333ms;
/// With all paths down: first so often for so long, then these waits, each +-25 %, the last one
/// for ever: a passive hub that restarted can only wait for its spokes.
inline constexpr Duration kHandshakeDownRetry = 500ms;
inline constexpr Duration kHandshakeDownRetrySpan = 10s;
inline constexpr std::array<Duration, 4> kHandshakeDownBackoff{1s, 2s, 5s, 15s};
/// First contact sends the same message to all address pairs, so far apart.
inline constexpr Duration kHandshakeRaceGap = 50ms;
/// Retries are at least so far apart: the time stamp is cut to 2^24 ns (16.8 ms).
inline constexpr Duration kHandshakeGapMin = 20ms;
/// A known ephemeral key is answered from a cache: so long, so often.
inline constexpr Duration kHandshakeCacheHold = 5s;
inline constexpr int kHandshakeCacheAnswersMax = 8;
/// Crossing initiations younger than this: the smaller static key stays initiator.
inline constexpr Duration kHandshakeCrossingSpan = 5s;
/// Exchanges that a responder holds per peer before one is confirmed: a replayed old message
/// cannot push out a live one.
inline constexpr std::size_t kPendingResponderCountMax = 2;
/// When the responder asks for a cookie first, and for how long after.
inline constexpr std::size_t kHandshakeQueueMax = 4096;
inline constexpr std::size_t kHandshakeLoadMark = 512;
inline constexpr Duration kHandshakeLoadHold = 1s;
/// Per second and node: Diffie-Hellman work (at most one per batch) and cookie replies.
inline constexpr int kHandshakesPerSecondMax = 1000;
inline constexpr int kCookieRepliesPerSecondMax = 2000;
/// Per second and source (IPv4 address, IPv6 /64), with its burst; per second and peer.
inline constexpr int kHandshakesPerSourceMax = 20;
inline constexpr int kHandshakeSourceBurst = 5;
inline constexpr int kHandshakesPerPeerMax = 50;
/// A stale time stamp is answered with a cookie at most so often.
inline constexpr Duration kStaleReplyGap = 1s;

// ---- Paths ------------------------------------------------------------------------------------

/// A challenge that opens a path is padded to this UDP payload: QUIC's 1200 (RFC 9000 14), which
/// every usable path carries and which lets the answer be as large.
inline constexpr std::size_t kValidationBytes = 1200;
/// Challenges of a validation, counted from its start, and when it has failed.
inline constexpr std::array<Duration, 4> kChallengeSchedule{0ms, 250ms, 750ms, 1750ms};
inline constexpr Duration kValidationTimeout = 3s;
/// Bytes sent to an address that is not validated, per byte received from it (RFC 9000 8.1).
inline constexpr std::size_t kAmplificationMax = 3;
/// Challenges on a path that is down: quick at first, then slow, for ever; metered paths spare
/// their volume. A response starts BFD at once.
inline constexpr Duration kDownChallengeSpan = 60s;
inline constexpr Duration kDownChallengeFast = 100ms;
inline constexpr Duration kDownChallengeSlow = 1s;
inline constexpr Duration kMeteredChallengeFast = 1s;
inline constexpr Duration kMeteredChallengeSlow = 15s;
/// A path that cannot carry this UDP payload carries no data: 1280, the least MTU of IPv6 and so of
/// the TUN device, and what DATA adds.
inline constexpr std::size_t kDataPayloadBytesMin = 1280 + kDataOverheadBytes;
/// Packet size (RFC 8899 5.1): the size that validation shows; losses that make a size too large;
/// least wait for an answer; when a larger size is tried again, and one that carries data at all.
inline constexpr std::size_t kPmtuBaseBytes = kValidationBytes;
inline constexpr unsigned kPmtuProbesMax = 3;
inline constexpr Duration kPmtuProbeTimerMin = 1s;
inline constexpr Duration kPmtuRaiseInterval = 600s;
inline constexpr Duration kPmtuErrorInterval = 60s;
/// A learned address that was down for so long is forgotten.
inline constexpr Duration kLearnedPathLife = 24h;
/// A removed path's id is free after this.
inline constexpr Duration kPathIdHold = 3s;

/// Suspect by silence: two lost heartbeats of 20 ms and their jitter.
inline constexpr Duration kSuspectSilence = 45ms;
/// Suspect by acknowledgement: the oldest unacknowledged packet is older than RTT + feedback
/// interval + this + 4 J, J being the path's delay variation.
inline constexpr Duration kSuspectUnacked = 20ms;
inline constexpr int kSuspectJitterFactor = 4;
/// A path under such suspicion is challenged so often; it is down when nothing that was sent since
/// has been answered for a round trip and this, four lost probes.
inline constexpr Duration kSuspectProbe = 20ms;
inline constexpr Duration kSuspectProbeSpan = 80ms;
/// The round trip of a path without a measurement, for these two.
inline constexpr Duration kRttUnknown = 100ms;
/// Suspect by quality: loss above this, or delay above floor + max(this, 3 x floor), for so long.
inline constexpr std::uint32_t kSuspectLossPpm = 100'000;
inline constexpr Duration kSuspectDelay = 200ms;
inline constexpr int kSuspectDelayFactor = 3;
inline constexpr Duration kSuspectQualitySpan = 1s;

/// Hold-down of classes without repair: after so many downs in so long, a wait that doubles with
/// each further down within the memory and halves with each stable span.
inline constexpr int kFlapCount = 3;
inline constexpr Duration kFlapSpan = 30s;
inline constexpr Duration kHoldDownMin = 1s;
inline constexpr Duration kHoldDownMax = 60s;
inline constexpr Duration kHoldDownMemory = 300s;
inline constexpr Duration kHoldDownStable = 60s;

/// A sleeping metered backup sends one CTRL so often, and is down after three are missed.
inline constexpr Duration kMeteredKeepalive = 15s;
inline constexpr Duration kMeteredSilenceMax = 45s;

// ---- Feedback ---------------------------------------------------------------------------------

/// While data arrives: a FEEDBACK so often; above the rate mark the shorter one.
inline constexpr Duration kFeedbackInterval = 10ms;
inline constexpr Duration kFeedbackIntervalFast = 5ms;
inline constexpr std::uint64_t kFeedbackFastBitsPerSecond = 100'000'000;
/// Without much data it still comes so often: as a heartbeat would. The last one is repeated after
/// the same time, since nothing else would make good its loss.
inline constexpr Duration kFeedbackIntervalSparse = 20ms;
/// And so soon after a gap in a path's packet numbers.
inline constexpr Duration kFeedbackGapDelay = 2ms;
/// Share of a path's rate that reports may take: one in so many bytes.
inline constexpr std::uint64_t kFeedbackShare = 100;

// ---- BFD (RFC 5880, protocol BFD) -------------------------------------------------------------

/// The mandatory section; version 1 sends and accepts nothing longer.
inline constexpr std::size_t kBfdControlBytes = 24;
/// Slowest start: desired min TX while not Up is at least this (RFC 5880 6.8.3).
inline constexpr Duration kBfdSlowInterval = 1s;
/// Other packets may stand for BFD's, but one in so many intervals is sent all the same.
inline constexpr int kBfdSkippedIntervalsMax = 10;
/// Packets sent at once on a change are bounded: so many per span, then they wait for its end.
inline constexpr int kBfdImmediateCountMax = 10;
inline constexpr Duration kBfdImmediateSpan = 1s;
/// A new Poll Sequence waits so long after the end of the last one, so that a late Final of that
/// one cannot end it (it has no number); longer than any usable round trip.
inline constexpr Duration kBfdPollGap = 1s;
/// Jitter: an interval is 75 to 100 % of its value, at detect mult 1 at most 90 % (6.8.7).
inline constexpr std::uint32_t kBfdJitterMinPpm = 750'000;
inline constexpr std::uint32_t kBfdJitterMaxPpm = 1'000'000;
inline constexpr std::uint32_t kBfdJitterMaxMult1Ppm = 900'000;
/// Carried data within this span: the path is active.
inline constexpr Duration kBfdActiveWindow = 5s;
/// Random loss may raise so many false alarms per second of an idle path, one in a week: it
/// determines the multiplier.
inline constexpr double kBfdFalseAlarmsPerSecond = 1.65e-6;
/// A detection lasts longer by so many times what the path's delay rarely jumps by: what one in a
/// hundred jumps exceeds, one in 10^8 exceeds four times if their tail is exponential.
inline constexpr int kBfdJumpFactor = 4;
/// More than a fifth lost for so long: heartbeats become half as frequent, down to this interval
/// (RFC 5880 7). They return to their pace when it has been less for the second span.
inline constexpr Duration kBfdHeavyLossSpan = 3s;
inline constexpr Duration kBfdIntervalHeavyLoss = 100ms;
inline constexpr Duration kBfdLightLossSpan = 10s;
/// Detect mult never exceeds this, whatever the loss.
inline constexpr std::uint8_t kBfdDetectMultMax = 25;

static_assert(kDataOverheadBytes == 32 && kCtrlOverheadBytes == 28);
static_assert(kCidBits == 24 && kPathCountMax == std::size_t{1} << kPathBits);
static_assert(kHsRespBytes < kHsInitBytes && kHsCookieBytes < kHsInitBytes);
static_assert(kChallengeSchedule.back() < kValidationTimeout);
static_assert(kValidationBytes >= kCtrlOverheadBytes + kFrameHeadBytes + kFrameValueBytesMax);
static_assert(kFeedbackBaseBytes <= kFrameValueBytesMax);

}  // namespace wanbond
