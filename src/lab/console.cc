#include "lab/console.h"

#include <concepts>

#include "lab/link_text.h"
#include "lab/words.h"

namespace wanbond {
namespace {

std::string ok(Time at) { return "ok " + std::to_string(at.time_since_epoch().count()); }

std::string name(std::string_view text) { return '"' + std::string(text) + "\": "; }

std::string field(const std::string& key, std::integral auto value) {
  return name(key) + std::to_string(value);
}

// {"a2b": ..., "b2a": ...}
template <class F>
std::string both_directions(F&& describe) {
  std::string json = "{";
  for (const LinkDirection direction : kBothDirections)
    json += (json.size() > 1 ? ", " : "") + name(to_string(direction)) + describe(direction);
  return json + "}";
}

std::string direction_stats(const Emulator& emulator, std::size_t link, LinkDirection direction) {
  const LinkModel& model = emulator.model(link, direction);
  const LinkCounters& c = model.counters();
  const bool up = model.settings().state == LinkState::Up;
  std::string json = "{" + name("state") + (up ? "\"up\", " : "\"cut\", ") +
                     field("in_packets", c.in_packets) + ", " + field("in_bytes", c.in_bytes);
  std::uint64_t left = 0;
  for (std::size_t i = 0; i < kLinkFateCount; ++i) {
    const std::string fate = to_string(static_cast<LinkFate>(i));
    json +=
        ", " + field(fate + "_packets", c.packets[i]) + ", " + field(fate + "_bytes", c.bytes[i]);
    left += c.packets[i];
  }
  const EmulatorCounters& own = emulator.counters(link, direction);
  json += ", " + field("inside_packets", c.in_packets - left) + ", " +
          field("queue_packets", model.queue_packets()) + ", " +
          field("queue_bytes", model.queue_bytes()) + ", " +
          field("no_memory_packets", own.no_memory) + ", " + field("refused_packets", own.refused) +
          ", " + field("cut_short_packets", own.cut_short);
  const EmulatedLink& ends = emulator.link(link);
  const auto side = static_cast<std::size_t>(direction);
  const auto missed = missed_packets(*ends.netns[side], ends.ends[side].device);
  if (missed) json += ", " + field("missed_packets", *missed);
  return json + "}";
}

}  // namespace

std::string Console::execute(std::string_view line) {
  const auto words = split_words(line);
  if (words.size() == 1 && words[0] == "stats") return stats();
  if (words.size() == 2 && words[0] == "show") return show(words);
  const auto changed = change(words);
  if (!changed) return "error " + changed.error().message;
  if (on_event_) on_event_(*changed, line);
  return ok(*changed);
}

Result<Time> Console::change(Words words) {
  const bool known =
      words.size() >= 2 && (words[0] == "set" || words[0] == "cut" || words[0] == "restore");
  if (!known)
    return Error{
        "the commands are: set LINK [a2b|b2a] KEY=VALUE..., cut LINK [a2b|b2a], "
        "restore LINK [a2b|b2a], show LINK, stats"};
  const auto link = emulator_.find(words[1]);
  if (!link) return Error{"there is no link '" + std::string(words[1]) + "'"};
  const auto wanted = changes(*link, words);
  if (!wanted) return wanted.error();
  return emulator_.set(*link, *wanted);
}

// What `words`, a command and a link known to exist, ask for.
Result<Console::Changes> Console::changes(std::size_t link, Words words) const {
  const bool one_direction = words.size() > 2 && (words[2] == to_string(LinkDirection::AToB) ||
                                                  words[2] == to_string(LinkDirection::BToA));
  const Words pairs = words.subspan(one_direction ? 3 : 2);
  if (words[0] == "set" && pairs.empty()) return Error{"name a setting, as in delay=40ms"};
  if (words[0] != "set" && !pairs.empty())
    return Error{"'" + std::string(pairs[0]) + "' is neither a2b nor b2a"};
  Changes result;
  for (const LinkDirection direction : kBothDirections) {
    if (one_direction && words[2] != to_string(direction)) continue;
    DirectionChange change{direction, emulator_.model(link, direction).settings()};
    if (words[0] == "cut") change.settings.state = LinkState::Cut;
    if (words[0] == "restore") change.settings.state = LinkState::Up;
    for (const std::string_view pair : pairs)
      if (const auto applied = apply_setting(change.settings, pair); !applied)
        return applied.error();
    result.push_back(change);
  }
  return result;
}

std::string Console::show(Words words) const {
  const auto link = emulator_.find(words[1]);
  if (!link) return "error there is no link '" + std::string(words[1]) + "'";
  return ok(monotonic_now()) + " " + both_directions([&](LinkDirection direction) {
           return '"' + to_text(emulator_.model(*link, direction).settings()) + '"';
         });
}

std::string Console::stats() const {
  std::string json;
  for (std::size_t i = 0; i < emulator_.link_count(); ++i) {
    json += (i > 0 ? ", " : "") + name(emulator_.link(i).name);
    json += both_directions([&](LinkDirection d) { return direction_stats(emulator_, i, d); });
  }
  return ok(monotonic_now()) + " {" + json + "}";
}

}  // namespace wanbond
