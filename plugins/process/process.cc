// SPDX-License-Identifier: GPL-2.0-or-later
//
// process: a check that processes live: the one of a pid file, those of a name, the main one of a systemd unit. A
// zombie, a stopped process, and another process that has got the number since do not count as living.
#include <pwd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "common/command.h"
#include "common/text_file.h"
#include "plugin.hpp"
#include "proc.h"

namespace {

using baton::plugin::Call;
using baton::plugin::CommandResult;
using baton::plugin::Host;
using baton::plugin::Result;
using baton::plugin::Status;
using baton_process::Process;

/// A start time has ticks, a file system stamps with the time of the last tick: so much is no proof.
constexpr std::chrono::seconds kRecycledSlack{2};

constexpr baton_key kKeys[] = {
    baton::plugin::key("pid_file", BATON_KEY_PATH, "The file whose first line is the process' number."),
    baton::plugin::key("name", BATON_KEY_TEXT,
                       "Processes of this name (as `ps -o comm` shows it), or of this program (an absolute path).",
                       nullptr, 0, "nginx"),
    baton::plugin::key("unit", BATON_KEY_TEXT, "The main process of this unit of systemd. Without a suffix: .service",
                       nullptr, 0, "nginx.service"),
    baton::plugin::key("program", BATON_KEY_TEXT,
                       "With pid_file or unit: the name or absolute path that the process has to have.", nullptr, 0,
                       "/usr/sbin/nginx"),
    baton::plugin::key("owner", BATON_KEY_TEXT, "The process belongs to this user (a name or number).", nullptr, 0,
                       "www-data"),
    baton::plugin::key("minimum", BATON_KEY_INTEGER, "With name: at least so many.", "1", 0, nullptr, 0, 1'000'000),
    baton::plugin::key("maximum", BATON_KEY_INTEGER, "With name: at most so many.", nullptr, 0, nullptr, 0, 1'000'000),
};

std::optional<pid_t> number_of(const std::string& text) {
  pid_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size() || number <= 0) return std::nullopt;
  return number;
}

Result failing(const std::string& sentence, const char* cause) {
  return baton::plugin::fail(sentence).fact("cause", cause);
}

Result trouble(Status status, const std::string& sentence, const char* cause) {
  Result result = baton::plugin::unknown(sentence);
  result.status = status;
  return std::move(result).fact("cause", cause);
}

class ProcessCheck {
 public:
  explicit ProcessCheck(const Host& host)
      : pid_file_(host.text("pid_file")),
        name_(host.text("name")),
        unit_(host.text("unit")),
        program_(host.text("program")),
        owner_(host.text("owner")),
        minimum_(host.number("minimum")) {
    if (host.has("maximum")) maximum_ = host.number("maximum");
    if (!unit_.empty() && unit_.find('.') == std::string::npos) unit_ += ".service";
  }

  static void check_settings(const Host& host);
  Result probe(const Call& call);

 private:
  Result probe_pid_file() const;
  Result probe_name(const Call& call) const;
  Result probe_unit(const Call& call) const;
  Result judge(const std::string& origin, pid_t pid) const;
  std::optional<uid_t> owner() const;

  std::string pid_file_;
  std::string name_;
  std::string unit_;
  std::string program_;
  std::string owner_;
  std::int64_t minimum_;
  std::optional<std::int64_t> maximum_;
};

void ProcessCheck::check_settings(const Host& host) {
  int ways = 0;
  for (const char* key : {"pid_file", "name", "unit"}) ways += host.has(key) ? 1 : 0;
  if (ways != 1) host.complain(nullptr, "exactly one of pid_file, name and unit says which process is meant");
  if (host.has("name") && host.has("program"))
    host.complain("program", "goes with pid_file or unit; `name` says it already");
  if (!host.has("name") && host.number("minimum") != 1) host.complain("minimum", "goes with name");
  if (!host.has("name") && host.has("maximum")) host.complain("maximum", "goes with name");
  if (host.has("maximum") && host.number("maximum") < host.number("minimum")) {
    host.complain("maximum", "is less than minimum: nothing would pass");
  }
  const std::string unit = host.text("unit");
  if (unit.starts_with('-') || unit.find('/') != std::string::npos)
    host.complain("unit", "'" + unit + "' is no name of a unit");
}

/// Nothing if no owner is asked for. Throws what a person has to mend.
std::optional<uid_t> ProcessCheck::owner() const {
  if (owner_.empty()) return std::nullopt;
  uid_t number = 0;
  const auto [end, error] = std::from_chars(owner_.data(), owner_.data() + owner_.size(), number);
  if (error == std::errc{} && end == owner_.data() + owner_.size()) return number;
  errno = 0;
  const passwd* entry = ::getpwnam(owner_.c_str());
  if (entry != nullptr) return entry->pw_uid;
  throw baton::plugin::Failure(Status::kConfig, "there is no user " + owner_ + " on this host");
}

Result ProcessCheck::probe(const Call& call) {
  if (!pid_file_.empty()) return probe_pid_file();
  if (!unit_.empty()) return probe_unit(call);
  return probe_name(call);
}

Result with_facts(Result result, const Process& process) {
  timespec boot{};
  ::clock_gettime(CLOCK_BOOTTIME, &boot);
  result.fact("pid", std::to_string(process.pid))
      .fact("name", process.comm)
      .fact("state", std::string(1, process.state));
  result.fact("runs_s", std::to_string(boot.tv_sec - process.start / ::sysconf(_SC_CLK_TCK)));
  if (!process.program.empty()) result.fact("program", process.program);
  return result;
}

/// The process that `origin` ("/run/x.pid", "x.service") names.
Result ProcessCheck::judge(const std::string& origin, pid_t pid) const {
  const std::optional<Process> found = baton_process::process_of(pid);
  const std::string number = std::to_string(pid);
  if (!found && baton_process::others_are_hidden()) {
    return trouble(Status::kConfig,
                   "/proc hides other users' processes (hidepid): whether " + number +
                       " lives is not known; see the chapter on rights",
                   "permission");
  }
  if (!found)
    return failing(origin + " names process " + number + ", which does not run", "missing").fact("pid", number);
  const std::string words = origin + " names process " + baton_process::words_of(*found);
  if (found->is_dead())
    return with_facts(failing(words + ", which has ended and was not waited for (a zombie)", "zombie"), *found);
  if (!program_.empty() && !baton_process::is_called(*found, program_)) {
    const std::string& shown = found->program.empty() ? found->comm : found->program;
    return with_facts(failing(words + ", which is not " + program_ + " but " + shown, "other"), *found);
  }
  const std::optional<uid_t> user = owner();
  if (user && found->user != *user) {
    return with_facts(
        failing(words + ", which does not belong to " + owner_ + " but to user " + std::to_string(found->user),
                "other"),
        *found);
  }
  if (found->is_stopped())
    return with_facts(failing(words + ", which is stopped: `kill -CONT " + number + "` lets it go on", "stopped"),
                      *found);
  return with_facts(baton::plugin::pass("process " + baton_process::words_of(*found) + " of " + origin + " runs"),
                    *found);
}

Result ProcessCheck::probe_pid_file() const {
  struct stat status {};
  if (::stat(pid_file_.c_str(), &status) != 0) {
    const std::string words = pid_file_ + ": " + std::strerror(errno);
    if (errno == ENOENT || errno == ENOTDIR) return failing(pid_file_ + " does not exist", "missing");
    return trouble(errno == EACCES ? Status::kConfig : Status::kTransient, words,
                   errno == EACCES ? "permission" : "error");
  }
  if (!S_ISREG(status.st_mode)) return trouble(Status::kConfig, pid_file_ + " is no regular file", "type");
  constexpr std::size_t kMostContent = 4096;
  const baton::plugin::TextFile file = baton::plugin::read_text_file(pid_file_, kMostContent);
  if (!file.error.empty()) {
    const bool right = file.error.ends_with(std::strerror(EACCES));
    return trouble(right ? Status::kConfig : Status::kTransient, file.error, right ? "permission" : "error");
  }
  std::string line = file.text.substr(0, file.text.find('\n'));
  const std::size_t begin = line.find_first_not_of(" \t");
  line = begin == std::string::npos ? "" : line.substr(begin, line.find_last_not_of(" \t\r") - begin + 1);
  // A daemon that starts just now has perhaps not written it yet.
  if (line.empty()) return trouble(Status::kTransient, pid_file_ + " is empty", "content");
  const std::optional<pid_t> pid = number_of(line);
  if (!pid)
    return trouble(Status::kTransient, pid_file_ + ": '" + line.substr(0, 40) + "' is no process number", "content");
  Result result = judge(pid_file_, *pid);
  const std::optional<Process> found = baton_process::process_of(*pid);
  if (result.state != baton::plugin::State::kPass || !found) return result;
  const auto written = std::chrono::seconds{status.st_mtim.tv_sec} + std::chrono::nanoseconds{status.st_mtim.tv_nsec};
  if (baton_process::started_at(*found) <= written + kRecycledSlack) return result;
  const std::string words = pid_file_ + " is older than process " + baton_process::words_of(*found) + " that it names";
  if (program_.empty()) return with_facts(failing(words + ": another process has got the number", "recycled"), *found);
  result.warning = true;
  result.sentence = words + "; it is " + program_ + ", as it has to be";
  return result;
}

Result ProcessCheck::probe_name(const Call& call) const {
  const std::optional<uid_t> user = owner();
  std::int64_t living = 0;
  std::vector<Process> others;  // zombies and stopped ones, for the sentence
  std::optional<Process> first;
  for (const pid_t pid : baton_process::all_pids()) {
    if (call.remaining() < std::chrono::milliseconds{10}) {
      return trouble(Status::kTransient, "there are too many processes to look at in the time there is", "timeout");
    }
    const std::optional<Process> process = baton_process::process_of(pid);
    if (!process || !baton_process::is_called(*process, name_) || (user && process->user != *user)) continue;
    if (process->is_dead() || process->is_stopped()) {
      others.push_back(*process);
      continue;
    }
    ++living;
    if (!first || process->start < first->start) first = process;
  }
  const std::string whose = name_ + (owner_.empty() ? "" : " of user " + owner_);
  const std::string count =
      std::to_string(living) + (living == 1 ? " process " : " processes ") + whose + (living == 1 ? " runs" : " run");
  std::string aside;
  for (const Process& process : others) {
    if (aside.size() < 80)
      aside += "; " + baton_process::words_of(process) + (process.is_dead() ? " is a zombie" : " is stopped");
  }
  if (living < minimum_ && baton_process::others_are_hidden()) {
    return trouble(Status::kConfig,
                   "/proc hides other users' processes (hidepid): how many " + whose +
                       " there are is not known; see the chapter on rights",
                   "permission");
  }
  Result result;
  if (living < minimum_) {
    result = failing(count + ", at least " + std::to_string(minimum_) + " wanted" + aside, others.empty() ? "missing"
                                                                                           : others.front().is_dead()
                                                                                               ? "zombie"
                                                                                               : "stopped");
  } else if (maximum_ && living > *maximum_) {
    result = failing(count + ", at most " + std::to_string(*maximum_) + " allowed", "count");
  } else {
    result = baton::plugin::pass(count + aside);
  }
  result.fact("count", std::to_string(living));
  return first ? with_facts(std::move(result), *first) : result;
}

/// VALUE of the line NAME=VALUE.
std::string property(const std::string& text, const std::string& name) {
  const std::size_t at = ("\n" + text).find("\n" + name + "=");
  if (at == std::string::npos) return {};
  const std::size_t begin = at + name.size() + 1;
  return text.substr(begin, text.find('\n', begin) - begin);
}

Result ProcessCheck::probe_unit(const Call& call) const {
  struct stat status {};
  if (::lstat("/run/systemd/system", &status) != 0) {
    return trouble(Status::kConfig,
                   "systemd does not run this machine: " + unit_ + " is not known here; use pid_file or name",
                   "systemd");
  }
  const baton::plugin::Command command{
      .argv = {"/usr/bin/systemctl", "show", "--property=LoadState,ActiveState,SubState,MainPID", "--", unit_},
      .environment = {}};
  const CommandResult run = baton::plugin::run_command(command, baton::plugin::command_limits(call));
  if (!run.succeeded()) {
    const std::string said = run.first_line();
    return trouble(run.status() == Status::kConfig ? Status::kConfig : Status::kTransient,
                   "systemctl " + run.end_words() + (said.empty() ? "" : ": " + said), run.cause().c_str());
  }
  if (property(run.output, "LoadState") == "not-found") {
    return trouble(Status::kConfig, "systemd knows no unit " + unit_, "missing");
  }
  const std::string state = property(run.output, "ActiveState") + " (" + property(run.output, "SubState") + ")";
  const std::optional<pid_t> pid = number_of(property(run.output, "MainPID"));
  if (!pid) return failing(unit_ + " is " + state + " and has no main process", "missing").fact("unit_state", state);
  return judge(unit_, *pid).fact("unit_state", state);
}

constexpr const char* kManual =
    "Exactly one of `pid_file`, `name` and `unit` says which process is meant. It passes if that process lives: a "
    "number "
    "that nobody or somebody else has by now, a zombie and a stopped process fail.\n"
    "With `name`, `minimum` and `maximum` bound how many there are. Without systemd `unit` is an error of "
    "configuration.";

}  // namespace

BATON_PLUGIN(ProcessCheck, baton::plugin::About{.name = "process",
                                                .version = "1",
                                                .summary = "Checks that processes live, by pid file, name or unit",
                                                .manual = kManual,
                                                .keys = kKeys})
