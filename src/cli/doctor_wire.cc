// What follows from what was heard on the wire, what the daemon says of itself and of its peers.
#include <algorithm>
#include <map>

#include "cli/doctor.h"

namespace baton::cli {
namespace {

using linux::HeardRouter;

constexpr std::uint32_t kSettled = 2;  ///< adverts in a row: the last one of a predecessor is no second speaker

bool belongs(const HeardRouter& heard, const config::Instance& instance) {
  return heard.interface == instance.interface && heard.vrid == instance.vrid.value() && speaks(instance, heard.family);
}

/// All [peer] addresses but this host's own, and the unicast peers.
std::vector<IpAddress> peer_addresses(const DoctorFacts& facts) {
  std::vector<IpAddress> list;
  for (const config::Peer& peer : facts.config.peers) {
    if (peer.host == facts.config.host) continue;
    list.insert(list.end(), peer.addresses.begin(), peer.addresses.end());
  }
  for (const config::Instance& instance : facts.config.instances) {
    for (const config::UnicastPeer& peer : instance.unicast_peers) list.push_back(peer.address);
  }
  return list;
}

/// MACs of the peers: as the ARP table has them, and of those whose IPv4 adverts were heard. An IPv6 advert comes from
/// a link-local address, which no [peer] names.
std::vector<MacAddress> peer_macs(const DoctorFacts& facts) {
  const auto peers = peer_addresses(facts);
  std::vector<MacAddress> macs;
  for (const auto& [address, mac] : facts.host.neighbours) {
    if (std::find(peers.begin(), peers.end(), address) != peers.end()) macs.push_back(mac);
  }
  for (const HeardRouter& heard : facts.wire->heard) {
    if (std::find(peers.begin(), peers.end(), heard.source) != peers.end()) macs.push_back(heard.mac);
  }
  return macs;
}

std::size_t other_hosts(const DoctorFacts& facts) {
  return static_cast<std::size_t>(std::count_if(facts.config.peers.begin(), facts.config.peers.end(),
                                                [&](const auto& one) { return one.host != facts.config.host; }));
}

bool is_own(const DoctorFacts& facts, const HeardRouter& heard) {
  for (const linux::SurveyedInterface& interface : facts.host.interfaces) {
    if (interface.mac == heard.mac && !heard.mac.is_zero()) return true;
    for (const linux::SurveyedAddress& address : interface.addresses) {
      if (!address.ours && address.prefix.address == heard.source) return true;
    }
  }
  return false;
}

std::string sender_words(const HeardRouter& heard) {
  return heard.source.text() + " (" + heard.mac.text() + ", priority " + std::to_string(heard.priority) + ")";
}

std::string router_words(const HeardRouter& heard) {
  return "VRID " + std::to_string(heard.vrid) + " (" + family_word(heard.family) + ") on " + heard.interface;
}

/// Hosts that use the VRID and are none of the peers.
void judge_strangers(const DoctorFacts& facts, const config::Instance& instance, const std::vector<HeardRouter>& others,
                     std::vector<Finding>& findings) {
  if (facts.config.peers.empty()) return;  // who may speak is not known
  const auto peers = peer_addresses(facts);
  const auto macs = peer_macs(facts);
  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    std::vector<const HeardRouter*> strangers;
    std::size_t known = 0;
    for (const HeardRouter& heard : others) {
      if (heard.family != family || heard.count == 0) continue;
      const bool named = std::find(peers.begin(), peers.end(), heard.source) != peers.end() ||
                         std::find(macs.begin(), macs.end(), heard.mac) != macs.end();
      named ? ++known : (strangers.push_back(&heard), known);
    }
    // Link-local senders may be the peers, as long as there are no more of them than peers.
    if (family == Family::kIpv6 && strangers.size() + known <= other_hosts(facts)) continue;
    for (const HeardRouter* stranger : strangers) {
      findings.push_back(
          {FindingId::kSameVridElsewhere, instance.name, sender_words(*stranger) + " uses " + router_words(*stranger)});
    }
  }
}

void judge_actives(const DoctorFacts& facts, const config::Instance& instance, const std::vector<HeardRouter>& others,
                   std::vector<Finding>& findings) {
  const InstanceFacts* here = status_of(facts, instance);
  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    std::string speakers;
    std::size_t count = 0;
    if (here != nullptr && here->role == "active" && speaks(instance, family)) {
      ++count;
      speakers = "this host";
    }
    for (const HeardRouter& heard : others) {
      if (heard.family != family || heard.count < kSettled || heard.priority == 0) continue;
      speakers += (count++ == 0 ? "" : " and ") + sender_words(heard);
    }
    if (count < 2) continue;
    findings.push_back({FindingId::kTwoActives, instance.name,
                        speakers + " speak for VRID " + std::to_string(instance.vrid.value()) + " (" +
                            family_word(family) + ") at the same time"});
  }
}

void judge_silence(const DoctorFacts& facts, const config::Instance& instance, const std::vector<HeardRouter>& others,
                   std::vector<Finding>& findings) {
  const InstanceFacts* here = status_of(facts, instance);
  if (here == nullptr || here->role != "backup" || facts.wire->listened < 3 * instance.advertisement_interval) return;
  const bool heard = std::any_of(others.begin(), others.end(), [](const HeardRouter& one) { return one.count > 0; });
  const linux::SurveyedInterface* interface = interface_named(facts, instance.interface);
  if (heard || here->active_known || interface == nullptr || !interface->up || !interface->carrier) return;
  findings.push_back({FindingId::kNobodySpeaks, instance.name,
                      "no advert for VRID " + std::to_string(instance.vrid.value()) + " on " + instance.interface +
                          " in " + std::to_string(facts.wire->listened / std::chrono::seconds{1}) + " s"});
}

void judge_unreadable(const config::Instance& instance, const std::vector<HeardRouter>& others,
                      std::vector<Finding>& findings) {
  for (const HeardRouter& heard : others) {
    if (heard.bad == 0 || heard.count != 0) continue;
    findings.push_back({FindingId::kUnreadableAdverts, instance.name,
                        std::to_string(heard.bad) + " from " + heard.source.text() + " for " + router_words(heard)});
  }
}

/// "keepalived (pid 812)", or "another program".
std::string programs(const DoctorFacts& facts) {
  std::string text;
  for (const linux::RawSpeaker& speaker : facts.speakers) {
    text += (text.empty() ? "" : ", ") + speaker.name + " (pid " + std::to_string(speaker.pid) + ")";
  }
  return text.empty() ? "another program" : text;
}

void judge_instance(const DoctorFacts& facts, const config::Instance& instance, std::vector<Finding>& findings) {
  std::vector<HeardRouter> others;
  for (const HeardRouter& heard : facts.wire->heard) {
    if (!belongs(heard, instance)) continue;
    if (heard.from_this_host) {
      findings.push_back(
          {FindingId::kSameVridHere, instance.name,
           programs(facts) + " on this host sends " + router_words(heard) + ", from " + heard.source.text()});
    } else if (is_own(facts, heard)) {
      findings.push_back(
          {FindingId::kOwnAddressHeard, instance.name,
           sender_words(heard) + " came in on " + heard.interface + " with VRID " + std::to_string(heard.vrid)});
    } else {
      others.push_back(heard);
    }
  }
  judge_strangers(facts, instance, others, findings);
  judge_actives(facts, instance, others, findings);
  judge_silence(facts, instance, others, findings);
  judge_unreadable(instance, others, findings);
}

void judge_foreign_vrids(const DoctorFacts& facts, std::vector<Finding>& findings) {
  for (const HeardRouter& heard : facts.wire->heard) {
    const bool ours = std::any_of(facts.config.instances.begin(), facts.config.instances.end(),
                                  [&](const config::Instance& instance) { return belongs(heard, instance); });
    if (ours) continue;
    findings.push_back({FindingId::kForeignVrid, heard.interface,
                        router_words(heard) + ": " +
                            (heard.from_this_host ? "this host's " + programs(facts) + ", " : "") +
                            sender_words(heard)});
  }
}

const InstanceFacts* instance_of(const PeerFacts& peer, const std::string& name) {
  for (const InstanceFacts& one : peer.instances) {
    if (one.name == name) return &one;
  }
  return nullptr;
}

/// The peer is there and Active, and its adverts do not come; or both are Active, and ours do not get there.
void judge_eaten(const DoctorFacts& facts, const config::Instance& instance, const PeerFacts& peer,
                 std::vector<Finding>& findings) {
  const InstanceFacts* here = status_of(facts, instance);
  if (here == nullptr || !facts.wire || instance.unicast || !peer.heard) return;
  const InstanceFacts* there = instance_of(peer, here->name);
  if (there == nullptr || there->role != "active" || facts.wire->listened < 3 * instance.advertisement_interval) return;
  const bool heard = std::any_of(facts.wire->heard.begin(), facts.wire->heard.end(), [&](const HeardRouter& one) {
    return belongs(one, instance) && !one.from_this_host && one.count > 0;
  });
  if (heard && here->role != "active") return;  // as it should be
  const std::string vrid = "VRID " + std::to_string(instance.vrid.value()) + " on " + instance.interface;
  findings.push_back(
      {FindingId::kMulticastEaten, instance.name,
       heard ? peer.host + " is Active, too, for " + vrid +
                   ": it does not hear this host's adverts, or a filter on this host's interface keeps Baton from "
                   "hearing its"
             : peer.host + " says that it is Active, but none of its adverts for " + vrid + " arrive here"});
}

void judge_processes(const DaemonFacts& daemon, std::vector<Finding>& findings) {
  constexpr std::uint64_t kNetAdmin = 1u << 12;
  constexpr std::uint64_t kNetRaw = 1u << 13;
  for (const linux::SurveyedProcess& process : daemon.processes) {
    const std::string who = process.name + " (pid " + std::to_string(process.pid) + ")";
    if (process.name == "baton-engine" && process.capabilities &&
        (*process.capabilities & (kNetAdmin | kNetRaw)) != (kNetAdmin | kNetRaw)) {
      const bool lacks_admin = (*process.capabilities & kNetAdmin) == 0;
      const bool lacks_raw = (*process.capabilities & kNetRaw) == 0;
      findings.push_back({FindingId::kCapabilityMissing, process.name,
                          who + " lacks " + (lacks_admin ? "CAP_NET_ADMIN" : "") +
                              (lacks_admin && lacks_raw ? " and " : "") + (lacks_raw ? "CAP_NET_RAW" : "")});
    }
    // It only copies lines to a file, and goes on until a restart.
    if (process.name == "baton-log") continue;
    if (process.old_program) {
      findings.push_back({FindingId::kOldProgram, process.name, who + " runs a file that is replaced or deleted"});
    }
    if (!process.deleted_libraries.empty()) {
      std::string text = who + " runs on " + process.deleted_libraries.front();
      if (process.deleted_libraries.size() > 1) {
        text += " and " + std::to_string(process.deleted_libraries.size() - 1) + " more";
      }
      findings.push_back({FindingId::kDeletedLibraries, process.name, text + ", replaced or deleted on disk"});
    }
  }
}

bool concerns(const DoctorFacts& facts, const AlarmFacts& alarm) {
  if (alarm.instance.empty()) return true;
  const auto chosen = chosen_instances(facts);
  return std::any_of(chosen.begin(), chosen.end(), [&](const config::Instance* instance) {
    return instance->name == alarm.instance || instance->group == alarm.instance;
  });
}

}  // namespace

void judge_wire(const DoctorFacts& facts, std::vector<Finding>& findings) {
  for (const linux::RawSpeaker& speaker : facts.speakers) {
    if (speaker.name.starts_with("baton")) continue;
    findings.push_back({FindingId::kOtherSpeakerHere, "",
                        speaker.name + " (pid " + std::to_string(speaker.pid) + ") speaks VRRP on this host"});
  }
  if (!facts.wire) return;
  for (const config::Instance* instance : chosen_instances(facts)) judge_instance(facts, *instance, findings);
  judge_foreign_vrids(facts, findings);
}

void judge_peers(const DoctorFacts& facts, std::vector<Finding>& findings) {
  if (!facts.daemon) return;
  for (const PeerFacts& peer : facts.daemon->peers) {
    if (!peer.heard) {
      findings.push_back({FindingId::kPeerLost, peer.host,
                          peer.host + (peer.stopped ? " has said that it stops" : " is not heard") +
                              (peer.trouble.empty() ? "" : ": " + peer.trouble)});
    }
    for (const config::Instance* instance : chosen_instances(facts)) judge_eaten(facts, *instance, peer, findings);
  }
}

void judge_daemon(const DoctorFacts& facts, std::vector<Finding>& findings) {
  if (facts.config_warnings > 0) {
    findings.push_back({FindingId::kConfigWarnings, "",
                        std::to_string(facts.config_warnings) +
                            (facts.config_warnings == 1 ? " warning" : " warnings") + " in the configuration"});
  }
  if (!facts.daemon) return;
  const DaemonFacts& daemon = *facts.daemon;
  if (!daemon.runtime_on_disk.empty()) {
    findings.push_back({FindingId::kRuntimeOnDisk, "", daemon.runtime_on_disk + " is on a disk, not in memory"});
  }
  if (daemon.engine != "running") findings.push_back({FindingId::kEngineDown, "", "the engine is " + daemon.engine});
  if (daemon.other_namespace) {
    const std::string pid = daemon.processes.empty() ? "PID" : std::to_string(daemon.processes.front().pid);
    findings.push_back({FindingId::kOtherNamespace, "", "the daemon (pid " + pid + ") is in another network namespace",
                        "nsenter --net=/proc/" + pid + "/ns/net batonctl doctor"});
  }
  for (const AlarmFacts& alarm : daemon.alarms) {
    // Said by judge_peers in its own words.
    if (alarm.token == "peer_lost" || !concerns(facts, alarm)) continue;
    findings.push_back({FindingId::kAlarm, alarm.instance,
                        alarm.token + ": " + alarm.text + (alarm.advice.empty() ? "" : ". " + alarm.advice)});
  }
  judge_processes(daemon, findings);
  if (!daemon.version.empty() && daemon.version != facts.own_version) {
    findings.push_back(
        {FindingId::kVersionDiffers, "", "batond " + daemon.version + ", batonctl " + facts.own_version});
  }
}

}  // namespace baton::cli
