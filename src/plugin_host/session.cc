#include "plugin_host/session.h"

#include <cxxabi.h>
#include <unistd.h>

#include <array>
#include <exception>

#include "ipc/plain_text.h"
#include "posix/clock.h"

namespace baton::plugin_host {
namespace {

VerbStatus status_of(std::int32_t returned) {
  return returned >= BATON_OK && returned <= BATON_FATAL ? static_cast<VerbStatus>(returned) : VerbStatus::kGarbage;
}

constexpr unsigned kCloseSeconds = 5;

/// The sentence of a verdict that the plugin did not explain.
std::string sentence_of(const Verdict& verdict) {
  if (verdict.said.position_too_long) {
    return "the plugin gave a position of more than " + std::to_string(ipc::kPositionLimit) + " bytes";
  }
  if (verdict.status == VerbStatus::kGarbage) return "the plugin returned a status that does not exist";
  if (!verdict.said.sentence.empty()) return verdict.said.sentence;
  return verdict.status == VerbStatus::kOk ? std::string{}
                                           : std::string{status_token(verdict.status)} + ", without a word why";
}

}  // namespace

Session::Session(const Library& library, const ipc::HostOrder& order, std::string purpose)
    : library_(library),
      services_(order.section, order.host_name, std::move(purpose), order.settings, library.module.keys) {}

Session::~Session() {
  if (!opened_ || library_.plugin.close == nullptr) return;
  // No watchdog here: it is the end of the process either way.
  ::alarm(kCloseSeconds);
  guarded([&] {
    library_.plugin.close(self_);
    return BATON_OK;
  });
}

template <class Body>
VerbStatus Session::guarded(Body body) {
  const auto threw = [&](const std::string& what) {
    services_.table()->say(services_.table()->context, ("the plugin threw " + what).c_str());
    return VerbStatus::kFatal;
  };
  try {
    return status_of(body());
  } catch (const abi::__forced_unwind&) {
    throw;  // the thread is being ended: that cannot be held up
  } catch (const std::exception& error) {
    return threw(error.what());
  } catch (...) {
    return threw("something that is no std::exception");
  }
}

VerbStatus Session::open() {
  if (opened_ || library_.plugin.open == nullptr) {
    opened_ = true;
    return VerbStatus::kOk;
  }
  const VerbStatus status = guarded([&] { return library_.plugin.open(services_.table(), &self_); });
  opened_ = status == VerbStatus::kOk;
  return status;
}

Verdict Session::call(const ipc::ActRequest& request) {
  Verdict verdict;
  services_.clear();
  verdict.numbers.struct_size = sizeof verdict.numbers;
  verdict.numbers.lag_ms = verdict.numbers.lag_bytes = -1;
  verdict.status = open();
  if (verdict.status == VerbStatus::kOk) {
    baton_call call{};
    call.struct_size = sizeof call;
    call.timeout_ns = request.timeout.count();
    call.deadline_ns = posix::monotonic_ns() + request.timeout.count();
    const std::string verb{verb_token(request.verb)};
    call.verb = verb.c_str();
    call.instance = request.instance.c_str();
    call.from_state = request.from_state.c_str();
    call.to_state = request.to_state.c_str();
    call.reason = request.reason.c_str();
    call.reason_words = request.reason_words.c_str();
    call.target = request.target.c_str();
    call.position = request.position.c_str();
    call.position_age_ns = request.position_age.count();
    if (request.planned) call.flags |= BATON_CALL_PLANNED;
    if (request.forced) call.flags |= BATON_CALL_FORCED;
    if (request.resumes) call.flags |= BATON_CALL_RESUMES;
    call.generation = request.generation;
    call.at_ns = request.wall_clock_ns;
    const baton_verb function = verb_functions(library_.plugin)[static_cast<std::size_t>(request.verb)];
    const bool plain_action = request.verb == PluginVerb::kEnter || request.verb == PluginVerb::kLeave;
    if (function == nullptr && plain_action) {
      // A module may have one of the two only: then there is nothing to do at the other end.
      services_.table()->say(services_.table()->context, ("nothing to do: the module has no " + verb).c_str());
    } else if (function == nullptr) {
      services_.table()->say(services_.table()->context, ("the module has no verb " + verb).c_str());
      verdict.status = VerbStatus::kConfig;
    } else {
      verdict.status = guarded([&] { return function(self_, &call, &verdict.numbers); });
    }
  }
  verdict.said = services_.said();
  if (verdict.said.position_too_long) verdict.status = VerbStatus::kGarbage;
  return verdict;
}

std::vector<config::ModuleComplaint> Session::check_settings() {
  services_.clear();
  if (library_.plugin.check_settings == nullptr) return {};
  const VerbStatus status = guarded([&] {
    library_.plugin.check_settings(services_.table());
    return BATON_OK;
  });
  std::vector<config::ModuleComplaint> complaints = services_.said().complaints;
  if (status != VerbStatus::kOk) complaints.push_back({"", services_.said().sentence});
  return complaints;
}

ipc::ProbeOutcome outcome_of(const Verdict& verdict) {
  ipc::ProbeOutcome outcome;
  outcome.status = verdict.status;
  outcome.sentence = sentence_of(verdict);
  outcome.position = verdict.said.position;
  outcome.facts = verdict.said.facts;
  const baton_result& numbers = verdict.numbers;
  if (verdict.status == VerbStatus::kGarbage) return outcome;
  if (numbers.state > BATON_STATE_FAIL || numbers.role > BATON_ROLE_REPLICA || numbers.warning > 1) {
    outcome.status = VerbStatus::kGarbage;
    outcome.sentence = "the plugin answered state " + std::to_string(numbers.state) + ", role " +
                       std::to_string(numbers.role) + ", which do not exist";
    return outcome;
  }
  outcome.state = static_cast<ProbeState>(numbers.state);
  // Who says "passes" and "did not work" at once has not said that it passes.
  if (verdict.status != VerbStatus::kOk && outcome.state == ProbeState::kPass) outcome.state = ProbeState::kUnknown;
  outcome.role = static_cast<ApplicationRole>(numbers.role);
  outcome.warning = numbers.warning == 1;
  outcome.lag_ms = numbers.lag_ms;
  outcome.lag_bytes = numbers.lag_bytes;
  outcome.generation = numbers.generation;
  return outcome;
}

ipc::ActAnswer answer_of(const Verdict& verdict) {
  ipc::ActAnswer answer;
  answer.status = verdict.status;
  answer.sentence = sentence_of(verdict);
  answer.position = verdict.said.position;
  answer.facts = verdict.said.facts;
  answer.refusals = verdict.said.refusals;
  const baton_result& numbers = verdict.numbers;
  if (numbers.role > BATON_ROLE_REPLICA) {
    answer.status = VerbStatus::kGarbage;
    answer.sentence = "the plugin answered role " + std::to_string(numbers.role) + ", which does not exist";
    return answer;
  }
  answer.role = static_cast<ApplicationRole>(numbers.role);
  answer.lag_ms = numbers.lag_ms;
  answer.lag_bytes = numbers.lag_bytes;
  answer.generation = numbers.generation;
  answer.token = numbers.token;
  answer.lease = Nanos{numbers.lease_ns};
  return answer;
}

}  // namespace baton::plugin_host
