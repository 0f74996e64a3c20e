// SPDX-License-Identifier: GPL-2.0-or-later
//
// systemd: a check of units' states; an action that starts and stops units and timers as this host becomes Active and
// ceases to be. What it starts runs under systemd, in cgroups of its own, and outlives Baton. Refuses to report a unit
// as started or stopped that systemd does not show so afterwards.
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "manager.h"
#include "plugin.hpp"
#include "unit.h"

namespace {

using baton::plugin::Call;
using baton::plugin::Host;
using baton::plugin::Result;
using baton::plugin::Status;
using baton_systemd::Manager;
using baton_systemd::Trouble;
using baton_systemd::Unit;
using Names = std::vector<std::string>;

constexpr std::size_t kMostFacts = 16;
constexpr std::size_t kLongestFactName = 31;

constexpr baton_key kKeys[] = {
    baton::plugin::key(
        "unit", BATON_KEY_TEXT,
        "A unit: the check wants it in `state`; the action starts it, in this order, when this host becomes "
        "Active, and stops it, in reverse, when it ceases to be. Without a suffix: .service",
        nullptr, BATON_KEY_LIST, "web.service"),
    baton::plugin::key("state", BATON_KEY_WORD, "Check: what each unit has to be; repeat it to accept several.",
                       "active", BATON_KEY_LIST, "active|reloading|activating|deactivating|inactive|failed"),
    baton::plugin::key(
        "sub_state", BATON_KEY_TEXT,
        "Check: and its sub-state has to be this one (running, exited, listening, waiting, ...); repeat it to "
        "accept several.",
        nullptr, BATON_KEY_LIST, "running"),
    baton::plugin::key(
        "timer", BATON_KEY_TEXT,
        "Action: a timer that runs only while this host is Active: enabled and started, stopped and disabled. "
        "Without a suffix: .timer",
        nullptr, BATON_KEY_LIST, "backup.timer"),
    baton::plugin::key(
        "standby_unit", BATON_KEY_TEXT,
        "Action: a unit that runs only while this host is not Active: stopped before all else when it becomes "
        "so, started last when it ceases to be.",
        nullptr, BATON_KEY_LIST, "replay.service"),
    baton::plugin::key("standby_timer", BATON_KEY_TEXT,
                       "Action: a timer, such as of a restore, that runs only while this host is not Active.", nullptr,
                       BATON_KEY_LIST, "restore.timer"),
    baton::plugin::key(
        "enable", BATON_KEY_WORD,
        "Action: how timers are enabled. runtime: until the next boot, so that none starts before Baton knows "
        "what this host is; persistent: in /etc; no: only started and stopped.",
        "runtime", 0, "runtime|persistent|no"),
    baton::plugin::key("stop_triggered", BATON_KEY_BOOLEAN,
                       "Action: with a timer, also stop the unit that it triggers, if that runs just now.", "yes"),
    baton::plugin::key("reset_failed", BATON_KEY_BOOLEAN,
                       "Action: forget an old failure and the count of starts before a unit is started.", "yes"),
};

Names completed(const Names& names, const std::string& suffix) {
  Names all;
  for (const std::string& name : names) all.push_back(baton_systemd::complete_name(name, suffix));
  return all;
}

Names reversed(Names names) {
  std::reverse(names.begin(), names.end());
  return names;
}

bool among(const std::string& word, const Names& words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

class Systemd {
 public:
  explicit Systemd(const Host& host)
      : host_(host),
        units_(completed(host.list("unit"), ".service")),
        timers_(completed(host.list("timer"), ".timer")),
        standby_units_(completed(host.list("standby_unit"), ".service")),
        standby_timers_(completed(host.list("standby_timer"), ".timer")),
        states_(host.list("state")),
        sub_states_(host.list("sub_state")),
        enable_(host.text("enable")),
        stop_triggered_(host.flag("stop_triggered")),
        reset_failed_(host.flag("reset_failed")) {}

  static void check_settings(const Host& host);
  Result probe(const Call& call);
  Result enter(const Call& call) { return act(call, &Systemd::become_active); }
  Result leave(const Call& call) { return act(call, &Systemd::cease); }

 private:
  /// What an act has done, for its sentence.
  struct Record {
    Names done;
    Names already;
    Names remarks;
    Names troubles;
    Status status = Status::kOk;
    std::string cause;
  };
  using Act = void (Systemd::*)(Manager&, const Call&, Record*);

  Result act(const Call& call, Act what);
  void become_active(Manager& manager, const Call& call, Record* record);
  void cease(Manager& manager, const Call& call, Record* record);
  void start(Manager& manager, const std::string& name, Record* record);
  void stop(Manager& manager, const std::string& name, std::chrono::nanoseconds reserve, Record* record);
  void stop_triggered(Manager& manager, const std::string& timer, std::chrono::nanoseconds reserve, Record* record);
  void enable(Manager& manager, const std::string& name, Record* record);
  void disable(Manager& manager, const std::string& name, Record* record);
  void warn_of_boot(const Unit& unit);
  /// Runs `step` and notes its failure instead of ending the act.
  template <class Step>
  static void attempt(Record* record, Step step);
  static Result answer(const Record& record);
  bool is_wanted(const Unit& unit) const;
  std::string unwanted_words(const Unit& unit) const;

  Host host_;
  Names units_;
  Names timers_;
  Names standby_units_;
  Names standby_timers_;
  Names states_;
  Names sub_states_;
  std::string enable_;
  bool stop_triggered_;
  bool reset_failed_;
  Names warned_;
};

void Systemd::check_settings(const Host& host) {
  Names while_active;
  Names while_standby;
  for (const char* key : {"unit", "timer", "standby_unit", "standby_timer"}) {
    const bool is_timer = std::string{key}.ends_with("timer");
    for (const std::string& given : host.list(key)) {
      const std::string name = baton_systemd::complete_name(given, is_timer ? ".timer" : ".service");
      const std::string trouble = baton_systemd::name_trouble(name);
      if (!trouble.empty()) host.complain(key, "'" + given + "' " + trouble);
      if (is_timer && !name.ends_with(".timer")) host.complain(key, name + " is no timer: write it as a unit");
      (std::string{key}.starts_with("standby") ? while_standby : while_active).push_back(name);
    }
  }
  if (while_active.empty() && while_standby.empty()) {
    host.complain(nullptr, "names no unit: write unit, timer, standby_unit or standby_timer");
  }
  for (const std::string& name : while_active) {
    if (among(name, while_standby)) host.complain("standby_unit", name + " is to run while Active, too");
    if (std::count(while_active.begin(), while_active.end(), name) > 1)
      host.complain("unit", name + " stands here twice");
  }
}

bool Systemd::is_wanted(const Unit& unit) const {
  // A service that reloads serves: systemctl is-active says so, too.
  const bool state =
      among(unit.active_state, states_) || (unit.active_state == "reloading" && among("active", states_));
  return state && (sub_states_.empty() || among(unit.sub_state, sub_states_));
}

std::string Systemd::unwanted_words(const Unit& unit) const {
  std::string wanted = baton_systemd::join(states_);
  if (!sub_states_.empty()) wanted += " (" + baton_systemd::join(sub_states_) + ")";
  const bool plain = states_.size() == 1 && states_.front() == "active" && sub_states_.empty();
  return baton_systemd::describe(unit) + (plain && unit.active_state == "failed" ? "" : "; wanted: " + wanted);
}

void add_facts(const Unit& unit, Result* result) {
  result->fact("unit", unit.name);
  result->fact("active_state", unit.active_state);
  result->fact("sub_state", unit.sub_state);
  if (unit.since_us != 0) result->fact("since", baton_systemd::time_words(unit.since_us));
  if (!unit.result.empty()) result->fact("result", unit.result);
  if (!unit.name.ends_with(".service")) return;
  if (unit.main_pid != 0) result->fact("main_pid", std::to_string(unit.main_pid));
  result->fact("restarts", std::to_string(unit.restarts));
  const std::string exit = baton_systemd::last_exit(unit);
  if (!exit.empty()) result->fact("last_exit", exit);
}

Result Systemd::probe(const Call& call) {
  if (units_.empty()) {
    return baton::plugin::failed(Status::kConfig, "there is no `unit` to check").fact("cause", "missing");
  }
  try {
    Manager manager(call);
    std::vector<Unit> units;
    std::size_t chosen = 0;  // the first that is not as wanted, else the first
    bool all_wanted = true;
    for (const std::string& name : units_) {
      units.push_back(manager.unit(name));
      const Unit& unit = units.back();
      if (unit.load_state == "not-found" && unit.is_down()) {
        throw Trouble(Status::kConfig, "missing", baton_systemd::load_trouble(unit));
      }
      if (all_wanted && !is_wanted(unit)) {
        all_wanted = false;
        chosen = units.size() - 1;
      }
    }
    const Unit& shown = units[chosen];
    const std::string trouble = all_wanted ? "" : baton_systemd::load_trouble(shown);
    std::string sentence = all_wanted        ? baton_systemd::describe(shown)
                           : trouble.empty() ? unwanted_words(shown)
                                             : trouble;
    if (all_wanted && units.size() > 1) {
      sentence = "all " + std::to_string(units.size()) + " units are as wanted: " + baton_systemd::join(units_);
    }
    Result result = all_wanted ? baton::plugin::pass(sentence) : baton::plugin::fail(sentence);
    add_facts(shown, &result);
    if (!all_wanted) result.fact("cause", trouble.empty() ? "state" : "unit");
    for (std::size_t i = 0; i < units.size() && result.facts.size() < kMostFacts; ++i) {
      if (i != chosen)
        result.fact(units[i].name.substr(0, kLongestFactName), units[i].active_state + " (" + units[i].sub_state + ")");
    }
    return result;
  } catch (const Trouble& trouble) {
    return baton::plugin::failed(trouble.status(), trouble.what()).fact("cause", trouble.cause());
  }
}

/// Time kept for the units that come after one that will not stop: each of them is at least told to.
std::chrono::nanoseconds reserve_of(const Call& call) {
  return std::min<std::chrono::nanoseconds>(call.remaining() / 5, std::chrono::seconds{2});
}

void Systemd::start(Manager& manager, const std::string& name, Record* record) {
  const Unit before = manager.unit(name);
  const std::string trouble = baton_systemd::load_trouble(before);
  if (!trouble.empty()) {
    throw Trouble(Status::kConfig, before.load_state == "not-found" ? "missing" : "unit", trouble);
  }
  warn_of_boot(before);
  if (before.is_up() && !before.job_pending) {
    record->already.push_back(name + " was running");
  } else {
    if (reset_failed_ && before.active_state == "failed") manager.reset_failed(name);
    const Unit after = manager.start(name, std::chrono::nanoseconds{0});
    record->done.push_back((after.is_up() ? "started " : "ran ") + name);
  }
  if (!name.ends_with(".target")) return;
  const Names failed = manager.failed_members(name);
  if (failed.empty()) return;
  record->remarks.push_back("but of " + name + " " + baton_systemd::join(failed) + " has failed");
  host_.log(BATON_LOG_WARNING, record->remarks.back());
}

void Systemd::stop(Manager& manager, const std::string& name, std::chrono::nanoseconds reserve, Record* record) {
  const Unit before = manager.unit(name);
  if (before.load_state == "not-found" && before.is_down()) {
    throw Trouble(Status::kConfig, "missing", baton_systemd::load_trouble(before));
  }
  warn_of_boot(before);
  if (before.is_down() && !before.job_pending) {
    record->already.push_back(name + " was not running");
    return;
  }
  const Unit after = manager.stop(name, reserve);
  record->done.push_back("stopped " + name);
  // A job that ends on systemd's SIGTERM is marked as failed, too: that is how it was told to stop.
  const bool as_told = after.result == "signal" && after.exit_status == SIGTERM;
  if (after.active_state == "failed" && !as_told) {
    record->remarks.push_back("it did not end well: " + baton_systemd::describe(after));
  }
}

/// A job that the timer has begun is as much of the role as the next one.
void Systemd::stop_triggered(Manager& manager, const std::string& timer, std::chrono::nanoseconds reserve,
                             Record* record) {
  if (!stop_triggered_) return;
  const Unit unit = manager.unit(manager.triggered_by(timer));
  if (!unit.is_down() || unit.job_pending) stop(manager, unit.name, reserve, record);
}

void Systemd::enable(Manager& manager, const std::string& name, Record* record) {
  if (enable_ == "no") return;
  const bool runtime = enable_ == "runtime";
  const auto is_enabled = [&](const std::string& state) {
    return state == "enabled" || (runtime && state == "enabled-runtime");
  };
  std::string state = manager.file_state(name);
  if (is_enabled(state)) return;
  if (state == "static" || state == "generated" || state == "transient" || state == "alias") {
    record->remarks.push_back(name + " is " + state + ", which cannot be enabled");
    return;
  }
  manager.enable(name, runtime);
  state = manager.file_state(name);
  if (!is_enabled(state)) throw Trouble(Status::kFatal, "unit", name + " is " + state + " after it was enabled");
  record->done.push_back("enabled " + name);
}

/// Both links go, whoever made them: a timer that is not to run must not come back at boot.
void Systemd::disable(Manager& manager, const std::string& name, Record* record) {
  if (enable_ == "no") return;
  const std::string before = manager.file_state(name);
  std::string state = before;
  for (int links = 0; links < 2 && (state == "enabled" || state == "enabled-runtime"); ++links) {
    manager.disable(name, state == "enabled-runtime");
    state = manager.file_state(name);
  }
  if (state == "enabled" || state == "enabled-runtime") {
    throw Trouble(Status::kFatal, "unit", name + " is still " + state + " after it was disabled");
  }
  if (state != before) record->done.push_back("disabled " + name);
}

/// Said once in the life of the process, in the log.
void Systemd::warn_of_boot(const Unit& unit) {
  if (unit.file_state != "enabled" || unit.name.ends_with(".timer") || among(unit.name, warned_)) return;
  warned_.push_back(unit.name);
  host_.log(BATON_LOG_WARNING, unit.name +
                                   " is enabled: at boot systemd starts it before Baton knows what this host is; "
                                   "`systemctl disable " +
                                   unit.name + "` leaves that to Baton");
}

template <class Step>
void Systemd::attempt(Record* record, Step step) {
  try {
    step();
  } catch (const Trouble& trouble) {
    if (record->troubles.empty()) {
      record->status = trouble.status();
      record->cause = trouble.cause();
    }
    record->troubles.emplace_back(trouble.what());
  }
}

/// In order, and no further than the first that fails: what comes later builds on what came before.
void Systemd::become_active(Manager& manager, const Call&, Record* record) {
  attempt(record, [&] {
    for (const std::string& name : reversed(standby_timers_)) {
      stop(manager, name, {}, record);
      disable(manager, name, record);
      stop_triggered(manager, name, {}, record);
    }
    for (const std::string& name : reversed(standby_units_)) stop(manager, name, {}, record);
    for (const std::string& name : units_) start(manager, name, record);
    for (const std::string& name : timers_) {
      enable(manager, name, record);
      start(manager, name, record);
    }
  });
}

/// Each unit is told to stop, whatever became of the others. What belongs to a standby starts only when all have.
void Systemd::cease(Manager& manager, const Call& call, Record* record) {
  for (const std::string& name : reversed(timers_)) {
    attempt(record, [&] { stop(manager, name, reserve_of(call), record); });
    attempt(record, [&] { disable(manager, name, record); });
    attempt(record, [&] { stop_triggered(manager, name, reserve_of(call), record); });
  }
  for (const std::string& name : reversed(units_)) {
    attempt(record, [&] { stop(manager, name, reserve_of(call), record); });
  }
  if (!record->troubles.empty()) return;
  attempt(record, [&] {
    for (const std::string& name : standby_units_) start(manager, name, record);
    for (const std::string& name : standby_timers_) {
      enable(manager, name, record);
      start(manager, name, record);
    }
  });
}

Result Systemd::answer(const Record& record) {
  Names said = record.troubles;
  if (said.empty()) {
    said = record.done.empty() ? record.already : record.done;
    said.insert(said.end(), record.remarks.begin(), record.remarks.end());
  }
  std::string sentence;
  for (const std::string& words : said) sentence += (sentence.empty() ? "" : "; ") + words;
  Result result =
      record.troubles.empty() ? baton::plugin::done(sentence) : baton::plugin::failed(record.status, sentence);
  if (!record.cause.empty()) result.fact("cause", record.cause);
  result.fact("changed", std::to_string(record.done.size()));
  if (!record.troubles.empty() && !record.done.empty()) result.fact("done", baton_systemd::join(record.done));
  return result;
}

Result Systemd::act(const Call& call, Act what) {
  Record record;
  attempt(&record, [&] {
    Manager manager(call);
    (this->*what)(manager, call, &record);
  });
  return answer(record);
}

constexpr const char* kManual =
    "As a check: every `unit` has to be in one of the wanted `state`s. As an action: at enter, standby timers and "
    "units are "
    "stopped, units started in order, timers enabled and started; at leave the reverse. Each step waits for systemd's "
    "job "
    "and reads the unit back.\n"
    "Anybody may check. To act, write `user = root`, or a polkit rule for org.freedesktop.systemd1.manage-units and, "
    "with "
    "timers, `enable = no`.";

}  // namespace

BATON_PLUGIN(Systemd, baton::plugin::About{.name = "systemd",
                                           .version = "1",
                                           .summary = "Checks, starts and stops systemd units and timers",
                                           .manual = kManual,
                                           .keys = kKeys})
