#include "cli/doctor_gather.h"

#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>

#include "base/version.h"
#include "cli/render.h"
#include "linux/filter_rules.h"
#include "posix/unix_socket.h"

namespace baton::cli {
namespace {

using namespace std::chrono_literals;

constexpr Nanos kPatience = 10s;
constexpr Nanos kShortest = 3s;

std::string as_root(const std::string& trouble) { return trouble + (::geteuid() == 0 ? "" : "; run it as root"); }

InstanceFacts instance_facts(const Json& json) {
  InstanceFacts facts{text_of(json, "name"), text_of(json, "role"), false};
  facts.active_known = json.contains("active") && json["active"].is_object();
  return facts;
}

void add_alarms(const Json& holder, const std::string& instance, std::vector<AlarmFacts>& alarms) {
  for (const Json& alarm : list_of(holder, "alarm_details")) {
    alarms.push_back({instance, text_of(alarm, "alarm"), text_of(alarm, "text"), text_of(alarm, "advice")});
  }
}

/// The pid of the daemon as the kernel knows who listens on its socket; 0: not known, or of another pid namespace.
pid_t daemon_pid(const std::string& runtime_dir) {
  const auto socket = posix::connect_stream(runtime_dir + "/control.sock");
  if (!socket) return 0;
  const auto other = posix::peer_credentials(socket->get());
  return other ? other->pid : 0;
}

bool in_memory(const std::string& directory) {
  struct statfs file_system {};
  if (::statfs(directory.c_str(), &file_system) != 0) return true;  // not known
  return file_system.f_type == TMPFS_MAGIC || file_system.f_type == RAMFS_MAGIC;
}

void gather_processes(DoctorFacts& facts, const Options& options) {
  DaemonFacts& daemon = *facts.daemon;
  const pid_t pid = daemon_pid(options.runtime_dir);
  if (pid <= 0) {
    facts.left_out.push_back({DoctorCheck::kDaemon, "its processes cannot be seen from here"});
    return;
  }
  daemon.processes = linux::survey_family(pid);
  daemon.other_namespace = linux::in_this_network(pid) == false;
  const bool hidden = std::any_of(daemon.processes.begin(), daemon.processes.end(),
                                  [](const linux::SurveyedProcess& process) { return !process.readable; });
  if (hidden) facts.left_out.push_back({DoctorCheck::kDaemon, as_root("programs and libraries of its processes")});
}

void gather_daemon(DoctorFacts& facts, const Options& options, const std::string& unreachable) {
  std::string trouble = unreachable;
  if (trouble.empty()) {
    auto connection = Connection::open(options.runtime_dir);
    auto answer = connection ? connection->ask({{"verb", "status"}}, kPatience)
                             : Expected<Json, Trouble>{Unexpected<Trouble>{connection.error()}};
    if (answer && is_true(*answer, "ok")) {
      facts.daemon = daemon_facts(answer->value("result", Json::object()));
      if (!in_memory(options.runtime_dir)) facts.daemon->runtime_on_disk = options.runtime_dir;
      gather_processes(facts, options);
    } else {
      trouble = answer ? text_of(*answer, "error") : answer.error().text;
    }
  }
  if (!trouble.empty()) {
    facts.daemon.reset();
    facts.left_out.push_back({DoctorCheck::kDaemon, trouble});
    facts.left_out.push_back({DoctorCheck::kPeers, "no daemon to ask"});
  } else if (facts.config.daemon.peer_key_files.empty() && !facts.config.peers.empty()) {
    facts.left_out.push_back({DoctorCheck::kPeers, "there is no peer channel (peer_key_file)"});
  }
}

void gather_wire(DoctorFacts& facts, Nanos listen) {
  if (listen == 0s) {
    facts.left_out.push_back({DoctorCheck::kWire, "--listen 0"});
    return;
  }
  std::vector<std::string> interfaces;
  for (const config::Instance* instance : chosen_instances(facts)) {
    const linux::SurveyedInterface* interface = interface_named(facts, instance->interface);
    const bool known = std::find(interfaces.begin(), interfaces.end(), instance->interface) != interfaces.end();
    if (interface != nullptr && interface->up && !known) interfaces.push_back(instance->interface);
  }
  if (interfaces.empty()) {
    facts.left_out.push_back({DoctorCheck::kWire, "no interface is up"});
    return;
  }
  linux::WireScan scan = linux::scan_wire(interfaces, listen);
  for (const std::string& deaf : scan.deaf) facts.left_out.push_back({DoctorCheck::kWire, as_root(deaf)});
  if (scan.deaf.size() < interfaces.size()) facts.wire = std::move(scan);
}

}  // namespace

DaemonFacts daemon_facts(const Json& status) {
  DaemonFacts facts;
  facts.version = text_of(status, "version");
  facts.engine = text_of(status, "engine");
  add_alarms(status, "", facts.alarms);
  for (const Json& instance : list_of(status, "instances")) {
    facts.instances.push_back(instance_facts(instance));
    add_alarms(instance, text_of(instance, "name"), facts.alarms);
  }
  for (const Json& peer : list_of(status, "peers")) {
    PeerFacts one{
        text_of(peer, "host"), is_true(peer, "heard"), is_true(peer, "stopped"), text_of(peer, "trouble"), {}};
    if (peer.contains("clock_ahead_ms") && peer["clock_ahead_ms"].is_number_integer()) {
      one.clock_ahead_ms = peer["clock_ahead_ms"].get<std::int64_t>();
    }
    for (const Json& instance : list_of(peer, "instances")) one.instances.push_back(instance_facts(instance));
    facts.peers.push_back(std::move(one));
  }
  return facts;
}

Nanos listening_time(const DoctorFacts& facts) {
  Nanos longest = kShortest;
  for (const config::Instance* instance : chosen_instances(facts)) {
    longest = std::max(longest, 3 * instance->advertisement_interval + 1s);
  }
  return longest;
}

void gather(DoctorFacts& facts, const Options& options, Nanos listen, const std::string& unreachable) {
  facts.own_version = kVersion;
  auto host = linux::survey_host();
  if (host) {
    facts.host = std::move(*host);
    if (!facts.host.kernel_marks) {
      facts.left_out.push_back(
          {DoctorCheck::kAddress, "whose the virtual addresses are: this kernel (before 5.18) keeps no marks"});
    }
  }
  auto ruleset = linux::read_ruleset();
  if (ruleset) {
    facts.ruleset = std::move(*ruleset);
  } else {
    facts.left_out.push_back({DoctorCheck::kFirewall, as_root(ruleset.error().message())});
  }
  gather_wire(facts, listen);
  // After the wire: what is said then is as new as what was heard.
  gather_daemon(facts, options, unreachable);
  facts.speakers = linux::raw_speakers(facts.daemon ? facts.daemon->processes : std::vector<linux::SurveyedProcess>{});
}

}  // namespace baton::cli
