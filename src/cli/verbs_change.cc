// The verbs that change something: through the steward, all but cleanup.
#include <fcntl.h>

#include <cerrno>

#include "cli/config_json.h"
#include "cli/output.h"
#include "cli/render.h"
#include "cli/verbs.h"
#include "linux/cleanup.h"
#include "posix/clock.h"
#include "posix/event_loop.h"
#include "posix/unix_socket.h"
#include "steward/format.h"

namespace baton::cli {
namespace {

using namespace std::chrono_literals;
using steward::ExitCode;

constexpr Nanos kCommandPatience = 10s;
constexpr Nanos kLockPatience = 1s;     // a daemon just killed holds its lock until its last thread is gone
constexpr Nanos kMovePatience = 16min;  // the steward gives up after 15 minutes and says so
constexpr Nanos kReexecPatience = 70s;  // the steward gives up after 60 s and says so
constexpr Nanos kReloadPatience = 40s;  // the steward gives up after 30 s and says so

Expected<Json, Trouble> ask_once(const Options& options, const Json& request, Nanos patience) {
  auto connection = Connection::open(options.runtime_dir);
  if (!connection) return Unexpected<Trouble>{connection.error()};
  return connection->ask(request, patience);
}

/// The daemon's own lock: while it is held none can start.
Result<posix::Fd> daemon_lock() {
  auto pause = posix::EventLoop::create();
  if (!pause) return Unexpected<Error>{pause.error()};
  const Instant deadline = posix::now() + kLockPatience;
  while (true) {
    auto lock = posix::bind_abstract("baton");
    const bool held = !lock && lock.error().sys_errno == EADDRINUSE;
    if (!held || posix::now() > deadline) return lock;
    if (auto waited = pause->wait(posix::now() + 20ms); !waited) return Unexpected<Error>{waited.error()};
  }
}

/// A command to the engine: its lines are what it did, or would do.
int command(const Options& options, const Json& request, Nanos patience = kCommandPatience) {
  const auto answer = ask_once(options, request, patience);
  if (!answer) return report_trouble(answer.error(), options);
  const Json result = answer->value("result", Json::object());
  if (!is_true(*answer, "ok")) {
    std::string looked_at;
    for (const Json& line : list_of(result, "preflight")) {
      if (line.is_string()) looked_at += line.get<std::string>() + "\n";
    }
    return report_refusal(*answer, looked_at, options);
  }
  if (options.json) {
    print_json(result);
    return 0;
  }
  for (const Json& line : list_of(result, "lines")) {
    if (line.is_string()) print(line.get<std::string>() + "\n");
  }
  if (list_of(result, "lines").empty()) print("done\n");
  return 0;
}

std::string reload_text(const Json& result, const Options& options) {
  std::string text = config::render_all(diagnostics_from(list_of(result, "diagnostics")), {.colour = options.colour});
  const std::string changes = config::render_diff(diff_from(list_of(result, "diff")));
  if (is_true(result, "valid")) text += changes.empty() ? "no difference\n" : changes;
  return text;
}

}  // namespace

int switchover(const Options& options, const std::string& instance, const std::string& to, bool dry_run) {
  Json request{{"verb", "switchover"}, {"dry_run", dry_run}};
  if (!instance.empty()) request["instance"] = instance;
  if (!to.empty()) request["to"] = to;
  return command(options, request, kMovePatience);
}

int forgive(const Options& options, const std::string& instance, bool accepts_loss) {
  if (!accepts_loss) {
    return report_trouble({ExitCode::kUsage, "forgive lets this host's data count again as it is: say --i-accept-loss"},
                          options);
  }
  return command(options, {{"verb", "forgive"}, {"instance", instance}});
}

int failover(const Options& options, const std::string& instance, bool force, bool dry_run) {
  if (!force && !dry_run) {
    return report_trouble({ExitCode::kUsage,
                           "failover promotes this host without the other's consent: what had not reached it is lost; "
                           "say --force, or use switchover"},
                          options);
  }
  return command(options, {{"verb", "failover"}, {"instance", instance}, {"dry_run", dry_run}});
}

int freeze(const Options& options, Nanos duration) {
  return command(options, {{"verb", "freeze"}, {"for_ms", duration / 1ms}});
}

int plain_command(const Options& options, const std::string& verb) { return command(options, {{"verb", verb}}); }

int reload(const Options& options, bool dry_run, Nanos confirm_within) {
  Json request{{"verb", "reload"}, {"dry_run", dry_run}};
  if (confirm_within > Nanos{0}) request["confirm_within_ms"] = confirm_within / 1ms;
  const auto answer = ask_once(options, request, kReloadPatience);
  if (!answer) return report_trouble(answer.error(), options);
  const Json result = answer->value("result", Json::object());
  if (!is_true(*answer, "ok")) return report_refusal(*answer, reload_text(result, options), options);
  if (options.json) {
    print_json(result);
    return 0;
  }
  std::string text = reload_text(result, options) + (is_true(result, "applied") ? "applied\n" : "not applied\n");
  if (result.contains("confirm_within_ms")) {
    const std::string within =
        steward::coarse_duration(static_cast<std::int64_t>(number_of(result, "confirm_within_ms")) * 1ms);
    text += "rolled back in " + within + " unless you say `batonctl confirm`\n";
  }
  print(text);
  return 0;
}

int confirm(const Options& options, bool revert) {
  return command(options, {{"verb", "confirm"}, {"revert", revert}}, kReloadPatience);
}

int reexec(const Options& options, bool if_running) {
  auto connection = Connection::open(options.runtime_dir);
  if (!connection && if_running && connection.error().exit == ExitCode::kNoDaemon) {
    if (options.json) print_json({{"ok", true}, {"exit", 0}, {"lines", Json::array()}});
    return 0;
  }
  return command(options, {{"verb", "reexec"}}, kReexecPatience);
}

int cleanup(const Options& options) {
  const auto lock = daemon_lock();
  if (!lock && lock.error().sys_errno == EADDRINUSE) {
    return report_trouble(
        {ExitCode::kRefused, "a batond runs in this network namespace and holds the addresses; stop it first"},
        options);
  }
  if (!lock) return report_trouble({ExitCode::kFailed, lock.error().message()}, options);
  const posix::Fd runtime_dir{::open(options.runtime_dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  const auto report = linux::cleanup(runtime_dir.get());
  if (!report) {
    const bool rights = report.error().sys_errno == EPERM || report.error().sys_errno == EACCES;
    return report_trouble({rights ? ExitCode::kNotPermitted : ExitCode::kFailed, report.error().message()}, options);
  }
  bool denied = false;
  Json removed = Json::array();
  std::string text;
  for (const linux::CleanupEntry& entry : report->entries) {
    removed.push_back({{"interface", entry.interface}, {"address", entry.prefix.text()}, {"errno", entry.sys_errno}});
    denied = denied || entry.sys_errno == EPERM || entry.sys_errno == EACCES;
    const std::string what = entry.prefix.text() + " on " + entry.interface;
    text +=
        entry.sys_errno == 0 ? "removed " + what + "\n" : Error{"not removed", entry.sys_errno, what}.message() + "\n";
  }
  const ExitCode exit = report->complete() ? ExitCode::kOk : denied ? ExitCode::kNotPermitted : ExitCode::kFailed;
  if (options.json) {
    print_json({{"ok", report->complete()}, {"exit", static_cast<int>(exit)}, {"addresses", removed}});
  } else {
    print(text.empty() ? "nothing of Baton's is left here\n" : text);
  }
  return static_cast<int>(exit);
}

}  // namespace baton::cli
