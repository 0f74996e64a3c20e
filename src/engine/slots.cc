#include "engine/slots.h"

#include <algorithm>

namespace baton::engine {

std::optional<std::uint32_t> Slots::take(std::uint32_t count) {
  while (hint_ < used_.size() && used_[hint_]) ++hint_;
  std::uint32_t run = 0;
  for (std::uint32_t at = hint_; at < used_.size(); ++at) {
    run = used_[at] ? 0 : run + 1;
    if (run < count) continue;
    const std::uint32_t first = at + 1 - count;
    take_at(first, count);
    return first;
  }
  return std::nullopt;
}

bool Slots::take_at(std::uint32_t first, std::uint32_t count) {
  if (first > used_.size() || count > used_.size() - first) return false;
  const auto begin = used_.begin() + first;
  if (std::any_of(begin, begin + count, [](bool used) { return used; })) return false;
  std::fill(begin, begin + count, true);
  return true;
}

void Slots::free(std::uint32_t first, std::uint32_t count) {
  std::fill_n(used_.begin() + first, count, false);
  hint_ = std::min(hint_, first);
}

}  // namespace baton::engine
