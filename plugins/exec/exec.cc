// SPDX-License-Identifier: GPL-2.0-or-later
//
// exec: a program of the administrator's as a check (exit codes as the monitoring world has them), as an action at
// enter and leave, or to be told of transitions. argv, never a shell. Refuses relative paths and words that only a
// shell obeys.
#include <sysexits.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <string>
#include <utility>
#include <vector>

#include "common/command.h"
#include "common/words.h"
#include "performance_data.h"
#include "plugin.hpp"
#include "transient_unit.h"

namespace {

using baton::plugin::Call;
using baton::plugin::Command;
using baton::plugin::CommandEnd;
using baton::plugin::CommandResult;
using baton::plugin::Host;
using baton::plugin::Result;
using baton::plugin::Status;

constexpr std::array<const char*, 4> kCommandKeys{"command", "enter_command", "leave_command", "notify_command"};
constexpr std::size_t kMostValues = 12;  // of 16 facts

constexpr baton_key kKeys[] = {
    baton::plugin::key(
        "command", BATON_KEY_TEXT,
        "Check: the program and its arguments. Exit code 0 passes, 1 passes with a warning, 2 fails, all "
        "else is unknown.",
        nullptr, 0, "/path/to/program 'argument one' two"),
    baton::plugin::key("enter_command", BATON_KEY_TEXT, "Action: run when this host becomes Active.", nullptr, 0,
                       "/path/to/program start"),
    baton::plugin::key("leave_command", BATON_KEY_TEXT, "Action: run when this host ceases to be Active.", nullptr, 0,
                       "/path/to/program stop"),
    baton::plugin::key("notify_command", BATON_KEY_TEXT, "Run at each transition; nothing waits for it.", nullptr, 0,
                       "/path/to/program"),
    baton::plugin::key("environment", BATON_KEY_TEXT, "A variable for the program, beside PATH, LANG and BATON_....",
                       nullptr, BATON_KEY_LIST, "NAME=VALUE"),
    baton::plugin::key("directory", BATON_KEY_PATH, "Where the program is started.", "/"),
    baton::plugin::key("transient_unit", BATON_KEY_WORD,
                       "Whether enter_command and leave_command run as transient units of systemd, so that what they "
                       "start outlives Baton. auto: if systemd runs this machine.",
                       "auto", 0, "auto|yes|no"),
};

/// What is wrong with an entry of `environment`; "" if nothing.
std::string environment_trouble(const std::string& entry) {
  const std::string name = entry.substr(0, entry.find('='));
  if (name.size() == entry.size()) return "'" + entry + "' is not NAME=VALUE";
  const auto is_part = [](unsigned char letter) { return std::isalnum(letter) != 0 || letter == '_'; };
  const bool good = !name.empty() && std::isdigit(static_cast<unsigned char>(name.front())) == 0 &&
                    std::all_of(name.begin(), name.end(), is_part);
  if (!good) return "'" + name + "' is no name of a variable";
  if (name.starts_with("BATON_")) return name + ": names that begin with BATON_ are Baton's";
  return {};
}

class Exec {
 public:
  explicit Exec(const Host& host)
      : host_(host),
        environment_(host.list("environment")),
        directory_(host.text("directory")),
        transient_unit_(host.text("transient_unit")) {
    for (std::size_t i = 0; i < kCommandKeys.size(); ++i) {
      if (host.has(kCommandKeys[i])) words_[i] = baton::plugin::split_command(host.text(kCommandKeys[i])).words;
    }
  }

  static void check_settings(const Host& host);
  Result probe(const Call& call);
  Result enter(const Call& call) { return act(call, 1, 2); }
  Result leave(const Call& call) { return act(call, 2, 1); }
  Result notify(const Call& call) { return act(call, 3, 3); }

 private:
  Command command(const Call& call, std::size_t key) const;
  Result act(const Call& call, std::size_t key, std::size_t counterpart);
  bool wants_unit(const Call& call) const {
    if (call.verb() == "notify" || transient_unit_ == "no") return false;
    return transient_unit_ == "yes" || baton_exec::systemd_runs();
  }

  Host host_;
  std::array<std::vector<std::string>, kCommandKeys.size()> words_;
  std::vector<std::string> environment_;
  std::string directory_;
  std::string transient_unit_;
};

void Exec::check_settings(const Host& host) {
  bool any = false;
  for (const char* key : kCommandKeys) {
    if (!host.has(key)) continue;
    any = true;
    const std::string error = baton::plugin::split_command(host.text(key)).error;
    if (!error.empty()) host.complain(key, error);
  }
  if (!any) host.complain(nullptr, "names no program: write command, enter_command, leave_command or notify_command");
  for (const std::string& entry : host.list("environment")) {
    const std::string trouble = environment_trouble(entry);
    if (!trouble.empty()) host.complain("environment", trouble);
  }
}

Command Exec::command(const Call& call, std::size_t key) const {
  Command command{.argv = words_[key], .environment = environment_, .directory = directory_};
  const std::array<std::pair<const char*, std::string>, 9> about{{{"BATON_SECTION", host_.section()},
                                                                  {"BATON_HOST", host_.host_name()},
                                                                  {"BATON_VERB", call.verb()},
                                                                  {"BATON_INSTANCE", call.instance()},
                                                                  {"BATON_FROM", call.from_state()},
                                                                  {"BATON_TO", call.to_state()},
                                                                  {"BATON_REASON", call.reason()},
                                                                  {"BATON_REASON_WORDS", call.reason_words()},
                                                                  {"BATON_AT_NS", std::to_string(call.at_ns())}}};
  for (const auto& [name, value] : about) command.environment.push_back(std::string{name} + "=" + value);
  return command;
}

/// What the program said, else how it ended.
std::string sentence_of(const std::string& program, const CommandResult& result, const std::string& said) {
  if (result.end == CommandEnd::kNotStarted) return "could not be started: " + result.start_trouble;
  if (result.end != CommandEnd::kExited) return program + " " + result.end_words() + (said.empty() ? "" : ": " + said);
  if (result.exit_code < 0 || result.exit_code > 3) {
    return program + " " + result.end_words() + (said.empty() ? "" : ": " + said);
  }
  return said.empty() ? program + " " + result.end_words() + " and said nothing" : said;
}

Result Exec::probe(const Call& call) {
  const std::vector<std::string>& words = words_[0];
  if (words.empty()) {
    return baton::plugin::failed(Status::kConfig, "there is no `command` to check with").fact("cause", "missing");
  }
  const CommandResult run = baton::plugin::run_command(command(call, 0), baton::plugin::command_limits(call));
  const baton_exec::Spoken spoken = baton_exec::split_performance_data(run.first_line());
  Result result = baton::plugin::unknown(sentence_of(words.front(), run, spoken.sentence));
  if (run.end == CommandEnd::kExited) {
    if (run.exit_code == 0 || run.exit_code == 1) result.state = baton::plugin::State::kPass;
    if (run.exit_code == 2) result.state = baton::plugin::State::kFail;
    result.warning = run.exit_code == 1;
    result.fact("exit_code", std::to_string(run.exit_code));
  } else {
    result.status = run.end == CommandEnd::kSignalled ? Status::kTransient : run.status();
  }
  if (run.end == CommandEnd::kSignalled) result.fact("signal", std::to_string(run.signal));
  if (result.state != baton::plugin::State::kPass) result.fact("cause", run.cause());
  for (std::size_t i = 0; i < spoken.values.size() && i < kMostValues; ++i) {
    result.fact(spoken.values[i].first, spoken.values[i].second);
  }
  return result;
}

/// The exit code of an act as a typed result, by sysexits.h.
Status act_status(const CommandResult& run) {
  if (run.end != CommandEnd::kExited) return run.status();
  switch (run.exit_code) {
    case 0: return Status::kOk;
    case EX_TEMPFAIL: return Status::kTransient;
    case EX_NOPERM:
    case EX_CONFIG: return Status::kConfig;
    default: return Status::kFatal;
  }
}

/// systemd-run could not do its part.
Result refused_by_systemd(const std::string& said) {
  if (said.starts_with("Failed to find executable")) {
    return baton::plugin::failed(Status::kConfig, said).fact("cause", "missing");
  }
  return baton::plugin::failed(Status::kConfig,
                               said +
                                   "; give the user the polkit action org.freedesktop.systemd1.manage-units, or write "
                                   "`user = root` or `transient_unit = no`")
      .fact("cause", "permission");
}

Result Exec::act(const Call& call, std::size_t key, std::size_t counterpart) {
  const std::vector<std::string>& words = words_[key];
  if (words.empty() && !words_[counterpart].empty()) {
    return baton::plugin::done(std::string{"nothing to run: there is no "} + kCommandKeys[key]);
  }
  if (words.empty()) {
    return baton::plugin::failed(Status::kConfig, std::string{"there is no `"} + kCommandKeys[key] + "` to run")
        .fact("cause", "missing");
  }
  Command wanted = command(call, key);
  const baton::plugin::CommandLimits limits = baton::plugin::command_limits(call);
  const bool as_unit = wants_unit(call);
  const std::string unit = baton_exec::unit_name(host_.section(), call.verb());
  if (as_unit) wanted = baton_exec::as_transient_unit(wanted, unit, limits);
  const CommandResult run = baton::plugin::run_command(wanted, limits);
  const std::string refusal = as_unit ? baton_exec::refusal_of_systemd(run) : "";
  if (!refusal.empty()) return refused_by_systemd(refusal);
  const std::string said = run.first_line();
  Result result = baton::plugin::failed(act_status(run), said);
  if (result.status != Status::kOk || said.empty()) {
    const bool started = run.end != CommandEnd::kNotStarted;
    result.sentence = (started ? words.front() + " " : "") + run.end_words() + (said.empty() ? "" : ": " + said);
  }
  if (result.status != Status::kOk) result.fact("cause", run.cause());
  if (run.end == CommandEnd::kExited) result.fact("exit_code", std::to_string(run.exit_code));
  if (as_unit) result.fact("unit", unit);
  return result;
}

constexpr const char* kManual =
    "As a check, `command` is run each time; its first line of output, up to a |, is the sentence, performance data "
    "after "
    "the | become facts. As an action, enter_command and leave_command are run; exit code 0 is done, 75 may work "
    "later, "
    "77 and 78 want a person, all else has failed for good. notify_command hears of transitions.\n"
    "There is no shell: blanks separate arguments, quotes and backslashes keep them together, nothing is expanded. The "
    "program learns of the matter by BATON_VERB, BATON_INSTANCE, BATON_FROM, BATON_TO, BATON_REASON, "
    "BATON_REASON_WORDS, BATON_AT_NS (nanoseconds since 1970), "
    "BATON_HOST and BATON_SECTION.\n"
    "What an action starts outlives Baton only in a transient unit of systemd; without systemd it ends with the "
    "command.";

}  // namespace

BATON_PLUGIN(Exec, baton::plugin::About{.name = "exec",
                                        .version = "1",
                                        .summary = "Runs a program as a check, an action or to tell of transitions",
                                        .manual = kManual,
                                        .keys = kKeys})
