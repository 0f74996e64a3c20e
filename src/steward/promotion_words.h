// What a transition transaction is doing, what it waits for and what would end that, in words: for `status` and
// `explain`. Pure functions of what the engine publishes and of the plugins' last answers.
#pragma once

#include <string>

#include "steward/view.h"

namespace baton::steward {

/// "claims the role: the database is asked whether it may be promoted; pg refuses: ..."; "" while nothing is under way.
std::string transaction_sentence(const InstanceView& instance);
/// What takes it further; "" while nothing is under way.
std::string transaction_end(const InstanceView& instance);
/// The plugin's own words behind a reason that speaks against this host; "" if there are none.
std::string words_behind(const InstanceView& instance, Reason reason);
/// What its data is, or may be, bars it from the role: no priority changes that.
bool barred_by_data(const InstanceView& instance);

}  // namespace baton::steward
