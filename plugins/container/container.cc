// SPDX-License-Identifier: GPL-2.0-or-later
//
// container: a check that containers run and are healthy; an action that starts and stops them as this host becomes
// Active and ceases to be. They are the engine's children and outlive Baton. Refuses to create, pull or remove
// anything, and to call a container started or stopped that the engine does not show so afterwards.
#include <poll.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine.h"
#include "plugin.hpp"

namespace {

using baton::plugin::Call;
using baton::plugin::Host;
using baton::plugin::Result;
using baton::plugin::Status;
using baton_container::Container;
using baton_container::Engine;
using baton_container::Trouble;
using Names = std::vector<std::string>;

constexpr std::size_t kMostFacts = 16;
constexpr std::size_t kLongestFactName = 31;
constexpr int kLookAgainMs = 100;
constexpr std::int64_t kSecond = 1'000'000'000;

constexpr baton_key kKeys[] = {
    baton::plugin::key("container", BATON_KEY_TEXT,
                       "Name or id of a container; repeat it for several: started in this order, stopped in reverse.",
                       nullptr, BATON_KEY_REQUIRED | BATON_KEY_LIST, "web"),
    baton::plugin::key("socket", BATON_KEY_PATH,
                       "The engine's unix socket. Without it the first that is there of /var/run/docker.sock and "
                       "/run/podman/podman.sock."),
    baton::plugin::key(
        "require_health", BATON_KEY_WORD,
        "auto: a container that has a health check has to be healthy; yes: each has to have one; no: to run is "
        "enough.",
        "auto", 0, "auto|yes|no"),
    baton::plugin::key("while_starting", BATON_KEY_WORD,
                       "Check: what a container is whose health check has not yet said anything.", "fail", 0,
                       "fail|pass"),
    baton::plugin::key("wait_healthy", BATON_KEY_BOOLEAN,
                       "Action: enter waits until what has to be healthy is so; no: until it runs.", "yes"),
    baton::plugin::key("at_leave", BATON_KEY_WORD, "Action: what becomes of the containers at leave.", "stop", 0,
                       "stop|nothing"),
    baton::plugin::key(
        "stop_timeout", BATON_KEY_DURATION,
        "Action: how long a container may take to stop before the engine kills it, in whole seconds. Without it: "
        "the container's own, mostly 10s.",
        nullptr, 0, nullptr, 0, 3600 * kSecond),
};

class ContainerPlugin {
 public:
  explicit ContainerPlugin(const Host& host)
      : host_(host),
        names_(host.list("container")),
        socket_(host.text("socket")),
        require_health_(host.text("require_health")),
        pass_while_starting_(host.text("while_starting") == "pass"),
        wait_healthy_(host.flag("wait_healthy")),
        stop_at_leave_(host.text("at_leave") == "stop") {
    if (host.has("stop_timeout")) stop_timeout_ = host.duration("stop_timeout");
  }

  static void check_settings(const Host& host);
  Result probe(const Call& call);
  Result enter(const Call& call);
  Result leave(const Call& call);

 private:
  /// What one container is worth: nothing to say means it is as it has to be.
  struct Verdict {
    std::string cause;  // empty: as it should be
    std::string sentence;
  };
  struct Record {
    Names done;
    Names already;
    Names troubles;
    Status status = Status::kOk;
    std::string cause;
  };

  Verdict judge(const Container& container) const;
  Verdict judge_health(const Container& container) const;
  void ensure_running(Engine& engine, const Call& call, const std::string& name, Record* record);
  void await(Engine& engine, const Call& call, const std::string& name);
  void ensure_stopped(Engine& engine, const Call& call, const std::string& name, Record* record);
  void warn_of_boot(const Container& container);
  template <class Step>
  static void attempt(Record* record, Step step);
  static Result answer(const Record& record);

  Host host_;
  baton::plugin::http::Client client_;
  Names names_;
  std::string socket_;
  std::string require_health_;
  bool pass_while_starting_;
  bool wait_healthy_;
  bool stop_at_leave_;
  std::optional<std::chrono::nanoseconds> stop_timeout_;
  Names warned_;
};

void ContainerPlugin::check_settings(const Host& host) {
  constexpr std::string_view kAllowed = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_.-";
  Names seen;
  for (const std::string& name : host.list("container")) {
    const std::size_t bad = name.find_first_not_of(kAllowed);
    if (name.empty()) host.complain("container", "is empty");
    if (bad != std::string::npos) {
      host.complain("container", "'" + name + "' has a '" + name[bad] + "', which no container's name has");
    }
    if (std::find(seen.begin(), seen.end(), name) != seen.end())
      host.complain("container", name + " stands here twice");
    seen.push_back(name);
  }
  if (host.has("stop_timeout") && host.number("stop_timeout") % kSecond != 0) {
    host.complain("stop_timeout", "has to be whole seconds: the engine counts no finer");
  }
}

std::string since(const std::string& time) {
  // "2026-11-21T09:52:28.012824092Z": to the second is enough for people.
  if (time.size() < 19 || time[10] != 'T') return "";
  const std::string zone = time.ends_with('Z') ? " UTC" : "";
  return " since " + time.substr(0, 10) + " " + time.substr(11, 8) + zone;
}

std::string ended_words(const Container& container) {
  std::string words = container.name + " is " + container.status + since(container.finished_at);
  if (container.finished_at.empty()) {
    words += ": it was never started";
  } else {
    words += ": exit code " + std::to_string(container.exit_code);
    if (container.exit_code > 128 && container.exit_code <= 192) {
      words += " (ended by signal " + std::to_string(container.exit_code - 128) + ")";
    }
  }
  if (container.out_of_memory) words += ", killed for want of memory";
  if (!container.error.empty()) words += ", " + container.error.substr(0, 100);
  return words;
}

ContainerPlugin::Verdict ContainerPlugin::judge(const Container& container) const {
  if (container.is_running()) return judge_health(container);
  if (container.status == "paused") return {"paused", container.name + " is paused: its processes are frozen"};
  if (container.status == "restarting") {
    return {"restarting", container.name + " is being restarted by the engine (" + std::to_string(container.restarts) +
                              " times so far): exit code " + std::to_string(container.exit_code)};
  }
  return {"not_running", ended_words(container)};
}

ContainerPlugin::Verdict ContainerPlugin::judge_health(const Container& container) const {
  const std::string runs = container.name + " runs" + since(container.started_at);
  if (require_health_ == "no") return {"", runs};
  if (container.health.empty()) {
    if (require_health_ == "auto") return {"", runs};
    return {"no_health_check",
            container.name + " runs, but has no health check, and `require_health = yes` asks for one"};
  }
  if (container.health == "healthy") return {"", container.name + " runs and is healthy" + since(container.started_at)};
  if (container.health == "starting") {
    const std::string words =
        container.name + " runs, but its health check has not passed yet" + since(container.started_at);
    return {pass_while_starting_ ? "" : "starting", words};
  }
  std::string words = container.name + " runs, but is " + container.health;
  if (container.failing_streak > 0) {
    words += ": " + std::to_string(container.failing_streak) +
             " health checks failed in a row, the last with exit code " + std::to_string(container.health_exit);
  }
  if (!container.health_output.empty()) words += ": " + container.health_output;
  return {"unhealthy", words};
}

void add_facts(const Container& container, const Engine& engine, Result* result) {
  result->fact("container", container.name);
  result->fact("status", container.status);
  if (!container.health.empty()) result->fact("health", container.health);
  result->fact("image", container.image);
  if (!container.started_at.empty()) result->fact("started_at", container.started_at);
  if (!container.is_alive()) result->fact("exit_code", std::to_string(container.exit_code));
  result->fact("restarts", std::to_string(container.restarts));
  result->fact("socket", engine.socket());
}

Result ContainerPlugin::probe(const Call& call) {
  try {
    Engine engine(&client_, socket_, call);
    std::vector<Container> containers;
    std::vector<Verdict> verdicts;
    std::size_t chosen = 0;  // the first that is not as it should be, else the first
    for (const std::string& name : names_) {
      const std::optional<Container> container = engine.inspect(name);
      if (!container) {
        return baton::plugin::fail("there is no container " + name + " at " + engine.socket())
            .fact("cause", "missing")
            .fact("container", name)
            .fact("socket", engine.socket());
      }
      containers.push_back(*container);
      verdicts.push_back(judge(*container));
      if (verdicts[chosen].cause.empty() && !verdicts.back().cause.empty()) chosen = verdicts.size() - 1;
    }
    const Verdict& verdict = verdicts.at(chosen);
    const bool passes = verdict.cause.empty();
    std::string sentence = verdict.sentence;
    if (passes && names_.size() > 1) sentence = "all " + std::to_string(names_.size()) + " containers run: " + sentence;
    Result result = passes ? baton::plugin::pass(sentence) : baton::plugin::fail(sentence);
    add_facts(containers[chosen], engine, &result);
    if (!passes) result.fact("cause", verdict.cause);
    for (std::size_t i = 0; i < containers.size() && result.facts.size() < kMostFacts; ++i) {
      const Container& other = containers[i];
      if (i == chosen) continue;
      result.fact(other.name.substr(0, kLongestFactName),
                  other.status + (other.health.empty() ? "" : " (" + other.health + ")"));
    }
    return result;
  } catch (const Trouble& trouble) {
    return baton::plugin::failed(trouble.status(), trouble.what()).fact("cause", trouble.cause());
  }
}

/// Said once in the life of the process, in the log.
void ContainerPlugin::warn_of_boot(const Container& container) {
  const bool at_boot = container.restart_policy == "always" || container.restart_policy == "unless-stopped";
  if (!stop_at_leave_ || !at_boot) return;
  if (std::find(warned_.begin(), warned_.end(), container.name) != warned_.end()) return;
  warned_.push_back(container.name);
  host_.log(BATON_LOG_WARNING, container.name + " has restart policy " + container.restart_policy +
                                   ": at boot the engine may start it before Baton knows what this host is; "
                                   "`docker update --restart=on-failure " +
                                   container.name + "` leaves that to Baton");
}

void ContainerPlugin::ensure_running(Engine& engine, const Call& call, const std::string& name, Record* record) {
  const std::optional<Container> before = engine.inspect(name);
  if (!before) {
    throw Trouble(
        Status::kConfig, "missing",
        "there is no container " + name + " at " + engine.socket() + ": create it; Baton only starts what there is");
  }
  warn_of_boot(*before);
  if (before->is_running()) {
    record->already.push_back(name + " was running");
  } else if (before->status == "paused") {
    engine.unpause(name);
    record->done.push_back("unpaused " + name);
  } else {
    engine.start(name);
    record->done.push_back("started " + name);
  }
  await(engine, call, name);
}

/// Until the container runs and, if asked for, is healthy.
void ContainerPlugin::await(Engine& engine, const Call& call, const std::string& name) {
  std::string last = "is not running";
  while (true) {
    const std::optional<Container> now = engine.inspect(name);
    if (!now) throw Trouble(Status::kTransient, "missing", "container " + name + " was removed while it started");
    if (!now->is_alive()) {
      throw Trouble(Status::kTransient, "not_running", "it ended at once: " + ended_words(*now));
    }
    if (now->is_running()) {
      const Verdict verdict = judge_health(*now);
      // docker calls what was paused unhealthy until it has checked once more: no check has failed then.
      const bool unchecked = now->health == "starting" || (now->health == "unhealthy" && now->failing_streak == 0);
      const bool starts = unchecked && require_health_ != "no";
      if (!wait_healthy_ || (verdict.cause.empty() && !starts)) return;
      if (!starts) {
        const bool lasting = verdict.cause == "no_health_check";
        throw Trouble(lasting ? Status::kConfig : Status::kTransient, verdict.cause, verdict.sentence);
      }
      last = verdict.sentence;
    } else {
      last = name + " is " + now->status;
    }
    if (call.remaining() <= std::chrono::milliseconds{2 * kLookAgainMs}) {
      throw Trouble(Status::kTransient, "timeout", "time is over: " + last);
    }
    ::poll(nullptr, 0, kLookAgainMs);
  }
}

/// Time kept for the containers that come after one that will not stop: each of them is at least told to.
std::chrono::nanoseconds reserve_of(const Call& call) {
  return std::min<std::chrono::nanoseconds>(call.remaining() / 5, std::chrono::seconds{2});
}

void ContainerPlugin::ensure_stopped(Engine& engine, const Call& call, const std::string& name, Record* record) {
  const std::optional<Container> before = engine.inspect(name);
  if (!before) {
    record->already.push_back("there is no container " + name);
    return;
  }
  warn_of_boot(*before);
  if (!before->is_alive()) {
    record->already.push_back(name + " was not running");
    return;
  }
  // A frozen process cannot obey, and podman refuses to stop it.
  if (before->status == "paused") engine.unpause(name);
  engine.stop(name, stop_timeout_, reserve_of(call));
  const std::optional<Container> after = engine.inspect(name);
  if (after && after->is_alive()) {
    throw Trouble(Status::kTransient, "engine",
                  "the engine said that it stopped " + name + ", but it is " + after->status);
  }
  record->done.push_back("stopped " + name);
}

template <class Step>
void ContainerPlugin::attempt(Record* record, Step step) {
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

std::string listed(const Names& words) {
  std::string all;
  for (const std::string& word : words) all += (all.empty() ? "" : "; ") + word;
  return all;
}

Result ContainerPlugin::answer(const Record& record) {
  const bool good = record.troubles.empty();
  const std::string sentence = listed(!good ? record.troubles : record.done.empty() ? record.already : record.done);
  Result result = good ? baton::plugin::done(sentence) : baton::plugin::failed(record.status, sentence);
  if (!record.cause.empty()) result.fact("cause", record.cause);
  result.fact("changed", std::to_string(record.done.size()));
  if (!good && !record.done.empty()) result.fact("done", listed(record.done));
  return result;
}

/// In order, and no further than the first that fails.
Result ContainerPlugin::enter(const Call& call) {
  Record record;
  attempt(&record, [&] {
    Engine engine(&client_, socket_, call);
    for (const std::string& name : names_) ensure_running(engine, call, name, &record);
  });
  return answer(record);
}

/// In reverse, each whatever became of the others.
Result ContainerPlugin::leave(const Call& call) {
  if (!stop_at_leave_) return baton::plugin::done("left as they are").fact("changed", "0");
  Record record;
  attempt(&record, [&] {
    Engine engine(&client_, socket_, call);
    for (auto name = names_.rbegin(); name != names_.rend(); ++name) {
      attempt(&record, [&] { ensure_stopped(engine, call, *name, &record); });
    }
  });
  return answer(record);
}

constexpr const char* kManual =
    "As a check: every `container` has to run and, if it has a health check, to be healthy. As an action: enter starts "
    "what "
    "is stopped and resumes what is paused, and waits until it is healthy; leave stops it. Speaks docker's HTTP API, "
    "which "
    "podman answers as well, on the engine's unix socket; creates, pulls and removes nothing.\n"
    "Whoever may write to that socket is as good as root: `user = root`, or the socket's group.";

}  // namespace

BATON_PLUGIN(ContainerPlugin,
             baton::plugin::About{.name = "container",
                                  .version = "1",
                                  .summary = "Checks, starts and stops containers of docker and podman",
                                  .manual = kManual,
                                  .keys = kKeys})
