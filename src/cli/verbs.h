// One function a verb; each returns batonctl's exit status.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/time.h"
#include "cli/options.h"

namespace baton::cli {

inline constexpr const char* kDefaultConfig = "/etc/baton/baton.conf";

// verbs_watch.cc
struct StatusArguments {
  std::string instance;
  bool watch = false;
  bool exit_code = false;
};
int status(const Options& options, const StatusArguments& arguments);
int explain(const Options& options, const std::string& instance);
int history(const Options& options, const std::string& instance, std::uint32_t limit);
int events(const Options& options, const std::string& instance, bool follow);
int version(const Options& options);

// verbs_metrics.cc
struct MetricsArguments {
  std::string names = "baton";
  std::string format;    ///< "" = openmetrics, and text for a file
  std::string textfile;  ///< "" = standard output
};
int metrics(const Options& options, const MetricsArguments& arguments);

// verbs_change.cc
/// `to`: HOST; "" = whichever can. Waits until the move is over.
int switchover(const Options& options, const std::string& instance, const std::string& to, bool dry_run);
int forgive(const Options& options, const std::string& instance, bool accepts_loss);
int failover(const Options& options, const std::string& instance, bool force, bool dry_run);
int freeze(const Options& options, Nanos duration);
/// thaw, drain, undrain.
int plain_command(const Options& options, const std::string& verb);
/// `confirm_within`: 0 = it needs no confirmation.
int reload(const Options& options, bool dry_run, Nanos confirm_within);
int confirm(const Options& options, bool revert);
/// `if_running`: no daemon is no failure.
int reexec(const Options& options, bool if_running);
/// Works without a daemon.
int cleanup(const Options& options);

// verbs_config.cc
struct FileArguments {
  std::string file = kDefaultConfig;
  bool is_named = false;  ///< by who asks; else the daemon's own is meant where there is one
  std::string host;       ///< "" = the short host name (check), the running one (diff)
};
int check(const Options& options, const FileArguments& arguments);

struct ReportArguments {
  std::string output;  ///< "" = baton-report-HOST-TIME.tar.gz here
  bool force = false;  ///< may take the place of a file
  FileArguments file;
};
int make_report(const Options& options, const ReportArguments& arguments);

int config_show(const Options& options);
int config_diff(const Options& options, const FileArguments& arguments);

// verbs_doctor.cc
inline constexpr int kMaxListen = 3600;  ///< seconds
struct DoctorArguments {
  std::string instance;  ///< an instance or group; "" = all
  FileArguments file;    ///< named: judge this one instead of the running one, with or without a daemon
  int listen = -1;       ///< seconds on the wire; 0 = not at all, -1 = as long as the advertisement interval asks for
};
int doctor(const Options& options, const DoctorArguments& arguments);

// verbs_import.cc
struct ImportArguments {
  std::vector<std::string> files;  ///< FILE, or HOST=FILE for each host
  std::vector<std::string> peers;  ///< HOST=ADDRESS
  std::string host;                ///< of the one FILE: whose `@id` lines count
  int version = 0;                 ///< of VRRP, for IPv4; 0 = as keepalived has it
};
int import_keepalived(const Options& options, const ImportArguments& arguments);

// verbs_plugin.cc
int plugin_list(const Options& options);
/// `module`: a name, or an absolute path.
int plugin_help(const Options& options, const std::string& module);
struct PluginTestArguments {
  FileArguments file;
  std::string section;
  std::string verb = "probe";
  bool really = false;  ///< acts are done only if it is said
};
int plugin_test(const Options& options, const PluginTestArguments& arguments);

// verbs_tap.cc
struct TapArguments {
  std::string what;         ///< an instance, group or interface; "" = all interfaces of the configuration
  std::uint64_t count = 0;  ///< 0 = until a signal
  std::string write;        ///< a file; "" = none
  FileArguments config;     ///< `is_named`: instead of what the daemon runs
};
int tap(const Options& options, const TapArguments& arguments);

// verbs_run.cc
struct RunArguments {
  std::string role;  ///< active, backup
  std::string instance;
  std::vector<std::string> command;  ///< what stands behind `--`
  Nanos grace = std::chrono::seconds{10};
  bool must_run = false;  ///< not to have the role is exit status 6, not 0
};
int run_while(const Options& options, const RunArguments& arguments);

}  // namespace baton::cli
