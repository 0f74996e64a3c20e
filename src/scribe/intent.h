// The operator's intent that outlives a reboot: is this host drained, until when is it frozen? One small file, replaced
// atomically. A file that is there but cannot be understood counts as drained: an operator's wish that was lost must
// not bring the host back by itself.
#pragma once

#include <string>

#include "base/error.h"

namespace baton::scribe {

struct Intentions {
  bool drained = false;
  std::int64_t frozen_until_ns = 0;  ///< by the wall clock, which a reboot does not set back; 0 = not frozen
  bool operator==(const Intentions&) const = default;
};

struct LoadedIntentions {
  Intentions intentions;
  std::string trouble;  ///< "" = read, or there was no file
};
LoadedIntentions load_intentions(int directory);
/// On disk when it returns.
Result<void> save_intentions(int directory, const Intentions& intentions);

/// The file's text and back; pure.
std::string intentions_text(const Intentions& intentions);
Result<Intentions> parse_intentions(std::string_view text);

}  // namespace baton::scribe
