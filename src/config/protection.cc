#include "config/protection.h"

#include <algorithm>
#include <utility>

#include "config/effective.h"
#include "config/values.h"

namespace baton::config {
namespace {

using namespace std::chrono_literals;

// What `auto` stands for in the engine (engine/address_lifetime.h): more addresses than these on a link live for up to
// the longest time.
constexpr std::size_t kFewAddresses = 256;
constexpr Nanos kShortLifetime = 3s;
constexpr Nanos kLongLifetime = 15s;
/// A holder that cannot renew its lease begins to demote this part of it before its end (engine/lease.h).
constexpr int kDemotionPart = 3;
/// So long a refused promotion is asked again before it is given up (engine/promotion.h).
constexpr Nanos kRefusalPatience = 15s;

const Plugin* find_plugin(const Config& config, const std::string& name) {
  const auto found = std::find_if(config.plugins.begin(), config.plugins.end(),
                                  [&](const Plugin& plugin) { return plugin.name == name; });
  return found == config.plugins.end() ? nullptr : &*found;
}

std::optional<Nanos> duration_setting(const Plugin& plugin, std::string_view key) {
  const auto found = std::find_if(plugin.settings.begin(), plugin.settings.end(),
                                  [&](const Setting& setting) { return setting.key == key; });
  if (found == plugin.settings.end() || found->values.size() != 1) return std::nullopt;
  const auto value = parse_duration(found->values.front());
  return value ? std::optional{*value} : std::nullopt;
}

/// The shortest of the witnesses': all of them have to be held.
std::optional<Nanos> lease_of(const Config& config, const Election& election) {
  std::optional<Nanos> shortest;
  if (election.grant != Grant::kWitness) return shortest;
  for (const std::string& name : election.witness) {
    const Plugin* plugin = find_plugin(config, name);
    const auto lease = plugin == nullptr ? std::nullopt : duration_setting(*plugin, "lease");
    if (lease && (!shortest || *lease < *shortest)) shortest = lease;
  }
  return shortest;
}

Nanos lifetime_of(const Config& config, const Instance& instance) {
  if (instance.owner) return 0s;
  if (instance.address_lifetime) return *instance.address_lifetime;
  std::size_t on_link = 0;
  for (const Instance& other : config.instances) {
    if (other.interface == instance.interface) on_link += other.addresses.size() + other.extra_addresses.size();
  }
  return on_link <= kFewAddresses ? kShortLifetime : kLongLifetime;
}

/// One that promotes: `lead` is the instance whose address_lifetime counts.
struct Promoting {
  SectionType type = SectionType::kInstance;
  const std::string* name = nullptr;
  const Election* election = nullptr;
  const Instance* lead = nullptr;
};

std::vector<Promoting> promoting(const Config& config) {
  std::vector<Promoting> found;
  for (const Instance& instance : config.instances) {
    if (!instance.group.empty() || instance.election.promote.empty()) continue;
    found.push_back({SectionType::kInstance, &instance.name, &instance.election, &instance});
  }
  for (const Group& group : config.groups) {
    if (group.election.promote.empty() || group.members.empty()) continue;
    const auto lead = std::find_if(config.instances.begin(), config.instances.end(),
                                   [&](const Instance& instance) { return instance.name == group.members.front(); });
    if (lead == config.instances.end()) continue;
    found.push_back({SectionType::kGroup, &group.name, &group.election, &*lead});
  }
  return found;
}

/// With grant = peer the engine asks them before any other fence; else when a database that lives keeps a promotion
/// from going on.
std::vector<std::string> own_fences_of(const Config& config, const Election& election) {
  std::vector<std::string> names;
  if (election.grant == Grant::kFollow) return names;
  for (const std::string& name : election.promote) {
    const Plugin* plugin = find_plugin(config, name);
    if (plugin != nullptr && plugin->about.verbs.has(PluginVerb::kFence)) names.push_back(name);
  }
  return names;
}

PromotionTimes times_of(const Config& config, const Promoting& one) {
  PromotionTimes times;
  times.address_lifetime = lifetime_of(config, *one.lead);
  times.lease = lease_of(config, *one.election);
  if (!config.daemon.watchdog.empty()) times.watchdog = config.daemon.watchdog_timeout;
  const Nanos least = std::max(times.address_lifetime, one.election->takeover_least);
  // Whom nobody grants anything waits for nobody.
  if (one.election->grant != Grant::kUnsafe) times.takeover_wait = one.election->takeover_wait.value_or(least);
  return times;
}

// ---- In words -----------------------------------------------------------------------------------------------------

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

/// "3.3s": for people, to a tenth.
std::string rounded(Nanos time) {
  const auto tenths = (time + 50ms) / 100ms;
  return std::to_string(tenths / 10) + (tenths % 10 == 0 ? "" : "." + std::to_string(tenths % 10)) + "s";
}

void describe_follow(Protection& out) {
  out.holds = {"Baton promotes nothing: the database elects its own primary, and the address follows it",
               "the address is only where this host's member is the primary and its majority agrees"};
  out.open = {"what the database's own election loses is lost; with two voters it elects nobody once one is gone"};
}

void describe_witness(Protection& out) {
  const std::string lease = out.times.lease ? ", for " + rounded(*out.times.lease) + " at a time" : "";
  out.holds.push_back("at most one host at a time holds the grant: " + listed(out.witnesses) + " gives it to one" +
                      lease + "; where that cannot be asked nobody is promoted");
  const std::string begin =
      out.times.lease ? rounded(*out.times.lease / kDemotionPart) + " before it ends" : "before it ends";
  out.holds.push_back("a holder that cannot renew its grant begins to demote " + begin);
  if (!out.watchdog.empty()) return;
  out.open.push_back(
      "a holder that is frozen or hangs longer than its grant lasts (a paused machine, a demotion that does not end) "
      "may still take writes while another host is promoted: only a watchdog or a fence ends that");
}

void describe_peer(Protection& out) {
  std::string or_after;
  if (!out.own_fences.empty()) {
    or_after = ", or after " + listed(out.own_fences) +
               " has made the other host's database, which still answers, a "
               "standby from here";
  }
  if (!out.fences.empty()) or_after += ", or after " + listed(out.fences) + " has ended them";
  out.holds.push_back(
      "a host promotes only after the others said, over the authenticated peer channel, that they are standbys and "
      "will not promote that generation" +
      or_after);
  if (!out.fences.empty()) {
    out.open.push_back("without an answer and with a fence that fails nobody is promoted, rather than two");
  } else if (!out.own_fences.empty()) {
    out.open.push_back(
        "a host that is dead or cut off cannot say anything, its database cannot be reached, either, and there is no "
        "fence section: then nobody is promoted, rather than two, until an operator says so (`batonctl failover "
        "--force`)");
  } else {
    out.open.push_back(
        "a host that is dead or cut off cannot say anything, and there is no fence: then nobody is promoted, rather "
        "than two, until an operator says so (`batonctl failover --force`)");
  }
}

void describe_manual(Protection& out) {
  out.holds.push_back("nobody is promoted until an operator says so (`batonctl failover --force`)");
  if (out.fences.empty()) {
    out.open.push_back(
        "that the old host has stopped writing is for the operator to know: Baton does not ask for proof");
  }
}

void describe_unsafe(Protection& out) {
  out.holds.push_back("at most one host holds the addresses on each connected network");
  if (out.fences.empty()) {
    out.open.push_back("on a cut network both hosts promote, and what is written to one of them is lost");
  }
}

void describe_watchdog(Protection& out) {
  if (out.watchdog.empty()) return;
  const std::string after = rounded(*out.times.watchdog + kWatchdogSlack);
  if (out.grant == Grant::kWitness) {
    out.holds.push_back("a host whose Baton hangs is reset by " + out.watchdog + " within " + after +
                        ", and one that has not demoted when its grant ends is reset by then");
  } else {
    out.holds.push_back("a host that is the writable one and whose Baton hangs is reset by " + out.watchdog +
                        " within " + after);
  }
  out.open.push_back("a watchdog in software needs a living kernel, and one in a paused machine is paused with it");
}

void describe_rest(Protection& out) {
  if (!out.fences.empty() && out.grant != Grant::kPeer) {
    out.holds.push_back("before a promotion " + listed(out.fences) +
                        " has to end the other hosts; if it fails nobody is promoted");
  }
  if (!out.own_fences.empty() && out.grant != Grant::kPeer) {
    out.holds.push_back(
        "a database that still answers though its host's Baton is silent is made a standby from here by " +
        listed(out.own_fences) + " before another is promoted");
  }
  // A witness is asked in any case, and knows of every promotion.
  if (out.resume_alone && out.grant != Grant::kWitness) {
    out.open.push_back(
        "a host that was the writable one promotes after a restart without proof that no other has taken over since "
        "(resume_alone = yes)");
  } else {
    out.holds.push_back(
        "a host that was the writable one promotes after a crash only with proof that no other has taken over since");
  }
  if (!out.preempt) out.holds.push_back("a host that comes back does not take the role from the one that has it");
  out.open.push_back(
      "what the old host had acknowledged and not yet sent is lost in a crash, unless the database itself waits for "
      "the standby; Baton says at most how much");
  if (out.times.address_lifetime == 0s) {
    out.open.push_back("the addresses of a host whose Baton is dead or frozen stay on it (address_lifetime)");
  }
}

void describe(Protection& out) {
  switch (out.grant) {
    case Grant::kNone: return;
    case Grant::kFollow: return describe_follow(out);
    case Grant::kWitness: describe_witness(out); break;
    case Grant::kPeer: describe_peer(out); break;
    case Grant::kManual: describe_manual(out); break;
    case Grant::kUnsafe: describe_unsafe(out); break;
  }
  describe_watchdog(out);
  describe_rest(out);
}

// ---- The order ----------------------------------------------------------------------------------------------------

class TimesLint {
 public:
  TimesLint(const Document& document, const Config& config, const Promoting& one, Report& report)
      : document_(document),
        config_(config),
        section_(*document.find(one.type, *one.name)),
        lead_(*document.find(SectionType::kInstance, one.lead->name)),
        election_(*one.election),
        times_(times_of(config, one)),
        owner_(one.lead->owner),
        report_(report) {}

  void run() {
    if (election_.grant == Grant::kFollow || election_.grant == Grant::kNone) return;
    check_lifetime();
    check_watchdog();
    check_takeover();
    for (const std::string& name : election_.promote) check_acts(name);
  }

 private:
  Place place(const Section& section, std::string_view key) const {
    const Entry* entry = section.find(key, config_.host);
    return entry == nullptr ? section.place : entry->value_place;
  }
  /// Of a key of the module's own; where it is left out, of `instead`.
  Place own_place(const Section& section, std::string_view key, std::string_view instead) const {
    const Entry* found = nullptr;
    for (const Entry& entry : section.entries) {
      if (entry.key != key || (!entry.host.empty() && entry.host != config_.host)) continue;
      if (found == nullptr || found->host.empty()) found = &entry;
    }
    return found == nullptr ? place(section, instead) : found->value_place;
  }
  Place watchdog_place() const {
    const Section* daemon = document_.find(SectionType::kDaemon, "");
    if (daemon == nullptr) return section_.place;
    return place(*daemon, daemon->find("watchdog_timeout", config_.host) != nullptr ? "watchdog_timeout" : "watchdog");
  }

  void check_lifetime() {
    if (times_.address_lifetime != 0s || owner_) return;
    report_.add(Code::kTimesGap, place(lead_, "address_lifetime"),
                "address_lifetime: addresses that never lapse stay on a host whose Baton is dead or frozen, while "
                "another host promotes",
                "address_lifetime = auto");
  }

  void check_watchdog() {
    if (!times_.watchdog) return;
    const Nanos watchdog = *times_.watchdog;
    const std::string own = "watchdog_timeout: " + duration_text(watchdog) + " is ";
    if (watchdog <= times_.address_lifetime) {
      report_.add(Code::kTimesGap, watchdog_place(),
                  own + "not longer than the address lifetime of " + duration_text(times_.address_lifetime) + " in [" +
                      section_.title() + "]: a host would be reset before its addresses lapse by themselves",
                  "address lifetime < watchdog_timeout < lease <= takeover_wait");
    }
    if (!times_.lease) return;
    const std::string lease = "the lease of " + duration_text(*times_.lease) + " that [" + section_.title() + "] needs";
    if (watchdog >= *times_.lease) {
      report_.add(Code::kTimes, watchdog_place(),
                  own + "not shorter than " + lease + ": it could not reset a host before its grant ends",
                  "at most " + duration_text(*times_.lease / 2));
    } else if (watchdog > *times_.lease / 2) {
      report_.add(Code::kTimesGap, watchdog_place(),
                  own + "more than half of " + lease + ": one renewal that is late may reset a host that is well",
                  "at most " + duration_text(*times_.lease / 2));
    }
  }

  void check_takeover() {
    if (!election_.takeover_wait) return;
    if (election_.grant == Grant::kUnsafe) {
      return report_.add(Code::kNoEffect, section_.find("takeover_wait", config_.host)->key_place,
                         "takeover_wait: with grant = unsafe nothing is waited for", "remove the line");
    }
    const Nanos wait = *election_.takeover_wait;
    const Place where = place(section_, "takeover_wait");
    const std::string own = "takeover_wait: " + duration_text(wait) + " is shorter than the ";
    if (wait < times_.address_lifetime) {
      report_.add(Code::kTimes, where,
                  own + "address lifetime of " + duration_text(times_.address_lifetime) +
                      ": the addresses of a host that fell silent may still be there",
                  "takeover_wait = auto");
    }
    if (times_.watchdog && election_.grant != Grant::kWitness && wait < *times_.watchdog + kWatchdogSlack) {
      report_.add(
          Code::kTimes, where,
          own + duration_text(*times_.watchdog + kWatchdogSlack) + " in which the watchdog resets a host that hangs",
          "takeover_wait = auto");
    }
    if (times_.lease && wait < *times_.lease) {
      report_.add(Code::kTimesGap, where,
                  own + "lease of " + duration_text(*times_.lease) +
                      ": the witness gives the grant of a lost host away only when that is over, whatever is written "
                      "here",
                  "takeover_wait = auto");
    }
  }

  /// A wait of the module's own that Baton would end before it is over.
  void check_acts(const std::string& name) {
    const Plugin* plugin = find_plugin(config_, name);
    const Section* section = document_.find(SectionType::kPlugin, name);
    if (plugin == nullptr || section == nullptr) return;
    for (const Setting& setting : plugin->settings) {
      if (!setting.key.ends_with("_timeout")) continue;
      const auto value = duration_setting(*plugin, setting.key);
      if (!value || *value < plugin->deadline) continue;
      report_.add(Code::kTimesGap, own_place(*section, setting.key, "deadline"),
                  setting.key + ": after " + duration_text(plugin->deadline) +
                      " (`deadline`) the whole act is ended, so that " + duration_text(*value) + " are never reached",
                  "a deadline that is longer than what the act waits for");
    }
    const auto silence = duration_setting(*plugin, "link_silence");
    if (!silence || *silence < kRefusalPatience) return;
    report_.add(Code::kTimesGap, own_place(*section, "link_silence", "module"),
                "link_silence: a promotion that is refused for " + duration_text(*silence) + " is given up after " +
                    duration_text(kRefusalPatience) + " and tried anew, again and again, until the link counts as dead",
                "less than " + duration_text(kRefusalPatience));
  }

  const Document& document_;
  const Config& config_;
  const Section& section_;
  const Section& lead_;
  const Election& election_;
  PromotionTimes times_;
  bool owner_;
  Report& report_;
};

}  // namespace

std::string_view grant_word(Grant grant) {
  switch (grant) {
    case Grant::kNone: return "none";
    case Grant::kFollow: return "follow";
    case Grant::kWitness: return "witness";
    case Grant::kPeer: return "peer";
    case Grant::kManual: return "manual";
    case Grant::kUnsafe: return "unsafe";
  }
  return "none";
}

std::vector<Protection> protections(const Config& config) {
  std::vector<Protection> all;
  for (const Promoting& one : promoting(config)) {
    Protection protection;
    protection.object = std::string(section_word(one.type)) + " " + *one.name;
    protection.grant = one.election->grant;
    protection.witnesses = one.election->grant == Grant::kWitness ? one.election->witness : std::vector<std::string>{};
    protection.fences = one.election->grant == Grant::kFollow ? std::vector<std::string>{} : one.election->fence;
    protection.own_fences = own_fences_of(config, *one.election);
    protection.watchdog = one.election->grant == Grant::kFollow ? std::string() : config.daemon.watchdog;
    protection.preempt = one.election->preempt;
    protection.resume_alone = one.election->resume_alone;
    protection.times = times_of(config, one);
    describe(protection);
    all.push_back(std::move(protection));
  }
  return all;
}

void lint_promotion_times(const Document& document, const Config& config, Report& report) {
  for (const Promoting& one : promoting(config)) TimesLint(document, config, one, report).run();
}

}  // namespace baton::config
