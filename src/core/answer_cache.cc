#include "core/answer_cache.h"

#include <algorithm>

#include "proto/limits.h"

namespace wanbond {

void AnswerCache::store(Time now, Bytes init, const RespMessage& answer) noexcept {
  Entry& entry = entries_[next_++ % entries_.size()];
  std::copy_n(init.begin(), kIdentityBytes, entry.init.begin());
  entry.answer = answer;
  entry.stored = now;
  entry.copies = 1;
  entry.used = true;
}

AnswerCache::Found AnswerCache::find(Time now, Bytes init) noexcept {
  for (Entry& entry : entries_) {
    if (!entry.used || now - entry.stored >= kHandshakeCacheHold) continue;
    if (!std::equal(entry.init.begin(), entry.init.end(), init.begin())) continue;
    if (entry.copies >= kHandshakeCacheAnswersMax) return {nullptr, true};
    ++entry.copies;
    return {&entry.answer, false};
  }
  return {};
}

}  // namespace wanbond
