// What reports add up to, for metrics: counts and durations since this steward started. Readers of counters expect that
// they begin anew with the process.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <string>

#include "base/duration_histogram.h"
#include "config/config.h"
#include "ipc/messages.h"

namespace baton::steward {

struct Tallies {
  struct TransitionKey {
    std::string instance;
    vrrp::State from = vrrp::State::kInitialize;
    vrrp::State to = vrrp::State::kInitialize;
    Reason reason = Reason::kNone;
    auto operator<=>(const TransitionKey&) const = default;
  };
  std::map<TransitionKey, std::uint64_t> transitions;
  std::map<std::pair<std::string, VerbStatus>, std::uint64_t> promotions;   ///< by instance and what came of it
  std::map<std::string, std::uint64_t> timeouts;                            ///< of probes, by [plugin] section
  std::map<std::pair<std::string, ipc::HostKind>, std::uint64_t> restarts;  ///< of plugin hosts, by [plugin] section
  DurationHistogram detect;   ///< from the last advert of a lost Active to being Active
  DurationHistogram vip;      ///< from being Active to the last address in the kernel
  DurationHistogram garp;     ///< from there until each has been announced once
  DurationHistogram promote;  ///< of promotions that succeeded

  /// `heard_at`: when the instance's routers last heard an Active; the clock's epoch = never.
  void note_report(const ipc::ReportMessage& message, Instant heard_at);
  /// `timed_out`: it was ended because a probe was late.
  void note_plugin_down(const std::string& section, ipc::HostKind kind, bool timed_out);
  /// After a reload: what is no longer configured has no counters, or names would pile up.
  void keep(const config::Config& config);
};

}  // namespace baton::steward
