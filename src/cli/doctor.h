// What `batonctl doctor` knows, and what follows from it. Gathering (doctor_gather.cc) asks the kernel, the daemon and
// the wire; judging is pure: the same facts always give the same findings.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/time.h"
#include "cli/findings.h"
#include "config/config.h"
#include "linux/filter_trace.h"
#include "linux/host_survey.h"
#include "linux/process_survey.h"
#include "linux/wire_scan.h"

namespace baton::cli {

/// An instance or group as the daemon's status shows it.
struct InstanceFacts {
  std::string name;
  std::string role;           ///< active, backup, initialize
  bool active_known = false;  ///< somebody is Active as far as this host hears
};

struct PeerFacts {
  std::string host;
  bool heard = false;
  bool stopped = false;
  std::string trouble;
  std::vector<InstanceFacts> instances = {};
  std::optional<std::int64_t> clock_ahead_ms = {};  ///< its wall clock against this host's
};

struct AlarmFacts {
  std::string instance;  ///< "" = of the host
  std::string token, text, advice;
};

struct DaemonFacts {
  std::string version;
  std::string engine;  ///< running, restarting, given_up
  std::vector<InstanceFacts> instances = {};
  std::vector<PeerFacts> peers = {};
  std::vector<AlarmFacts> alarms = {};
  std::vector<linux::SurveyedProcess> processes = {};
  bool other_namespace = false;      ///< than this process
  bool config_is_its_own = true;     ///< false: another file was named
  std::string runtime_on_disk = {};  ///< its runtime directory, if that is not in memory
};

/// Why something was not looked at.
struct LeftOut {
  DoctorCheck check = DoctorCheck::kDaemon;
  std::string why;
  bool operator==(const LeftOut&) const = default;
};

struct DoctorFacts {
  config::Config config;
  std::set<std::string> chosen;  ///< names of the instances to judge
  std::size_t config_warnings = 0;
  std::string own_version;
  linux::HostSurvey host;
  std::optional<linux::Ruleset> ruleset;
  std::optional<linux::WireScan> wire;
  std::vector<linux::RawSpeaker> speakers;
  std::optional<DaemonFacts> daemon;
  std::vector<LeftOut> left_out;
};

/// The worst first; findings of one severity in the order of the table. No finding twice.
std::vector<Finding> judge(const DoctorFacts& facts);

// Its parts, each adding to `findings`.
void judge_daemon(const DoctorFacts& facts, std::vector<Finding>& findings);
void judge_interfaces(const DoctorFacts& facts, std::vector<Finding>& findings);
void judge_addresses(const DoctorFacts& facts, std::vector<Finding>& findings);
void judge_kernel(const DoctorFacts& facts, std::vector<Finding>& findings);
void judge_firewall(const DoctorFacts& facts, std::vector<Finding>& findings);
void judge_wire(const DoctorFacts& facts, std::vector<Finding>& findings);
void judge_peers(const DoctorFacts& facts, std::vector<Finding>& findings);
void judge_managers(const DoctorFacts& facts, std::vector<Finding>& findings);
void judge_clock(const DoctorFacts& facts, std::vector<Finding>& findings);

/// The instances to judge, in the order of the file.
std::vector<const config::Instance*> chosen_instances(const DoctorFacts& facts);
const linux::SurveyedInterface* interface_named(const DoctorFacts& facts, const std::string& name);
/// Whether it has addresses of the family, so that it speaks VRRP in it.
bool speaks(const config::Instance& instance, Family family);
/// Of the instance or its group; nullptr: no daemon, or it does not run it.
const InstanceFacts* status_of(const DoctorFacts& facts, const config::Instance& instance);
/// An address of the interface's own that adverts of the family can come from, as the daemon picks it. nullopt: none.
std::optional<IpAddress> source_of(const DoctorFacts& facts, const config::Instance& instance, Family family);
/// "IPv4".
std::string family_word(Family family);

/// How `judge` went: 1 if there is a warning or a problem.
int doctor_exit(const std::vector<Finding>& findings);
FindingSeverity severity_of(const Finding& finding);

}  // namespace baton::cli
