// What keeps two hosts from being written to at once, for each [instance] or [group] that promotes: the times that
// matter for it, whether they are in order (roles.md's rule: address lifetime < watchdog < lease <= takeover_wait), and
// what the chosen protection guarantees and what it does not, in words. Pure; promises nothing that the engine does not
// do.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "config/document.h"
#include "config/report.h"

namespace baton::config {

/// The times of one promoting [instance] or [group] on the host of the Config.
struct PromotionTimes {
  Nanos address_lifetime{0};      ///< 0 = permanent
  std::optional<Nanos> watchdog;  ///< after so long without being fed the host is reset
  std::optional<Nanos> lease;     ///< grant = witness: the shortest that a witness's settings name
  Nanos takeover_wait{0};         ///< after the old holder's last advert; what `auto` stands for included
};

/// As it stands in the file: "witness".
std::string_view grant_word(Grant grant);

struct Protection {
  std::string object;  ///< "instance pg", "group db"
  Grant grant = Grant::kNone;
  std::vector<std::string> witnesses;
  std::vector<std::string> fences;
  std::vector<std::string>
      own_fences;        ///< `promote` sections whose module can fence by the other host's database itself
  std::string watchdog;  ///< path; "" = none
  bool preempt = false;
  bool resume_alone = false;
  PromotionTimes times;
  std::vector<std::string> holds;  ///< sentences: what is guaranteed
  std::vector<std::string> open;   ///< sentences: what is not
};

/// One for each that promotes, in the order of the configuration.
std::vector<Protection> protections(const Config& config);

/// Reports times that void a guarantee (E061), and those that leave a gap or make a nuisance (W016).
void lint_promotion_times(const Document& document, const Config& config, Report& report);

}  // namespace baton::config
