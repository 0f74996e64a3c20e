// run --while: a command that runs only while this host has the wanted role of an instance. Asks the daemon twice a
// second; what it cannot be sure of counts as lost.
#include <cstdio>

#include "cli/guarded_job.h"
#include "cli/output.h"
#include "cli/render.h"
#include "cli/verbs.h"
#include "posix/clock.h"

namespace baton::cli {
namespace {

using namespace std::chrono_literals;
using steward::ExitCode;

constexpr Nanos kBetween = 500ms;  // two questions
constexpr Nanos kPatience = 2s;    // for one answer
/// A steward that is started again is there within this; what was true before it is believed no longer.
constexpr Nanos kSilence = 5s;

enum class Standing : std::uint8_t { kHeld, kNotHeld, kUnknown };

struct Answer {
  Standing standing = Standing::kUnknown;
  std::string words;  ///< "pg is backup here"
  Trouble trouble = {};
};

/// The part of the status that is the instance's; nullopt: none that could be relied upon.
Expected<Json, Trouble> ask_instance(const Options& options, const std::string& instance) {
  auto connection = Connection::open(options.runtime_dir);
  if (!connection) return Unexpected<Trouble>{connection.error()};
  auto answer = connection->ask({{"verb", "status"}, {"instance", instance}}, kPatience);
  if (!answer) return answer;
  if (!is_true(*answer, "ok")) {
    return Unexpected<Trouble>{Trouble{static_cast<ExitCode>(number_of(*answer, "exit")), text_of(*answer, "error")}};
  }
  const Json result = answer->value("result", Json::object());
  const std::string engine = text_of(result, "engine");
  if (engine != "running") {
    return Unexpected<Trouble>{Trouble{ExitCode::kFailed, "the engine is not running: " + engine}};
  }
  for (const Json& one : list_of(result, "instances")) {
    if (text_of(one, "name") == instance) return one;
  }
  return Unexpected<Trouble>{Trouble{ExitCode::kFailed, "no instance or group '" + instance + "'"}};
}

/// Active is who has the addresses, too: before that nothing else may rely on the role. `running`: the job does, and
/// addresses that are put back meanwhile do not end it.
bool is_held(const Json& instance, const std::string& wanted, bool running) {
  if (text_of(instance, "role") != wanted) return false;
  if (wanted != "active") return true;
  const std::string holding = text_of(instance, "holding");
  return holding == "held" || (running && holding == "installing");
}

Answer look(const Options& options, const RunArguments& arguments, bool running) {
  const auto instance = ask_instance(options, arguments.instance);
  if (!instance) return {Standing::kUnknown, "", instance.error()};
  const bool held = is_held(*instance, arguments.role, running);
  std::string words = arguments.instance + " is " + text_of(*instance, "role") + " here";
  if (!held && text_of(*instance, "role") == arguments.role) words += ", without its addresses";
  return {held ? Standing::kHeld : Standing::kNotHeld, std::move(words)};
}

struct Ending {
  std::string why;  ///< "ended", "role", "daemon", "signal", "not_held"
  int exit = 0;
  std::string words;
  int job_status = -1;  ///< -1: it did not run
};

int report(const Options& options, const Ending& ending) {
  if (!ending.words.empty()) std::fprintf(stderr, "batonctl: %s\n", ending.words.c_str());
  if (options.json) {
    Json document{{"ok", ending.exit == 0}, {"exit", ending.exit}, {"why", ending.why}};
    document["command_exit"] = ending.job_status < 0 ? Json(nullptr) : Json(ending.job_status);
    if (!ending.words.empty()) document["error"] = ending.words;
    print_json(document);
  }
  return ending.exit;
}

class Guard {
 public:
  Guard(const Options& options, const RunArguments& arguments, GuardedJob job, posix::Fd signals)
      : options_(options), arguments_(arguments), job_(std::move(job)), signals_(std::move(signals)) {}

  Ending run() {
    heard_ = posix::now();
    for (;;) {
      if (job_.wait(signals_.get(), kBetween)) return ended();
      if (const auto number = posix::next_signal(signals_.get())) {
        return stopped("signal", 128 + *number, "stopped by signal " + std::to_string(*number));
      }
      const Answer answer = look(options_, arguments_, /*running=*/true);
      const Instant now = posix::now();
      if (answer.standing == Standing::kHeld) heard_ = now;
      if (answer.standing == Standing::kNotHeld) {
        return stopped("role", static_cast<int>(ExitCode::kRefused), "stopped: " + answer.words);
      }
      if (now - heard_ >= kSilence) {
        return stopped("daemon", static_cast<int>(ExitCode::kNoDaemon), "stopped: " + answer.trouble.text);
      }
    }
  }

 private:
  Ending ended() {
    const int status = job_.exit_status();
    job_.stop(arguments_.grace);  // what it left in its group would run on without a guard
    return {"ended", status, "", status};
  }

  Ending stopped(std::string why, int exit, std::string words) {
    job_.stop(arguments_.grace);
    return {std::move(why), exit, std::move(words), job_.exit_status()};
  }

  const Options& options_;
  const RunArguments& arguments_;
  GuardedJob job_;
  posix::Fd signals_;
  Instant heard_{};
};

}  // namespace

int run_while(const Options& options, const RunArguments& arguments) {
  const Answer before = look(options, arguments, /*running=*/false);
  if (before.standing == Standing::kUnknown) return report_trouble(before.trouble, options);
  if (before.standing == Standing::kNotHeld) {
    const bool refused = arguments.must_run;
    return report(options, {"not_held", refused ? static_cast<int>(ExitCode::kRefused) : 0,
                            refused ? "not run: " + before.words : "", -1});
  }
  auto signals = posix::signal_fd({SIGTERM, SIGINT, SIGHUP, SIGQUIT});
  if (!signals) return report_trouble({ExitCode::kFailed, signals.error().message()}, options);
  auto job =
      GuardedJob::start(arguments.command, {{"BATON_INSTANCE", arguments.instance}, {"BATON_ROLE", arguments.role}});
  if (!job) return report_trouble({ExitCode::kFailed, job.error().message()}, options);
  return report(options, Guard{options, arguments, std::move(*job), std::move(*signals)}.run());
}

}  // namespace baton::cli
