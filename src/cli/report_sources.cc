#include "cli/report_sources.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>

#include "cli/plugin_text.h"
#include "cli/program_output.h"
#include "cli/render.h"
#include "posix/fd.h"
#include "steward/documents.h"

namespace baton::cli {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

constexpr Nanos kPatience = 15s;
constexpr std::size_t kMostRead = 2u << 20;

/// At most kMostRead bytes from `offset` on; what cannot be read is not there.
std::string read_from(int file, off_t offset) {
  std::string text;
  std::array<char, 16384> buffer;
  while (text.size() < kMostRead) {
    const ssize_t size = ::pread(file, buffer.data(), buffer.size(), offset + static_cast<off_t>(text.size()));
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) break;
    text.append(buffer.data(), static_cast<std::size_t>(size));
  }
  return text;
}

/// Of a small file of the kernel's; "" if it cannot be read.
std::string contents(const fs::path& path) {
  const posix::Fd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)};
  return file.valid() ? read_from(file.get(), 0) : std::string{};
}

std::string in_one_line(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

/// A variable for a program may hold a secret whatever its name is.
bool holds_variables(std::string_view key) { return key == "environment" || key == "header"; }

std::string without_value(const std::string& setting) {
  const auto end = setting.find_first_of("=:");
  return end == std::string::npos ? setting : setting.substr(0, end + 1) + "********";
}

/// The steward's document once more, with variables by name alone.
Json config_without_variables(const Json& document) {
  Json sections = Json::array();
  for (const Json& section : list_of(document, "sections")) {
    Json keys = Json::array();
    for (const Json& pair : list_of(section, "keys")) {
      const std::string key = text_of(pair, "key");
      const std::string value = text_of(pair, "value");
      keys.push_back({{"key", key}, {"value", holds_variables(key) ? without_value(value) : value}});
    }
    sections.push_back({{"section", text_of(section, "section")}, {"keys", keys}});
  }
  return {{"host", text_of(document, "host")},
          {"hash", text_of(document, "hash")},
          {"path", text_of(document, "path")},
          {"sections", sections}};
}

struct Question {
  const char* file;
  const char* what;
  Json request;
};

Expected<Json, Trouble> ask_daemon(const Options& options, const Json& request) {
  auto connection = Connection::open(options.runtime_dir);
  if (!connection) return Unexpected<Trouble>{connection.error()};
  return connection->ask(request, kPatience);
}

void add_answer(Bundle& bundle, const Question& question, const Json& answer) {
  if (!is_true(answer, "ok")) return bundle.miss(question.file, question.what, text_of(answer, "error"));
  const Json result = answer.value("result", Json::object());
  const std::string verb = text_of(question.request, "verb");
  if (verb == "metrics") return bundle.add(question.file, question.what, text_of(result, "text"));
  if (verb == "config") return bundle.add_json(question.file, question.what, config_without_variables(result));
  bundle.add_json(question.file, question.what, result);
}

void add_captured(Bundle& bundle, const std::string& file, const std::string& what, const Captured& captured) {
  if (captured.output.empty() && !captured.trouble.empty()) return bundle.miss(file, what, captured.trouble);
  bundle.add(file, what, captured.output, captured.trouble);
}

void add_command(Bundle& bundle, const std::string& file, const std::string& what, const std::string& program,
                 const std::vector<std::string>& arguments) {
  add_captured(bundle, file, what, capture(program, arguments));
}

/// Several commands in one file, each under its own line.
void add_commands(Bundle& bundle, const std::string& file, const std::string& what,
                  const std::vector<std::vector<std::string>>& commands) {
  std::string text;
  std::string trouble;
  for (const std::vector<std::string>& words : commands) {
    const Captured captured = capture(words.front(), {words.begin() + 1, words.end()});
    std::string line = "$";
    for (const std::string& word : words) line += " " + word;
    text += line + "\n" + captured.output + "\n";
    if (!captured.trouble.empty()) trouble += (trouble.empty() ? "" : "; ") + captured.trouble;
  }
  bundle.add(file, what, text, trouble);
}

void add_kernel(Bundle& bundle) {
  std::string text;
  for (const char* path :
       {"/proc/version", "/etc/os-release", "/proc/uptime", "/proc/loadavg", "/proc/meminfo", "/proc/pressure/cpu",
        "/sys/devices/system/clocksource/clocksource0/current_clocksource", "/proc/sys/kernel/sched_rt_runtime_us"}) {
    text += std::string{"# "} + path + "\n" + contents(path) + "\n";
  }
  bundle.add("system.txt", "kernel, distribution, load, memory, clock", text);
}

void add_sysctls(Bundle& bundle) {
  constexpr std::array<const char*, 9> kNames{"rp_filter",  "arp_ignore",   "arp_announce",
                                              "arp_notify", "arp_filter",   "forwarding",
                                              "accept_dad", "disable_ipv6", "drop_gratuitous_arp"};
  std::string text;
  for (const char* family : {"ipv4", "ipv6"}) {
    std::error_code error;
    for (const auto& interface : fs::directory_iterator{fs::path{"/proc/sys/net"} / family / "conf", error}) {
      for (const char* name : kNames) {
        const std::string value = in_one_line(contents(interface.path() / name));
        const std::string key = std::string{"net."} + family + ".conf." + interface.path().filename().string();
        if (!value.empty()) text += key + "." + name + " = " + value + "\n";
      }
    }
  }
  bundle.add("sysctl.txt", "the kernel's settings for addresses and ARP, each interface", text);
}

/// Baton's own processes, by the names that they give themselves. Never their environment.
void add_processes(Bundle& bundle) {
  std::string processes;
  std::string limits;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator{"/proc", error}) {
    const std::string pid = entry.path().filename().string();
    if (pid.find_first_not_of("0123456789") != std::string::npos) continue;
    const std::string name = in_one_line(contents(entry.path() / "comm"));
    if (!name.starts_with("baton") || name == "batonctl") continue;
    std::string arguments = contents(entry.path() / "cmdline");
    std::replace(arguments.begin(), arguments.end(), '\0', ' ');
    processes += "# " + pid + " " + name + ": " + arguments + "\n" + contents(entry.path() / "status") +
                 "cgroup: " + in_one_line(contents(entry.path() / "cgroup")) + "\n\n";
    limits += "# " + pid + " " + name + "\n" + contents(entry.path() / "limits") + "\n";
  }
  if (processes.empty()) {
    bundle.miss("processes.txt", "Baton's processes", "there is none");
    return bundle.miss("limits.txt", "their limits", "there is none");
  }
  bundle.add("processes.txt", "Baton's processes", processes);
  bundle.add("limits.txt", "their limits", limits);
}

void add_service(Bundle& bundle) {
  add_command(
      bundle, "unit.txt", "the service as systemd sees it", "systemctl",
      {"show", "baton.service", "--no-pager",
       "--property=LoadState,ActiveState,SubState,Result,NRestarts,StatusText,MainPID,ExecMainStartTimestamp,"
       "ExecMainStatus,FragmentPath,DropInPaths,UnitFileState,NeedDaemonReload,WatchdogUSec,CPUSchedulingPolicy,"
       "MemoryCurrent,TasksCurrent,LimitMEMLOCK,LimitRTPRIO"});
  const Captured journal = capture(
      "journalctl", {"--quiet", "--no-pager", "--unit=baton.service", "--lines=5000", "--output=short-iso-precise"});
  if (journal.output.empty() && journal.trouble.empty()) {
    return bundle.miss("journal.txt", "the last 5000 lines of the journal", "the journal has none of this service");
  }
  add_captured(bundle, "journal.txt", "the last 5000 lines of the journal", journal);
}

void add_packages(Bundle& bundle) {
  const bool debian = !find_program("dpkg-query").empty();
  add_captured(bundle, "packages.txt", "installed packages of Baton",
               debian ? capture("dpkg-query", {"--show", "--showformat=${Package} ${Version} ${Status}\\n", "baton*"})
                      : capture("rpm", {"--query", "--all", "baton*"}));
}

/// The last lines of a log file, whole ones.
std::string tail(const std::string& path) {
  const posix::Fd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)};
  struct stat facts {};
  if (!file.valid() || ::fstat(file.get(), &facts) != 0 || !S_ISREG(facts.st_mode)) return {};
  const off_t begin = std::max<off_t>(facts.st_size - static_cast<off_t>(kMostRead), 0);
  const std::string text = read_from(file.get(), begin);
  return begin == 0 ? text : text.substr(std::min(text.find('\n') + 1, text.size()));
}

}  // namespace

std::vector<std::string> known_secrets(const config::Loaded& loaded) {
  std::vector<std::string> secrets;
  if (!loaded.config) return secrets;
  for (const std::string& key : loaded.config->daemon.peer_keys) secrets.push_back(key);
  for (const config::Instance& instance : loaded.config->instances) secrets.push_back(instance.password);
  for (const config::Plugin& plugin : loaded.config->plugins) {
    for (const config::Secret& secret : plugin.secrets) {
      secrets.insert(secrets.end(), secret.contents.begin(), secret.contents.end());
    }
    for (const config::Setting& setting : plugin.settings) {
      for (const std::string& value : setting.values) {
        const std::vector<std::string> in_urls = url_secrets(value);
        secrets.insert(secrets.end(), in_urls.begin(), in_urls.end());
        const auto equals = value.find_first_of("=:");
        if (holds_variables(setting.key) && equals != std::string::npos) secrets.push_back(value.substr(equals + 1));
      }
    }
  }
  return secrets;
}

std::optional<Trouble> add_daemon(Bundle& bundle, const Options& options) {
  const std::vector<Question> questions{
      {"status.json", "what the daemon says of this host, and has heard of the others", {{"verb", "status"}}},
      {"explain.json", "why each instance has the role that it has", {{"verb", "explain"}}},
      {"history.json", "the last 1000 events, from disk", {{"verb", "history"}, {"limit", 1000}}},
      {"events.json", "the last events of this steward", {{"verb", "events"}}},
      {"running.json", "the configuration that runs, without secrets", {{"verb", "config"}}},
      {"metrics.txt", "counters and states", {{"verb", "metrics"}}},
      {"version.json", "the daemon's version", {{"verb", "version"}}},
  };
  std::optional<Trouble> trouble;
  for (const Question& question : questions) {
    // Once it does not answer it is not asked again.
    if (trouble) {
      bundle.miss(question.file, question.what, "no daemon answers");
      continue;
    }
    const auto answer = ask_daemon(options, question.request);
    if (!answer) {
      trouble = answer.error();
      bundle.miss(question.file, question.what, trouble->text);
      continue;
    }
    if (number_of(*answer, "exit") == static_cast<int>(steward::ExitCode::kNotPermitted)) {
      trouble = Trouble{steward::ExitCode::kNotPermitted, text_of(*answer, "error")};
      bundle.miss(question.file, question.what, trouble->text);
      continue;
    }
    add_answer(bundle, question, *answer);
  }
  return trouble;
}

void add_configuration(Bundle& bundle, const config::Loaded& loaded, const std::string& file) {
  Json found = Json::array();
  for (const config::Diagnostic& one : loaded.diagnostics) {
    const bool error = one.severity == config::Severity::kError;
    found.push_back({{"severity", error ? "error" : "warning"},
                     {"code", one.code},
                     {"file", one.file},
                     {"line", one.line},
                     {"message", one.message}});
  }
  bundle.add_json("check.json", "what `batonctl check` finds in the file, without its text",
                  Json{{"valid", loaded.config.has_value()}, {"file", file}, {"diagnostics", found}});
  if (!loaded.config) {
    return bundle.miss("file.json", "the configuration in the file, without secrets", file + " is not valid");
  }
  bundle.add_json("file.json", "the configuration in the file, without secrets",
                  config_without_variables(Json::parse(steward::config_document(*loaded.config, file).dump())));
  if (const std::string& log = loaded.config->daemon.log_file; !log.empty()) {
    const std::string text = tail(log);
    text.empty() ? bundle.miss("log.txt", "the end of log_file", log + " is empty or cannot be read")
                 : bundle.add("log.txt", "the end of log_file", text);
  }
}

void add_plugins(Bundle& bundle, ipc::ModuleCatalog& catalog) {
  const auto files = catalog.look();
  if (!files) return bundle.miss("plugins.json", "the plugins that are installed", files.error().message());
  Json modules = Json::array();
  for (const std::string& name : files->names) {
    const auto module = catalog.describe(name);
    modules.push_back(module ? module_json(*module) : Json{{"name", name}, {"error", module.error().message()}});
  }
  bundle.add_json("plugins.json", "the plugins that are installed",
                  Json{{"plugin_dir", catalog.places().plugin_dir}, {"modules", modules}});
}

void add_host(Bundle& bundle) {
  add_kernel(bundle);
  add_command(bundle, "links.txt", "interfaces and their counters", "ip", {"-details", "-statistics", "link"});
  add_command(bundle, "addresses.txt", "addresses", "ip", {"-details", "address"});
  add_commands(bundle, "routes.txt", "routes, rules, neighbours and multicast memberships",
               {{"ip", "-4", "route", "show", "table", "all"},
                {"ip", "-6", "route", "show", "table", "all"},
                {"ip", "-4", "rule"},
                {"ip", "-6", "rule"},
                {"ip", "neighbour"},
                {"ip", "maddress"}});
  add_command(bundle, "nft.txt", "the packet filter", "nft", {"list", "ruleset"});
  add_sysctls(bundle);
  add_processes(bundle);
  add_service(bundle);
  add_packages(bundle);
}

}  // namespace baton::cli
