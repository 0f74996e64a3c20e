#include "tests/sim/trace.h"

#include <algorithm>

#include "base/reason.h"
#include "ports/ports.h"
#include "tests/sim/scenario.h"
#include "tests/sim/wire.h"

namespace baton::sim {
namespace {

std::string number(std::uint64_t value) { return std::to_string(value); }

std::string state(std::uint64_t value) { return std::string{vrrp::state_token(static_cast<vrrp::State>(value))}; }

std::string presence(std::uint64_t bits) {
  if ((bits & 2) == 0) return " absent";
  return (bits & 1) != 0 ? " present, ours" : " present, foreign";
}

std::string verb(std::uint64_t value) {
  constexpr const char* kNames[] = {"install", "refresh", "remove"};
  return kNames[value % 3];
}

std::string status(std::uint64_t value) {
  constexpr const char* kNames[] = {"done", "foreign", "refused", "too late", "no link"};
  return kNames[value % 5];
}

std::string address(std::uint64_t id) { return address_text(id); }

/// A phase, and to whom another host has promised.
std::string said(std::uint64_t bits) {
  std::string out;
  if ((bits & 0xFF) != 0) {
    out += ", move " + std::string{ports::handover_token(static_cast<ports::HandoverPhase>(bits & 0xFF))};
  }
  return bits >> 8 ? out + ", promised to host" + number((bits >> 8) - 1) : out;
}

std::string data_words(const TraceEvent& event) {
  const std::uint64_t a = event.a, b = event.b, c = event.c;
  const auto role = [](std::uint64_t value) {
    return std::string{ports::data_role_token(static_cast<ports::DataRole>(value))};
  };
  const auto step = [](std::uint64_t value) {
    return std::string{ports::step_token(static_cast<ports::PromotionStep>(value))};
  };
  switch (event.what) {
    case What::kActAsked:
      return "asks section " + number(c) + " to " + std::string{verb_token(static_cast<PluginVerb>(a))} +
             ", generation " + number(b);
    case What::kActDone:
      return "section " + number(c & 0xFF) + " " + std::string{verb_token(static_cast<PluginVerb>(a))} + ": " +
             std::string{status_token(static_cast<VerbStatus>(b))} + (c >> 8 ? ", for nobody" : "");
    case What::kRecord: return "records " + role(a) + " " + number(b) + (c ? " dirty" : "");
    case What::kOnDisk: return "has on disk " + role(a) + " " + number(b);
    case What::kRecalled: return "is told its records";
    case What::kStep: return "data unit " + number(a) + " is " + step(b) + ", " + role(c);
    case What::kWritable: return "data unit " + number(a) + "/" + number(b) + (c ? " is writable" : " is not writable");
    case What::kNews: return "hears of section id " + number(a);
    case What::kWord: return "hears that host" + number(a) + " is " + step(b & 0xFF) + " " + number(c) + said(b >> 8);
    case What::kSays: return "says of data unit " + number(a) + said(b) + (c ? " " + number(c) : "");
    case What::kDatabaseUp: return "data unit " + number(a) + (b ? " starts" : " dies");
    default: return "?";
  }
}

std::string words(const TraceEvent& event) {
  const std::uint64_t a = event.a, b = event.b, c = event.c;
  switch (event.what) {
    case What::kFrameSent: return "sends advert vrid " + number(b) + " priority " + number(c) + " on eth" + number(a);
    case What::kAnnounced: return "announces " + address(b) + " on eth" + number(a);
    case What::kFrameHeard:
      return "hears frame " + number(b & 0xFFFF) + " on eth" + number(a) + (c ? " (hostile)" : "");
    case What::kCommand: return "asks to " + verb(a) + " " + address(c) + " on eth" + number(b);
    case What::kResult: return "result of " + verb(a) + " " + address(c) + ": " + status(b);
    case What::kTransition:
      return "unit " + number(a) + " " + state(b / 16) + " -> " + state(b % 16) + " because " +
             std::string{reason_token(static_cast<Reason>(c))};
    case What::kAlarm:
      return "unit " + number(a & 0xFF) + (c ? " alarm " : " alarm over ") +
             std::string{ports::alarm_token(static_cast<ports::Alarm>(b))};
    case What::kLinkFact: return "eth" + number(a) + (b & 2 ? " present" : " missing") + (b & 1 ? " up" : " down");
    case What::kAddressFact: return "told " + address(b) + " on eth" + number(a) + presence(c);
    case What::kKernel: return "kernel " + address(b) + " on eth" + number(a) + presence(c);
    case What::kStalled:
      return "stalls for " + number(a / 1000) + " us" + (b == 0 ? "" : b == 1 ? " as a process" : " with its machine");
    case What::kResumed: return "resumes";
    case What::kCrashed: return "engine dies" + std::string{b ? ", will be adopted" : ""};
    case What::kStarted: return "engine starts, adopts " + number(a);
    case What::kStopping: return "is told to stop";
    case What::kStopped: return "has stopped";
    case What::kReload: return "reloads, kind " + number(a);
    case What::kOperator: return "operator command " + number(a) + (b ? " accepted" : " refused");
    case What::kFaultBegins: return "fault " + std::string{fault_name(static_cast<FaultKind>(a))} + " " + number(b);
    case What::kFaultEnds: return "fault over " + std::string{fault_name(static_cast<FaultKind>(a))};
    case What::kHealed: return "all faults are over";
    case What::kWorker: return "address worker, queue " + number(a);
    default: return data_words(event);
  }
  return "?";
}

}  // namespace

std::string text(const TraceEvent& event) {
  char stamp[48];
  std::snprintf(stamp, sizeof stamp, "%14.6f ms  %-6s ", static_cast<double>(event.at.count()) / 1e6,
                event.host < 0 ? "world" : ("host" + number(static_cast<std::uint64_t>(event.host))).c_str());
  return stamp + words(event);
}

void Trace::print_last(std::FILE* out) const {
  const std::uint64_t shown = std::min<std::uint64_t>(count_, last_.size());
  for (std::uint64_t i = count_ - shown; i < count_; ++i) {
    std::fprintf(out, "  %s\n", text(last_[i % last_.size()]).c_str());
  }
}

}  // namespace baton::sim
