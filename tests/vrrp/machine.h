// Words that the tests of the state machine share. Every router here is 192.0.2.10, priority 100, interval 1 s,
// preempt, unless a test says otherwise: Skew_Time 0.609375 s, Active_Down_Interval 3.609375 s, both worked by hand.
#pragma once

#include <ostream>

#include "tests/vrrp/golden.h"
#include "vrrp/group.h"
#include "vrrp/virtual_router.h"

namespace baton::vrrp {

inline constexpr Instant kStart{std::chrono::seconds{1000}};
inline const IpAddress kOwn = test::ip("192.0.2.10");
inline const IpAddress kGreater = test::ip("192.0.2.251");
inline const IpAddress kSmaller = test::ip("192.0.2.9");

inline AdvertReceived heard(int priority, const IpAddress& source = kGreater,
                            Nanos interval = std::chrono::seconds{1}) {
  return {
      .source = source, .priority = Priority{static_cast<std::uint8_t>(priority)}, .max_advertise_interval = interval};
}

inline RouterParameters usual() { return {.primary = kOwn}; }

inline Actions takes_over(int priority, Reason reason, State from = State::kBackup) {
  return {SendAdvert{Priority{static_cast<std::uint8_t>(priority)}}, InstallVips{}, AnnounceVips{},
          ReportTransition{from, State::kActive, reason}};
}

// ---- For readable failures ----------------------------------------------------------------------------------------

inline std::ostream& operator<<(std::ostream& out, const Action& action) {
  struct Print {
    std::ostream& out;
    void operator()(const SendAdvert& send) { out << "SendAdvert " << int{send.priority.value()}; }
    void operator()(const InstallVips&) { out << "InstallVips"; }
    void operator()(const AnnounceVips&) { out << "AnnounceVips"; }
    void operator()(const RemoveVips&) { out << "RemoveVips"; }
    void operator()(const DownExpired&) { out << "DownExpired"; }
    void operator()(const ReportTransition& report) {
      out << state_token(report.from) << " -> " << state_token(report.to) << " " << reason_token(report.reason);
    }
    void operator()(const Note& note) { out << "Note " << static_cast<int>(note.remark); }
  };
  std::visit(Print{out}, action);
  return out;
}
inline void PrintTo(const Action& action, std::ostream* out) { *out << action; }
inline void PrintTo(const GroupAction& item, std::ostream* out) { *out << item.router << ": " << item.action; }
inline void PrintTo(const ReportTransition& report, std::ostream* out) { *out << Action{report}; }
inline void PrintTo(const State& state, std::ostream* out) { *out << state_token(state); }

}  // namespace baton::vrrp
