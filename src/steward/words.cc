#include "steward/words.h"

#include <cstring>

#include "steward/format.h"

namespace baton::steward {

using ports::Alarm;
using ports::EventKind;
using ports::Report;

std::string HostNames::host(const IpAddress& address) const {
  const auto found = names_.find(address);
  return found == names_.end() ? std::string{} : found->second;
}

std::string HostNames::text(const IpAddress& address) const {
  const std::string name = host(address);
  return name.empty() ? address.text() : name + " (" + address.text() + ")";
}

std::string reason_sentence(Reason reason, const ReasonFacts& facts, const HostNames& names) {
  std::string text{reason_words(reason)};
  const bool known = !facts.other.is_unspecified();
  switch (reason) {
    case Reason::kActiveDownExpired:
    case Reason::kEngineDied:
      if (facts.down_interval > Nanos{0}) text += " (" + exact_duration(facts.down_interval) + ")";
      break;
    case Reason::kStall:
      if (facts.duration > Nanos{0}) text += " (" + exact_duration(facts.duration) + ")";
      break;
    case Reason::kHigherPriority:
    case Reason::kPreemptLower:
    case Reason::kPreemptDelayOver:
      if (known) text += ": " + names.text(facts.other);
      if (known && facts.other_priority != 0) {
        text += ", " + std::to_string(facts.other_priority);
        if (facts.own_priority != 0) text += " against " + std::to_string(facts.own_priority) + " here";
      }
      break;
    case Reason::kEqualPriorityHigherAddress:
      if (known) text += ": " + names.text(facts.other);
      break;
    case Reason::kActiveResigned:
    case Reason::kAddressFight:
    case Reason::kRivalAddress:
    case Reason::kDuplicateHost:
      if (known) text += ": " + names.text(facts.other);
      break;
    case Reason::kCheckFailed:
    case Reason::kCheckUnknown:
    case Reason::kGateClosed:
      if (!facts.plugin.empty()) text += ": " + facts.plugin;
      if (!facts.plugin.empty() && !facts.sentence.empty()) text += " (" + facts.sentence + ")";
      break;
    case Reason::kNoGrant:
    case Reason::kNeedsRejoin:
    case Reason::kFenced:
    case Reason::kPromoteFailed:
    case Reason::kPromoteRefused:
    case Reason::kDemoteFailed:
    case Reason::kFenceFailed:
    case Reason::kDataLost:
      if (!facts.sentence.empty()) text += ": " + facts.sentence;
      break;
    default: break;
  }
  return text;
}

std::string told_of(std::string_view host, std::string_view words) {
  constexpr std::string_view kSelf = "this host";
  std::string text{words};
  for (auto at = text.find(kSelf); at != std::string::npos; at = text.find(kSelf, at + host.size())) {
    text.replace(at, kSelf.size(), host);
  }
  return text;
}

std::string_view reason_remedy(Reason reason) {
  switch (reason) {
    case Reason::kInterfaceMissing: return "create the interface, or correct `interface` in the configuration";
    case Reason::kInterfaceDown: return "bring the link up: `ip link set ... up`, cable, switch port";
    case Reason::kNoPrimaryAddress: return "give the interface an address of its own of the same family";
    case Reason::kNoVirtualAddresses: return "configure an `address`";
    case Reason::kAddressFight: return "find the program that removes the address (systemd-networkd, NetworkManager)";
    case Reason::kInstallFailed: return "see the alarm for the kernel's answer";
    case Reason::kAddressForeign: return "remove the address from this host's network configuration";
    case Reason::kSendFailed: return "let IP protocol 112 out: firewall, interface, MTU";
    case Reason::kDuplicateHost: return "give one of the two hosts another address";
    case Reason::kRivalAddress: return "find the host that announces the address";
    case Reason::kMtuTooSmall: return "enlarge the MTU, or move addresses to extra_address";
    case Reason::kCheckFailed: return "mend what the check looks at; `batonctl plugin test NAME` asks it once more";
    case Reason::kCheckUnknown: return "`batonctl plugin test NAME` shows what the check says";
    case Reason::kGateClosed: return "mend what the gate looks at; it is asked only before this host takes the role";
    case Reason::kDrained: return "`batonctl undrain`";
    case Reason::kSwitchover: return "`batonctl undrain`, or the loss of the other host";
    case Reason::kFrozen: return "`batonctl thaw`, or the end of the time";
    case Reason::kIsolated: return "look at this host's network: neither the other hosts nor what it pings are reached";
    case Reason::kNoWatchdog: return "the log of batond says why the device cannot be used; it is tried again";
    case Reason::kTooManyDeaths: return "look into the log, then restart the daemon";
    case Reason::kNeedsRejoin:
      return "keep what only this host has and rejoin its data, which is looked at each minute while the other host's "
             "is up; or `batonctl forgive INSTANCE --i-accept-loss`: it counts again as it is, and where the two "
             "differ "
             "one side's writes are lost";
    case Reason::kFenced: return "look at both databases, then `batonctl forgive INSTANCE --i-accept-loss`";
    case Reason::kSameGeneration: return "see the alarm same_generation";
    case Reason::kNeedsProof:
      return "start the other host, or, if it will not return, `batonctl forgive INSTANCE --i-accept-loss`: what was "
             "written there since is lost";
    case Reason::kNoGrant: return "see what the witness says; with grant = manual `batonctl failover INSTANCE --force`";
    case Reason::kPromoteFailed:
    case Reason::kPromoteRefused:
    case Reason::kDemoteFailed: return "`batonctl history` has the database's own words; it is tried again";
    case Reason::kPromotionBudget:
    case Reason::kCooldown:
      return "find out why the role moves so often; `batonctl failover INSTANCE --force` moves it now";
    case Reason::kPromised: return "nothing, while the other host is well; `batonctl switchover` there moves the role";
    case Reason::kDataLost: return "find out who demoted or stopped the database";
    case Reason::kFenceFailed: return "`batonctl plugin test NAME --verb fence` shows why; it is tried again";
    default: return {};
  }
}

namespace {

/// "eth: 02:00:...", for what only layer 2 knows.
std::string who(const Report& report, const HostNames& names) {
  std::string text = report.other.is_unspecified() ? "another router" : names.text(report.other);
  if (!report.other_mac.is_zero()) text += " [" + report.other_mac.text() + "]";
  return text;
}

std::string vip(const Report& report) {
  return report.address.is_unspecified() ? "a virtual address" : "the virtual address " + report.address.text();
}

std::string with_errno(std::string text, const Report& report) {
  return report.sys_errno == 0 ? text : text + ": " + std::strerror(report.sys_errno);
}

std::string rejected_because(const Report& report) {
  if (report.decode_error >= vrrp::kDecodeErrorCount) return "unknown";
  return std::string{vrrp::decode_error_token(static_cast<vrrp::DecodeError>(report.decode_error))};
}

std::string stalled_for(const Report& report) {
  return report.duration_ns == 0 ? std::string{} : " (" + exact_duration(Nanos{report.duration_ns}) + ")";
}

/// Alarms about the other routers; "" for others.
std::string peer_alarm(const Report& report, const HostNames& names) {
  const std::string other = who(report, names);
  switch (report.alarm) {
    case Alarm::kVipMismatch: return other + " advertises other virtual addresses than are configured here";
    case Alarm::kIntervalMismatch: return other + " advertises in another interval than is configured here";
    case Alarm::kForeignOwner: return other + " advertises priority 255: it says that it owns the address";
    case Alarm::kSecondOwner: return other + " also says that it owns the address (priority 255)";
    case Alarm::kDuplicateHost: return other + " sends adverts from this host's own address";
    case Alarm::kEqualPriority: return other + " has the same priority as this host";
    case Alarm::kRival: return other + " announces " + vip(report) + ", which this host holds";
    case Alarm::kDualActive: return other + " behaves as Active beside this host, which is Active";
    case Alarm::kAdvertsRejected: return "adverts of " + other + " are discarded: " + rejected_because(report);
    case Alarm::kUnknownPeer: return other + " uses our VRID and is no configured peer";
    case Alarm::kOneWay: return "frames pass in one direction only between this host and " + other;
    case Alarm::kResignStorm: return other + " resigns (priority 0) more often than a router can";
    case Alarm::kChecksumMixed: return "both checksum forms of VRRPv3 over IPv4 are heard";
    case Alarm::kChecksumChanged: return "the checksum form that is sent was changed to that of " + other;
    case Alarm::kSameVridHere: return "another program on this host speaks VRRP with our VRID";
    default: return {};
  }
}

}  // namespace

namespace {

std::string plugin_of(const Report& report) {
  return report.plugin.empty() ? std::string{"?"} : std::string{report.plugin.view()};
}

std::string in_its_words(const Report& report) {
  return report.sentence.empty() ? std::string{} : ": " + std::string{report.sentence.view()};
}

/// What the old holder acknowledged after its last word is in no count.
std::string age_of_position(const Report& report) {
  if (report.lost.empty() || report.position_age_ns < 0) return {};
  return "; the old holder's last position was " + exact_duration(Nanos{report.position_age_ns}) + " old by then";
}

std::string act_sentence(const Report& report) {
  const std::string act = plugin_of(report) + ": " + std::string{verb_token(report.verb)};
  const std::string time = report.duration_ns == 0 ? "" : " in " + exact_duration(Nanos{report.duration_ns});
  if (report.outcome == VerbStatus::kOk) return act + " done" + time + in_its_words(report) + age_of_position(report);
  return act + " failed (" + std::string{status_token(report.outcome)} + ")" + time + in_its_words(report);
}

std::string check_sentence(const Report& report) {
  const std::string check = "check " + plugin_of(report);
  switch (report.probe) {
    case ProbeState::kPass: return check + " passes" + in_its_words(report);
    case ProbeState::kFail: return check + " fails" + in_its_words(report);
    case ProbeState::kUnknown: break;
  }
  return check + " gives no answer" + in_its_words(report);
}

}  // namespace

std::string alarm_sentence(const Report& report, const HostNames& names) {
  const std::string about_peer = peer_alarm(report, names);
  if (!about_peer.empty()) return about_peer;
  switch (report.alarm) {
    case Alarm::kAddressFight: return "somebody on this host keeps removing " + vip(report);
    case Alarm::kAddressForeign: return vip(report) + " is already on this host and is not Baton's";
    case Alarm::kStrayAddress: return vip(report) + " is on this host while it is Backup and is not Baton's";
    case Alarm::kInstallFailed: return with_errno("the kernel refused " + vip(report), report);
    case Alarm::kSendFailed: return with_errno("adverts cannot be sent", report);
    case Alarm::kStall: return "the engine did not run for longer than a Backup waits" + stalled_for(report);
    case Alarm::kNetlinkOverrun: return "the kernel reported lost netlink messages; its state was read anew";
    case Alarm::kRefreshLate: return "renewing the lifetime of the addresses took too long" + stalled_for(report);
    case Alarm::kMtu: return "the advert does not fit the interface's MTU";
    case Alarm::kScribeSilent: return with_errno("history and intent cannot be written", report);
    case Alarm::kFollowUpFailed: return act_sentence(report);
    case Alarm::kCheckFlapping: return "the check " + plugin_of(report) + " changes all the time and is held down";
    case Alarm::kPeerLost: return names.text(report.other) + " is not heard on the peer channel";
    case Alarm::kConfigDiffers: return names.text(report.other) + " runs another configuration";
    case Alarm::kRoleConflict: return "the database of " + names.text(report.other) + " is writable beside this host's";
    case Alarm::kSameGeneration:
      return names.text(report.other) + " says that it was promoted under this host's generation: both are fenced";
    case Alarm::kWatchdog: return "the watchdog is not armed: nothing is promoted here";
    default: return std::string{ports::alarm_token(report.alarm)};
  }
}

std::string alarm_words(Alarm alarm) {
  switch (alarm) {
    case Alarm::kAdvertsRejected: return "adverts of another router are discarded";
    case Alarm::kFollowUpFailed: return "an action that runs when this host becomes Active, or ceases to be, failed";
    case Alarm::kCheckFlapping: return "a check changes all the time and is held down";
    case Alarm::kPeerLost: return "another host is not heard on the peer channel";
    case Alarm::kConfigDiffers: return "another host runs another configuration";
    case Alarm::kRoleConflict: return "the database of another host is writable beside this host's";
    case Alarm::kSameGeneration: return "another host was promoted under this host's generation: both are fenced";
    default: break;
  }
  Report report;
  report.alarm = alarm;
  return alarm_sentence(report, HostNames{});
}

std::string_view alarm_advice(Alarm alarm) {
  switch (alarm) {
    case Alarm::kVipMismatch:
      return "The election works all the same, but keepalived before 2.3.3 discards such adverts and goes MASTER "
             "beside us. Give all hosts "
             "the same address lines.";
    case Alarm::kIntervalMismatch:
      return "VRRPv3 learns it; VRRPv2 discards such adverts, so that both become Active. Set advertisement_interval "
             "alike on all hosts.";
    case Alarm::kForeignOwner:
      return "It is obeyed, as RFC 9568 says. If no router is meant to be the owner, somebody claims the address: look "
             "at the host named.";
    case Alarm::kSecondOwner: return "The greater address wins. Only one host may have owner = yes.";
    case Alarm::kDuplicateHost:
      return "Two hosts have one address, or frames are looped back; this host does not become Active while it lasts. "
             "Find the hardware "
             "address named.";
    case Alarm::kEqualPriority: return "The greater source address decides. Give the hosts distinct priorities.";
    case Alarm::kRival:
      return "It was announced again from here. Find the hardware address named: a left-over address, another cluster, "
             "or an attack.";
    case Alarm::kDualActive:
      return "It does not hear us, or discards what it hears. Look for a one-way cut, a firewall, a checksum form or "
             "version that it does "
             "not accept, or different address lists.";
    case Alarm::kAdvertsRejected:
      return "While this lasts, this host and the sender may both be Active. Configure both alike.";
    case Alarm::kUnknownPeer:
      return "Another cluster may use this VRID: choose another one, or name the host in a [peer] section.";
    case Alarm::kOneWay: return "Look for a firewall rule, a switch or a cable that passes one direction only.";
    case Alarm::kResignStorm:
      return "Somebody may be forging it; VRRP has no way to tell. From the fourth in a row on this host takes "
             "over only when the other has fallen silent for Active_Down_Interval.";
    case Alarm::kChecksumMixed:
      return "Each advert is sent in both forms. Configure the routers alike, or set checksum.";
    case Alarm::kChecksumChanged: return "Nothing to do if the other router keeps its form; set checksum to pin it.";
    case Alarm::kSameVridHere: return "keepalived? Stop one of them, or give it another VRID.";
    case Alarm::kAddressFight:
      return "This host gave up the role and tries again later. Usual causes: systemd-networkd "
             "(ManageForeignAddresses) or NetworkManager.";
    case Alarm::kAddressForeign:
      return "It was left alone and this host is not eligible. Remove it from the network configuration.";
    case Alarm::kStrayAddress: return "It was left alone. Two hosts may answer for the address: remove it.";
    case Alarm::kInstallFailed: return "This host gave up the role and tries again later.";
    case Alarm::kSendFailed:
      return "'Operation not permitted' means a firewall rule that drops IP protocol 112 in the output hook.";
    case Alarm::kStall:
      return "A paused virtual machine, SIGSTOP, or an overloaded host. It stepped down before it sent anything.";
    case Alarm::kNetlinkOverrun:
      return "Nothing to do; if it comes often, something changes addresses or routes at a great rate.";
    case Alarm::kRefreshLate: return "The lifetime was lengthened. Something holds the kernel's rtnl lock for long.";
    case Alarm::kMtu: return "Move addresses to extra_address, or enlarge the MTU.";
    case Alarm::kScribeSilent:
      return "Disk full or read-only? The election is unaffected; drain would not survive a reboot, and history is "
             "kept in memory only.";
    case Alarm::kFollowUpFailed:
      return "Mend the cause; what may work later is tried again by itself, the rest at the next transition.";
    case Alarm::kCheckFlapping:
      return "It counts as failed until it has passed for five minutes. Raise `rise` and `fall`, or mend what it looks "
             "at.";
    case Alarm::kPeerLost:
      return "Its daemon is not running, or UDP on peer_port does not get through on any of its addresses, or the "
             "hosts "
             "have no key in common. Nothing moves because of it alone.";
    case Alarm::kConfigDiffers:
      return "Copy the file to all hosts and reload; `batonctl config diff` shows what changes here.";
    case Alarm::kRoleConflict:
      return "Somebody promoted it by hand, or its Baton cannot demote it. Neither host promotes or demotes because of "
             "it; stop the writers there, and compare the data before it rejoins.";
    case Alarm::kSameGeneration:
      return "A generation belongs to one host: a state directory was copied, such as with a virtual machine, or "
             "records were lost. Neither serves. Find out which data is the newer one, then `batonctl forgive INSTANCE "
             "--i-accept-loss` there; the other host afterwards.";
    case Alarm::kWatchdog:
      return "The log of batond says why the device cannot be opened (watchdog_failed): a module that is not loaded, "
             "or another "
             "program that has it. It is tried again every 5 s.";
    case Alarm::kNone: break;
  }
  return {};
}

std::string_view event_token(EventKind kind) {
  switch (kind) {
    case EventKind::kTransition: return "transition";
    case EventKind::kAlarm: return "alarm";
    case EventKind::kAlarmCleared: return "alarm_cleared";
    case EventKind::kNotice: return "notice";
    case EventKind::kHolding: return "holding";
    case EventKind::kCheck: return "check";
    case EventKind::kActed: return "acted";
    case EventKind::kMove: return "move";
    case EventKind::kAnnounced: return "announced";
  }
  return "unknown";
}

std::string_view holding_token(ports::HoldingState holding) {
  switch (holding) {
    case ports::HoldingState::kNone: return "none";
    case ports::HoldingState::kInstalling: return "installing";
    case ports::HoldingState::kHeld: return "held";
    case ports::HoldingState::kReleasing: return "releasing";
  }
  return "unknown";
}

std::string_view follow_up_token(ports::FollowUpState state) {
  switch (state) {
    case ports::FollowUpState::kNone: return "none";
    case ports::FollowUpState::kEntering: return "entering";
    case ports::FollowUpState::kEntered: return "entered";
    case ports::FollowUpState::kLeaving: return "leaving";
    case ports::FollowUpState::kLeft: return "left";
    case ports::FollowUpState::kFailed: return "failed";
  }
  return "unknown";
}

std::string_view state_word(vrrp::State state) {
  switch (state) {
    case vrrp::State::kInitialize: return "Initialize";
    case vrrp::State::kBackup: return "Backup";
    case vrrp::State::kActive: return "Active";
  }
  return "unknown";
}

namespace {

std::string move_words(const Report& report, const std::string& other) {
  using Phase = ports::HandoverPhase;
  switch (report.move) {
    case Phase::kNone: return "no move is under way";
    case Phase::kAsking: return "planned move: " + other + " is asked whether it could take over";
    case Phase::kReady:
      return report.gives ? other + " could take over" : "planned move: ready to take over from " + other;
    case Phase::kRefused:
      return report.gives ? "planned move refused by " + other : "refused to take over from " + other;
    case Phase::kBlocking: return "planned move to " + other + " begins: jobs end, writes are blocked";
    case Phase::kGiven: return "no write is acknowledged any more; " + other + " catches up";
    case Phase::kCaughtUp: return "all of " + other + "'s data is here";
    case Phase::kPassed: return other + " may promote";
    case Phase::kTaking: return "promoting, as agreed with " + other;
    case Phase::kTaken: return report.gives ? other + " has taken over" : "took over from " + other;
    case Phase::kAborted: return "planned move given up";
  }
  return {};
}

std::string move_sentence(const Report& report, const HostNames& names) {
  const std::string other = names.text(report.other);
  std::string text = move_words(report, other);
  if (report.sentence.empty()) return text;
  // A refusal is the other host's own word.
  const bool others = report.gives && report.move == ports::HandoverPhase::kRefused;
  if (!others) return text + ": " + std::string{report.sentence.view()};
  const std::string host = names.host(report.other);
  return text + ": " + told_of(host.empty() ? other : host, report.sentence.view());
}

}  // namespace

std::string report_sentence(const Report& report, const HostNames& names) {
  const ReasonFacts facts{.other = report.other,
                          .other_priority = report.priority,
                          .duration = Nanos{report.duration_ns},
                          .plugin = std::string{report.plugin.view()},
                          .sentence = std::string{report.sentence.view()}};
  switch (report.kind) {
    case EventKind::kTransition:
      return std::string{state_word(report.from)} + " -> " + std::string{state_word(report.to)} + ": " +
             reason_sentence(report.reason, facts, names);
    case EventKind::kAlarm: return "alarm: " + alarm_sentence(report, names);
    case EventKind::kAlarmCleared:
      // Which of several it was is no longer a question: none of them is failed.
      if (report.alarm == Alarm::kFollowUpFailed) return "over: no action is failed any more";
      return "over: " + alarm_sentence(report, names);
    case EventKind::kHolding:
      return report.to == vrrp::State::kActive ? "all addresses are installed" : "all addresses are removed";
    case EventKind::kAnnounced: return "all addresses are announced";
    case EventKind::kCheck: return check_sentence(report);
    case EventKind::kActed: return act_sentence(report);
    case EventKind::kMove: return move_sentence(report, names);
    case EventKind::kNotice: break;
  }
  if (report.alarm != Alarm::kNone) return alarm_sentence(report, names);
  // Of a reload: what happened to it, in whole words.
  if (report.reason == Reason::kConfigChanged && !report.sentence.empty()) return std::string{report.sentence.view()};
  return reason_sentence(report.reason, facts, names);
}

}  // namespace baton::steward
