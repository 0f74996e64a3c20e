// The one place that turns reasons, alarms and numbers into sentences. Status, explain, events and history all speak
// through it, so that a transition has the same reason wherever it is read.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/address.h"
#include "base/reason.h"
#include "ports/ports.h"

namespace baton::steward {

/// Addresses of the other hosts, as [peer] sections name them.
class HostNames {
 public:
  HostNames() = default;
  explicit HostNames(std::map<IpAddress, std::string> names) : names_(std::move(names)) {}

  /// "db2", or "" if no [peer] has this address.
  std::string host(const IpAddress& address) const;
  /// "db2 (10.0.0.2)" or "10.0.0.2".
  std::string text(const IpAddress& address) const;

 private:
  std::map<IpAddress, std::string> names_;
};

/// The other router and the numbers that a reason compares; what is unspecified or 0 is left out of the sentence.
struct ReasonFacts {
  IpAddress other;
  std::uint8_t other_priority = 0;
  std::uint8_t own_priority = 0;
  Nanos down_interval{0};
  Nanos duration{0};       ///< of a stall
  std::string plugin{};    ///< the check behind it
  std::string sentence{};  ///< in its own words
};
/// "a router of higher priority is Active: db2 (10.0.0.2), 110 against 100 here".
std::string reason_sentence(Reason reason, const ReasonFacts& facts, const HostNames& names);
/// Words that a host says of itself, told on another one: "db2 is drained" for "this host is drained".
std::string told_of(std::string_view host, std::string_view words);
/// What an operator does about something that speaks against being Active; "" if there is nothing to do but wait.
std::string_view reason_remedy(Reason reason);

/// What happened, with the other's address: "10.0.0.2 advertises other virtual addresses ...".
std::string alarm_sentence(const ports::Report& report, const HostNames& names);
/// The same without saying whose: for the manual.
std::string alarm_words(ports::Alarm alarm);
/// What it means and what to do. One or two sentences.
std::string_view alarm_advice(ports::Alarm alarm);

/// One line for events and history: "Backup -> Active: no Active was heard for Active_Down_Interval".
std::string report_sentence(const ports::Report& report, const HostNames& names);

/// "transition", "alarm", "alarm_cleared", "notice", "holding", "check", "acted", "move", "announced".
std::string_view event_token(ports::EventKind kind);
/// "none", "installing", "held", "releasing".
std::string_view holding_token(ports::HoldingState holding);
/// "none", "entering", "entered", "leaving", "left", "failed".
std::string_view follow_up_token(ports::FollowUpState state);
/// "Initialize", "Backup", "Active": RFC 9568's words.
std::string_view state_word(vrrp::State state);

}  // namespace baton::steward
