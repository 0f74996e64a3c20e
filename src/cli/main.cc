// batonctl: reads the command line, calls one verb, returns its exit status. Usage errors are exit status 2.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <functional>

#include "base/version.h"
#include "cli/duration.h"
#include "cli/output.h"
#include "cli/suggestion.h"
#include "cli/tables.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include "steward/request.h"

namespace baton::cli {
namespace {

using steward::ExitCode;

/// All values that the command line fills; they live as long as the parser.
struct CommandLine {
  Options options;
  StatusArguments status;
  MetricsArguments metrics;
  FileArguments file;
  PluginTestArguments plugin_test;
  ImportArguments import_arguments;
  TapArguments tap;
  RunArguments run;
  DoctorArguments doctor;
  std::string grace;
  std::string module;
  std::string instance;
  std::string to;
  std::uint32_t limit = 20;
  bool follow = false;
  bool dry_run = false;
  bool force = false;
  bool accepts_loss = false;
  bool if_running = false;
  bool effective = false;
  std::string freeze_for;
  std::string confirm_within;
  ReportArguments report;
  std::vector<std::string> unmarked;  ///< words of a command without the `--`
  bool revert = false;
  std::function<int()> verb;
};

CLI::App* add_verb(CLI::App& app, CommandLine& line, const char* name, const char* help, std::function<int()> action) {
  CLI::App* verb = app.add_subcommand(name, help);
  verb->add_flag("--json", line.options.json, "print the documented JSON");
  verb->callback([&line, action = std::move(action)] { line.verb = action; });
  return verb;
}

void add_watching_verbs(CLI::App& app, CommandLine& line) {
  CLI::App* verb =
      add_verb(app, line, "status", "who holds what, and why", [&] { return status(line.options, line.status); });
  verb->add_option("INSTANCE", line.status.instance, "one instance or group");
  verb->add_flag("-w,--watch", line.status.watch, "draw again each second");
  verb->add_flag("--exit-code", line.status.exit_code,
                 "exit status 8 when degraded: an alarm, or something not eligible");
  verb = add_verb(app, line, "explain", "why this role, the numbers compared, what would change it",
                  [&] { return explain(line.options, line.instance); });
  verb->add_option("INSTANCE", line.instance, "one instance or group");
  verb = add_verb(app, line, "history", "what happened, from disk",
                  [&] { return history(line.options, line.instance, line.limit); });
  verb->add_option("INSTANCE", line.instance, "one instance or group");
  verb->add_option("--limit", line.limit, "how many, newest (20)")
      ->type_name("N")
      ->check(CLI::Range(std::uint32_t{1}, steward::kMaxHistory));
  verb = add_verb(app, line, "events", "the last events",
                  [&] { return events(line.options, line.instance, line.follow); });
  verb->add_option("INSTANCE", line.instance, "one instance or group");
  verb->add_flag("-f,--follow", line.follow, "and those to come");
  verb = add_verb(app, line, "metrics", "counters and states for a monitoring system, as OpenMetrics text",
                  [&] { return metrics(line.options, line.metrics); });
  verb->add_option("--textfile", line.metrics.textfile,
                   "write them there, whole or not at all, for node_exporter's textfile collector");
  verb->add_option("--names", line.metrics.names, "baton (default), or keepalived-exporter for dashboards made for it")
      ->check(CLI::IsMember({"baton", "keepalived-exporter"}));
  verb->add_option("--format", line.metrics.format,
                   "openmetrics (default), or text: Prometheus's older format (default for a file)")
      ->check(CLI::IsMember({"openmetrics", "text"}));
  add_verb(app, line, "version", "of this program and of the daemon", [&] { return version(line.options); });
}

int reload_verb(const CommandLine& line) {
  Nanos within{0};
  if (!line.confirm_within.empty()) {
    const std::optional<Nanos> duration = parse_duration(line.confirm_within);
    if (!duration || *duration < std::chrono::seconds{1} || *duration > steward::kMaxConfirm) {
      return report_trouble(
          {ExitCode::kUsage, "--confirm-within: expected a duration from 1s to 1d, as 60s, 5m or 1h30m"}, line.options);
    }
    within = *duration;
  }
  return reload(line.options, line.dry_run, within);
}

void add_config_verbs(CLI::App& app, CommandLine& line) {
  CLI::App* verb = add_verb(app, line, "check", "reads a configuration and says what is wrong; needs no daemon",
                            [&] { return check(line.options, line.file); });
  verb->add_option("FILE", line.file.file, std::string{"default "} + kDefaultConfig);
  verb->add_option("--host", line.file.host, "check as this host (default: the short host name)")->type_name("HOST");
  CLI::App* config = app.add_subcommand("config", "the running configuration");
  config->require_subcommand(1);
  verb = add_verb(*config, line, "show", "what the daemon runs", [&] { return config_show(line.options); });
  verb->add_flag("--effective", line.effective, "with every default written out (always so)");
  verb = add_verb(*config, line, "diff", "what a reload would change",
                  [&] { return config_diff(line.options, line.file); });
  verb->add_option("FILE", line.file.file, "default: the file that the daemon was started with")
      ->each([&](const std::string&) { line.file.is_named = true; });
  verb = add_verb(app, line, "reload", "applies the changed file", [&] { return reload_verb(line); });
  CLI::Option* dry = verb->add_flag("--dry-run", line.dry_run, "only show what would change");
  verb->add_option("--confirm-within", line.confirm_within, "roll it back by then unless `batonctl confirm` is said")
      ->type_name("TIME")
      ->excludes(dry);
  verb = add_verb(app, line, "confirm", "keeps what reload --confirm-within has applied",
                  [&] { return confirm(line.options, line.revert); });
  verb->add_flag("--revert", line.revert, "the opposite: roll it back now");
}

void add_import_verb(CLI::App& app, CommandLine& line) {
  CLI::App* verb =
      add_verb(app, line, "import", "a keepalived.conf as a baton.conf, and what of it is none; needs no daemon",
               [&] { return import_keepalived(line.options, line.import_arguments); });
  verb->add_option("FILE", line.import_arguments.files, "one host's file, or HOST=FILE for each host")->required();
  verb->add_option("--peer", line.import_arguments.peers,
                   "HOST=ADDRESS of a host, if the files do not name it (repeat)")
      ->expected(1)
      ->take_all();
  verb->add_option("--host", line.import_arguments.host, "of one FILE: read its @HOST lines (keepalived -i HOST)");
  verb->add_option("--version", line.import_arguments.version, "VRRP version for IPv4, 2 or 3 (default: keepalived's)")
      ->check(CLI::IsMember({2, 3}));
  verb->footer(
      "The outcome is printed. Its head lists each line that is not converted, that means something else, or that is "
      "not\n"
      "needed; with --json they are not_converted, look_at and not_needed. Several hosts become one file: what differs "
      "is\n"
      "key@HOST. Exit status: 0 also if lines are left out; 1 if there is no vrrp_instance to convert; 5 if a file "
      "cannot\n"
      "be read or batond would refuse the outcome.");
}

void add_doctor_verb(CLI::App& app, CommandLine& line) {
  CLI::App* verb = add_verb(app, line, "doctor", "looks for what keeps Baton from working on this host and network",
                            [&] { return doctor(line.options, line.doctor); });
  verb->add_option("INSTANCE", line.doctor.instance, "one instance or group");
  verb->add_option("--listen", line.doctor.listen,
                   "how long to listen for VRRP (3 intervals and a bit, at least 3 s); 0 = not at all")
      ->type_name("SECONDS")
      ->check(CLI::Range(0, kMaxListen));
  verb->add_option("--config", line.doctor.file.file, "look at this file's instances; needs no daemon")
      ->type_name("FILE")
      ->each([&](const std::string&) { line.doctor.file.is_named = true; });
  verb->add_option("--host", line.doctor.file.host, "with --config: read as this host (default: the short host name)")
      ->type_name("HOST");
  verb->footer(
      "Run it as root: without, the packet filter, the wire and the daemon's processes are left out. Nothing is "
      "changed.\n"
      "Exit status: 0 nothing wrong (notes do not count), 1 warnings or problems, 3 no daemon and no --config, 5 the\n"
      "file is not valid.");
}

int run_verb(CommandLine& line) {
  if (!line.grace.empty()) {
    const std::optional<Nanos> grace = parse_duration(line.grace);
    if (!grace || *grace > std::chrono::hours{1}) {
      return report_trouble({ExitCode::kUsage, "--grace: expected a duration up to 1h, as 500ms or 10s"}, line.options);
    }
    line.run.grace = *grace;
  }
  if (line.run.command.empty() || !line.unmarked.empty()) {
    return report_trouble({ExitCode::kUsage, "what is to be run? run --while active|backup INSTANCE -- COMMAND..."},
                          line.options);
  }
  return run_while(line.options, line.run);
}

void add_run_verb(CLI::App& app, CommandLine& line) {
  CLI::App* verb =
      add_verb(app, line, "run", "runs `-- COMMAND...` only while this host has a role; for one crontab on all hosts",
               [&] { return run_verb(line); });
  verb->add_option("--while", line.run.role, "active (with the addresses) or backup")
      ->required()
      ->check(CLI::IsMember({"active", "backup"}));
  verb->add_option("INSTANCE", line.run.instance, "the instance or group")->required();
  verb->add_option("--grace", line.grace, "from SIGTERM to SIGKILL, when the role goes (10s)");
  verb->add_flag("--must-run", line.run.must_run,
                 "exit status 6 where the role is not held (0: the other host runs it)");
  verb->add_option("COMMAND", line.unmarked, "behind `--`: what is run, and its words");
  verb->footer(
      "Exit status: the command's own, 128+N if signal N ended it; 0 without running it where the role is not held; 6 "
      "if\n"
      "the role went and the command was stopped; 3 if the daemon could not be asked, or no longer for 5 seconds (then "
      "it\n"
      "was stopped, too). Whatever the command leaves in its process group is ended with it.");
}

void add_report_verb(CLI::App& app, CommandLine& line) {
  CLI::App* verb = add_verb(app, line, "report", "gathers what helpers ask for, without secrets, in one archive",
                            [&] { return make_report(line.options, line.report); });
  verb->add_option("--output", line.report.output, "the archive (baton-report-HOST-TIME.tar.gz); NAME.tar: not packed")
      ->type_name("FILE");
  verb->add_flag("--force", line.report.force, "also if FILE is there already");
  verb->add_option("--config", line.report.file.file, "default: the daemon's, else " + std::string{kDefaultConfig})
      ->type_name("FILE")
      ->each([&](const std::string&) { line.report.file.is_named = true; });
  verb->add_option("--host", line.report.file.host,
                   "read FILE as this host (default: the daemon's, else the short name)")
      ->type_name("HOST");
  verb->footer(
      "Exit status: 0; 3 or 4 if the daemon did not answer (the rest is there); 6 if FILE is there already. MANIFEST "
      "in\n"
      "the archive says what could not be had, and why.");
}

void add_tap_verb(CLI::App& app, CommandLine& line) {
  CLI::App* verb = add_verb(app, line, "tap", "each VRRP, ARP and ND packet with Baton's verdict; needs root",
                            [&] { return tap(line.options, line.tap); });
  verb->add_option("INSTANCE", line.tap.what, "an instance or group, or an interface (default: all that Baton uses)");
  verb->add_option("--count", line.tap.count, "end after so many packets")
      ->type_name("N")
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1'000'000'000}));
  verb->add_option("--write", line.tap.write, "also into a file (pcapng), each packet with the verdict as its comment")
      ->type_name("FILE");
  verb->add_option("--config", line.tap.config.file, "judge by this file, not by what the daemon runs; needs no daemon")
      ->type_name("FILE")
      ->each([&](const std::string&) { line.tap.config.is_named = true; });
  verb->add_option("--host", line.tap.config.host, "with --config: read as this host (default: the short host name)")
      ->type_name("HOST");
}

void add_plugin_verbs(CLI::App& app, CommandLine& line) {
  CLI::App* plugin = app.add_subcommand("plugin", "checks and actions: which there are, their manuals, one try");
  plugin->require_subcommand(1);
  add_verb(*plugin, line, "list", "the modules there are", [&] { return plugin_list(line.options); });
  CLI::App* verb = add_verb(*plugin, line, "help", "the manual of a module: what it does, every key",
                            [&] { return plugin_help(line.options, line.module); });
  verb->add_option("NAME", line.module, "a module, or the absolute path of one")->required();
  verb =
      add_verb(*plugin, line, "test", "calls the plugin of a section once, as the daemon would; needs root, no daemon",
               [&] { return plugin_test(line.options, line.plugin_test); });
  verb->add_option("SECTION", line.plugin_test.section, "NAME of [plugin NAME]")->required();
  verb->add_option("--verb", line.plugin_test.verb, "what to call (probe)")->type_name("VERB");
  verb->add_flag("--really", line.plugin_test.really, "for verbs that act: do it");
  verb->add_option("--config", line.plugin_test.file.file, std::string{"default "} + kDefaultConfig)->type_name("FILE");
  verb->add_option("--host", line.plugin_test.file.host, "read as this host (default: the short host name)")
      ->type_name("HOST");
}

/// For who builds the manual: not among the verbs that --help lists.
void add_table_verb(CLI::App& app, CommandLine& line) {
  CLI::App* verb = add_verb(app, line, "dump-tables", "the tables that the manual is made from, as JSON", [&app] {
    print_json(tables_json(app));
    return 0;
  });
  verb->group("");
}

int freeze_verb(const CommandLine& line) {
  const std::optional<Nanos> duration = parse_duration(line.freeze_for);
  if (!duration || *duration < std::chrono::seconds{1} || *duration > steward::kMaxFreeze) {
    return report_trouble({ExitCode::kUsage, "--for: expected a duration from 1s to 365d, as 30m, 2h or 1h30m"},
                          line.options);
  }
  return freeze(line.options, *duration);
}

void add_changing_verbs(CLI::App& app, CommandLine& line) {
  CLI::App* verb = add_verb(app, line, "switchover", "gives the role to another host and stays yielded",
                            [&] { return switchover(line.options, line.instance, line.to, line.dry_run); });
  verb->add_option("INSTANCE", line.instance, "one instance or group (default: all)");
  verb->add_option("--to", line.to, "HOST that is to take over (default: on a standby this one, else whichever can)")
      ->type_name("HOST");
  verb->add_flag("--dry-run", line.dry_run, "only say what would happen");
  verb =
      add_verb(app, line, "freeze", "take and give nothing by itself for a while", [&] { return freeze_verb(line); });
  verb->add_option("--for", line.freeze_for, "how long: 30m, 2h, 1h30m")->type_name("TIME")->required();
  add_verb(app, line, "thaw", "ends a freeze", [&] { return plain_command(line.options, "thaw"); });
  add_verb(app, line, "drain", "takes this host out, also across reboots",
           [&] { return plain_command(line.options, "drain"); });
  add_verb(app, line, "undrain", "ends drain and switchover", [&] { return plain_command(line.options, "undrain"); });
  verb = add_verb(app, line, "failover", "promotes here without the other host's consent; may lose data",
                  [&] { return failover(line.options, line.instance, line.force, line.dry_run); });
  verb->add_option("INSTANCE", line.instance, "the instance or group")->required();
  verb->add_flag("--force", line.force, "what had not reached this host may be lost");
  verb->add_flag("--dry-run", line.dry_run, "only say what would happen");
  verb = add_verb(app, line, "forgive", "lets this host's data count again, whatever its record says",
                  [&] { return forgive(line.options, line.instance, line.accepts_loss); });
  verb->add_option("INSTANCE", line.instance, "the instance or group")->required();
  verb->add_flag("--i-accept-loss", line.accepts_loss, "writes that only one of the hosts has may be lost");
  verb = add_verb(app, line, "reexec", "the daemon goes over to the program on disk, after an upgrade; no failover",
                  [&] { return reexec(line.options, line.if_running); });
  verb->add_flag("--if-running", line.if_running, "exit status 0 also if no daemon runs");
  add_verb(app, line, "cleanup", "removes the addresses that a dead daemon left; needs no daemon",
           [&] { return cleanup(line.options); });
}

constexpr std::array<std::string_view, 26> kVerbWords{
    "check",   "cleanup", "config", "confirm",    "doctor", "drain",   "events",  "explain", "failover",
    "forgive", "freeze",  "help",   "history",    "import", "metrics", "plugin",  "reexec",  "reload",
    "report",  "run",     "status", "switchover", "tap",    "thaw",    "undrain", "version"};

/// The first word that is no option and no option's value: what was meant as the verb.
std::string verb_of(int count, char** words) {
  for (int i = 1; i < count; ++i) {
    const std::string_view word = words[i];
    if (word == "--runtime-dir" || word == "--plugin-dir") {
      ++i;
    } else if (!word.starts_with('-')) {
      return std::string{word};
    }
  }
  return {};
}

/// What stands behind `run ... --` is none of ours, whatever it looks like. Returns how many words are left.
int take_command(int count, char** words, std::vector<std::string>& command) {
  char** const end = words + count;
  char** const marker = std::find(words, end, std::string_view{"--"});
  const int left = static_cast<int>(marker - words);
  if (marker == end || verb_of(left, words) != "run") return count;
  command.assign(marker + 1, end);
  return left;
}

int usage_error(const CLI::App& app, const std::string& what, const std::string& verb, const Options& options) {
  std::string text = what;
  const bool known = std::find(kVerbWords.begin(), kVerbWords.end(), verb) != kVerbWords.end();
  if (verb.empty()) {
    text = "a verb is missing; `" + app.get_name() + " --help` lists them";
  } else if (!known) {
    const std::string nearest = nearest_word(verb, kVerbWords);
    text = "unknown verb '" + verb + "'" +
           (nearest.empty() ? "; `batonctl --help` lists them" : "; did you mean '" + nearest + "'?");
  } else {
    text += "; see `batonctl " + verb + " --help`";
  }
  return report_trouble({ExitCode::kUsage, text}, options);
}

int run(int count, char** words) {
  CommandLine line;
  CLI::App app{"Watches and steers Baton, which moves floating addresses between hosts.", "batonctl"};
  app.add_option("--runtime-dir", line.options.runtime_dir, "where the daemon's socket is (default /run/baton)")
      ->type_name("DIR");
  app.add_option("--plugin-dir", line.options.plugin_dir, "where plugins are (default /usr/lib/baton/plugins)")
      ->type_name("DIR");
  app.set_version_flag("-V,--version", "batonctl " + std::string{kVersion}, "print the version and end");
  app.require_subcommand(1);
  app.fallthrough();
  app.footer(exit_status_text() + " Every verb has --json and --help.");
  add_watching_verbs(app, line);
  add_config_verbs(app, line);
  add_changing_verbs(app, line);
  add_plugin_verbs(app, line);
  add_import_verb(app, line);
  add_doctor_verb(app, line);
  add_run_verb(app, line);
  add_report_verb(app, line);
  add_tap_verb(app, line);
  add_table_verb(app, line);
  count = take_command(count, words, line.run.command);
  line.options.colour = colour_wanted(STDOUT_FILENO);
  line.options.width = terminal_width();
  try {
    app.parse(count, words);
  } catch (const CLI::Success& wish) {  // for the help, or the version
    return app.exit(wish);
  } catch (const CLI::ParseError& error) {
    return usage_error(app, error.what(), verb_of(count, words), line.options);
  }
  return line.verb();
}

}  // namespace
}  // namespace baton::cli

int main(int count, char** words) {
  std::signal(SIGPIPE, SIG_DFL);
  try {
    return baton::cli::run(count, words);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "batonctl: %s\n", error.what());
    return 1;
  }
}
