#include "engine/alarms.h"

#include <algorithm>

#include "base/defect.h"

namespace baton::engine {

Alarms::State& Alarms::state_of(ports::Alarm alarm) {
  for (State& state : states_) {
    if (state.alarm == alarm) return state;
  }
  return states_.emplace_back(State{.alarm = alarm});
}

bool Alarms::raise(Instant now, ports::Report report, ports::Alarm alarm, Nanos lasts, ports::ReportPort& port) {
  const auto index = static_cast<std::size_t>(alarm);
  CHECK(index < kAlarms);
  State& state = state_of(alarm);
  state.ends = lasts == Nanos::max() ? kNever : now + lasts;
  // Later repetitions only move `ends`; expire() looks again when the noted time has come.
  next_expiry_ = std::min(next_expiry_, state.ends);
  const bool began = !has(alarm);
  if (BATON_DEFECT(41)) state = {.alarm = alarm, .ends = state.ends};
  bits_ |= std::uint64_t{1} << index;
  if (state.announced || (state.ever_reported && now - state.reported < kReportGap)) return began;
  state.announced = true;
  state.ever_reported = true;
  state.reported = now;
  report.kind = ports::EventKind::kAlarm;
  report.alarm = alarm;
  report.at = now;
  port.report(report);
  return began;
}

bool Alarms::clear(Instant now, std::uint32_t instance, ports::Alarm alarm, ports::ReportPort& port) {
  if (!has(alarm)) return false;
  const auto index = static_cast<std::size_t>(alarm);
  bits_ &= ~(std::uint64_t{1} << index);
  State& state = state_of(alarm);
  state.ends = kNever;
  if (!state.announced) return true;
  state.announced = false;
  ports::Report report;
  report.kind = ports::EventKind::kAlarmCleared;
  report.alarm = alarm;
  report.instance = instance;
  report.at = now;
  port.report(report);
  return true;
}

bool Alarms::expire(Instant now, std::uint32_t instance, ports::ReportPort& port) {
  if (now < next_expiry_) return false;
  bool changed = false;
  for (const State& state : states_) {
    if (state.ends <= now) changed |= clear(now, instance, state.alarm, port);
  }
  find_next_expiry();
  return changed;
}

void Alarms::restore(Instant now, std::uint64_t bits, Nanos lasts) {
  bits_ = bits;
  for (std::size_t i = 0; i < kAlarms; ++i) {
    if ((bits >> i & 1) == 0) continue;
    State& state = state_of(static_cast<ports::Alarm>(i));
    state.announced = true;
    state.ever_reported = true;
    state.reported = now;
    state.ends = now + lasts;
  }
  find_next_expiry();
}

void Alarms::find_next_expiry() {
  next_expiry_ = kNever;
  for (const State& state : states_) next_expiry_ = std::min(next_expiry_, state.ends);
}

}  // namespace baton::engine
