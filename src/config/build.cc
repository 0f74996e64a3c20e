#include "config/build.h"

#include <algorithm>
#include <array>
#include <set>

#include "config/plugin_section.h"
#include "config/section_reader.h"

namespace baton::config {
namespace {

using namespace std::chrono_literals;

constexpr Nanos kDay = 24h;
constexpr std::size_t kLeastPeerKey = 16;  // 128 bits, if they are random

/// "" = off.
Value<std::string> parse_metrics_listen(std::string_view text) {
  if (text == "off") return std::string();
  const auto listener = parse_listener(text);
  if (!listener) return Unexpected<ValueError>{listener.error()};
  return std::string(text);
}

class Builder : private SectionReader {
 public:
  Builder(const Document& document, const ParseOptions& options, Report& report)
      : SectionReader(options.host, report), document_(document), options_(options) {}

  Config run() {
    config_.host = host_;
    each(SectionType::kPeer, [&](const Section& section) { read_peer(section); });
    each(SectionType::kDaemon, [&](const Section& section) { read_daemon(section); });
    each(SectionType::kPlugin,
         [&](const Section& section) { config_.plugins.push_back(read_plugin(section, options_, report_)); });
    each(SectionType::kInstance, [&](const Section& section) { read_instance(section); });
    each(SectionType::kGroup, [&](const Section& section) { read_group(section); });
    check_users();
    return std::move(config_);
  }

 private:
  template <class Use>
  void each(SectionType type, Use use) {
    for (const Section& section : document_.sections) {
      if (section.type != type) continue;
      check_keys(section);
      use(section);
    }
  }

  /// Keys that are needed, and keys that this build cannot serve.
  void check_keys(const Section& section) {
    for (const KeySpec& spec : key_table()) {
      if (spec.section != section.type) continue;
      const bool present =
          spec.list ? !section.list(spec.name, host_).empty() : section.find(spec.name, host_) != nullptr;
      if (spec.required && !present) {
        const bool elsewhere = section.any(spec.name) != nullptr;
        report_.add(Code::kMissingKey, section.place,
                    "[" + section.title() + "] has no " + quoted(spec.name) + (elsewhere ? " on host " + host_ : ""),
                    std::string(spec.help));
      }
      if (!present || spec.support == Support::kFull) continue;
      if (spec.list) {
        for (const Entry* entry : section.list(spec.name, host_)) check_support(*entry);
      } else {
        check_support(*section.find(spec.name, host_));
      }
    }
  }

  void check_support(const Entry& entry) {
    const KeySpec& spec = *entry.spec;
    const auto same = [&](const auto& parse) {
      const auto value = parse(entry.value);
      const auto standard = parse(spec.default_text);
      return value && standard && *value == *standard;
    };
    const bool is_default = spec.type == ValueType::kBoolean    ? same(parse_boolean)
                            : spec.type == ValueType::kDuration ? same(parse_duration)
                                                                : entry.value == spec.default_text;
    if (is_default) return;
    std::string help = "remove the line";
    if (!spec.default_text.empty()) help = "write " + std::string(spec.default_text) + " or remove the line";
    report_.add(Code::kNotAvailable, entry.key_place, quoted(spec.name) + " is not available in this build yet",
                std::move(help));
  }

  void read_peer(const Section& section) {
    Peer peer{.host = section.name, .addresses = {}, .defined_at = report_.text(section.place)};
    many(section, "address", parse_address, [&](const Entry& entry, const IpAddress& address) {
      add_once(peer.addresses, address, entry, address.text());
    });
    config_.peers.push_back(std::move(peer));
  }

  void read_daemon(const Section& section) {
    Daemon& daemon = config_.daemon;
    word(section, "log_level", [&](std::size_t i) { daemon.log_level = static_cast<LogLevel>(i); });
    one(section, "log_file", parse_path, [&](const std::string& path) { daemon.log_file = path; });
    flag(section, "realtime", daemon.realtime);
    flag(section, "memory_lock", daemon.memory_lock);
    many(section, "peer_key_file", parse_path, [&](const Entry& entry, const std::string& path) {
      const std::size_t before = daemon.peer_key_files.size();
      add_once(daemon.peer_key_files, path, entry, path);
      if (daemon.peer_key_files.size() > before) read_peer_key(entry, path);
    });
    number(section, "peer_port", 1, 65535, daemon.peer_port);
    one(section, "metrics_listen", parse_metrics_listen,
        [&](const std::string& text) { daemon.metrics_listen = text; });
    number(section, "history_limit", 10, 100000, daemon.history_limit);
    duration(section, "recorder", 0s, 1h, daemon.recorder);
    one(section, "watchdog", parse_path, [&](const std::string& path) { daemon.watchdog = path; });
    duration(section, "watchdog_timeout", 2s, 1h, daemon.watchdog_timeout);
    if (daemon.watchdog_timeout % 1s != Nanos{0}) {
      report(*section.find("watchdog_timeout", host_), {Code::kBadValue, "watchdogs count whole seconds", {}});
    }
  }

  /// True if `name` is a [plugin] that can do what `entry` asks (`use`: what for); reports it otherwise.
  bool check_plugin(const Entry& entry, const std::string& name, std::string_view use) {
    Place place = entry.value_place;
    place.width = static_cast<std::uint32_t>(name.size());
    const auto plugin = std::find_if(config_.plugins.begin(), config_.plugins.end(),
                                     [&](const Plugin& candidate) { return candidate.name == name; });
    if (plugin == config_.plugins.end()) {
      std::vector<std::string_view> names;
      for (const Plugin& candidate : config_.plugins) names.push_back(candidate.name);
      std::string help = report_.full() ? std::string() : did_you_mean(name, names);
      if (help.empty()) help = "add a section [plugin " + name + "]";
      report_.add(Code::kUndefined, place, std::string(entry.key) + ": there is no [plugin " + name + "]",
                  std::move(help));
      return false;
    }
    if (const auto trouble = lacking_verb(*plugin, use)) {
      report_.add(Code::kMissingVerb, place,
                  std::string(entry.key) + ": module " + quoted(plugin->module) + " of [plugin " + name +
                      "] cannot do that: it has no " + trouble->wanted,
                  "it has " + trouble->has);
      return false;
    }
    if (entry.key == "check" || entry.key == "promote") probing_.insert(name);
    if (entry.key != "check") acting_.insert(name);
    return true;
  }

  /// Those that run must have somebody to run as, and that is nobody who could end or imitate Baton's own processes.
  void check_users() {
    for (const Plugin& plugin : config_.plugins) {
      const Section& section = *document_.find(SectionType::kPlugin, plugin.name);
      const Entry* const entry = section.find("user", host_);
      if (is_own_user(entry != nullptr ? plugin.user : plugin.about.act_user)) {
        report_.add(Code::kBadUser, (entry != nullptr ? entry : section.find("module", host_))->value_place,
                    entry != nullptr ? "user: " + quoted(plugin.user) + " is who a process of Baton's own runs as"
                                     : "module: " + quoted(plugin.module) + " wants to act as " +
                                           quoted(plugin.about.act_user) + ", as a process of Baton's own does",
                    "a plugin could end it: write the name of another user");
        continue;
      }
      if (plugin.about.path.empty() || !options_.user_exists) continue;
      if (entry != nullptr) {
        check_user(plugin.user, entry->value_place, "user: there is no user " + quoted(plugin.user) + " on this host");
        continue;
      }
      const auto check_default = [&](const std::string& user, std::string_view what) {
        check_user(user, section.place,
                   "[" + section.title() + "] " + std::string(what) + " as " + quoted(user) +
                       ", and there is no such user on this host");
      };
      if (probing_.contains(plugin.name)) check_default(plugin.probe_user(), "probes");
      if (acting_.contains(plugin.name)) check_default(plugin.act_user(), "acts");
    }
  }

  static bool is_own_user(std::string_view user) {
    return user == "baton-engine" || user == "baton-steward" || user == "baton-scribe";
  }

  void check_user(const std::string& user, const Place& place, std::string message) {
    if (user.empty() || options_.user_exists(user)) return;
    report_.add(
        Code::kBadUser, place, std::move(message),
        "make it with: useradd --system --no-create-home --shell /usr/sbin/nologin " + user + ", or write user = NAME");
  }

  void references(const Section& section, std::string_view key, std::vector<std::string>& out,
                  std::string_view use = {}) {
    many(section, key, parse_name, [&](const Entry& entry, const std::string& name) {
      if (check_plugin(entry, name, use.empty() ? key : use)) add_once(out, name, entry, name);
    });
  }

  static Value<Priority> parse_priority(std::string_view text) {
    if (text == "255")
      return bad_value(Code::kOutOfRange, "255 is the owner's priority",
                       "write owner = yes if the addresses are this host's own");
    if (text == "0") return bad_value(Code::kOutOfRange, "0 is sent to resign and cannot be configured", "1 to 254");
    const auto value = parse_integer(text, 1, 254);
    if (!value) return Unexpected<ValueError>{value.error()};
    return Priority{static_cast<std::uint8_t>(*value)};
  }

  Election read_election(const Section& section) {
    Election election;
    one(section, "priority", parse_priority, [&](Priority value) { election.priority = value; });
    flag(section, "preempt", election.preempt);
    duration(section, "preempt_delay", 0s, kDay, election.preempt_delay);
    duration(section, "startup_delay", 0s, kDay, election.startup_delay);
    many(section, "check", parse_check, [&](const Entry& entry, CheckReference check) {
      if (!check_plugin(entry, check.plugin, entry.key)) return;
      if (check.relative && config_.daemon.peer_key_files.empty()) {
        report_.add(Code::kNoEffect, entry.value_place,
                    "check: `relative` does nothing without `peer_key_file`: the hosts do not talk to each other");
        check.relative = false;
      }
      const bool twice = std::any_of(election.checks.begin(), election.checks.end(),
                                     [&](const CheckReference& other) { return other.plugin == check.plugin; });
      if (twice) {
        report_.add(Code::kDuplicateItem, entry.value_place, "check: " + check.plugin + " is listed already");
      } else {
        election.checks.push_back(check);
      }
    });
    word(section, "grant", [&](std::size_t i) { election.grant = static_cast<Grant>(i); });
    references(section, "promote", election.promote, election.grant == Grant::kFollow ? "follow" : "promote");
    references(section, "follow_up", election.follow_up);
    references(section, "notify", election.notify);
    references(section, "witness", election.witness);
    references(section, "fence", election.fence);
    number(section, "min_gap", 0, 253, election.min_gap);
    optional_duration(section, "takeover_wait", "auto", 0s, kDay, election.takeover_wait);
    word(section, "on_isolation", [&](std::size_t i) { election.demote_on_isolation = i == 0; });
    word(section, "on_unknown", [&](std::size_t i) { election.release_on_unknown = i == 0; });
    word(section, "resume_alone", [&](std::size_t i) { election.resume_alone = i == 0; });
    duration(section, "cooldown", 0s, kDay, election.cooldown);
    one(section, "promotion_budget", parse_budget, [&](const Budget& budget) {
      election.promotion_budget = budget.count;
      election.promotion_budget_window = budget.window;
    });
    // With a witness the watchdog comes before the end of the grant.
    if (!election.promote.empty() && election.grant != Grant::kWitness && !config_.daemon.watchdog.empty()) {
      election.takeover_least = config_.daemon.watchdog_timeout + kWatchdogSlack;
    }
    if (!election.promote.empty() && election.grant != Grant::kFollow) {
      // A database moves when its host is lost or an operator says so, and comes back only with proof.
      if (section.find("preempt", host_) == nullptr) election.preempt = false;
      if (section.find("resume_alone", host_) == nullptr) election.resume_alone = false;
      if (section.find("on_isolation", host_) == nullptr) election.demote_on_isolation = true;
    }
    return election;
  }

  void optional_duration(const Section& section, std::string_view key, std::string_view none, Nanos low, Nanos high,
                         std::optional<Nanos>& out) {
    const Entry* entry = section.find(key, host_);
    if (entry == nullptr) return;
    if (entry->value == none) {
      out.reset();
      return;
    }
    const auto value = parse_within(entry->value, low, high);
    if (!value) return report(*entry, value.error());
    out = *value;
  }

  void read_instance(const Section& section) {
    Instance instance;
    instance.name = section.name;
    instance.defined_at = report_.text(section.place);
    instance.election = read_election(section);
    one(section, "interface", parse_interface, [&](const std::string& name) { instance.interface = name; });
    one(
        section, "virtual_router_id", [](std::string_view text) { return parse_integer(text, 1, 255); },
        [&](std::uint64_t value) { instance.vrid = Vrid{static_cast<std::uint8_t>(value)}; });
    one(
        section, "version", [](std::string_view text) { return parse_integer(text, 2, 3); },
        [&](std::uint64_t value) { instance.version = static_cast<vrrp::Version>(value); });
    flag(section, "owner", instance.owner);
    one(
        section, "advertisement_interval",
        [&](std::string_view text) { return parse_interval(text, instance.version); },
        [&](Nanos value) { instance.advertisement_interval = value; });
    read_addresses(section, instance);
    read_sources(section, instance);
    read_unicast(section, instance);
    word(section, "checksum", [&](std::size_t i) { instance.checksum = static_cast<Checksum>(i); });
    one(section, "password_file", parse_path, [&](const std::string& path) { instance.password_file = path; });
    if (!instance.password_file.empty()) read_password(*section.find("password_file", host_), instance);
    flag(section, "accept", instance.accept);
    read_announcing(section, instance);
    config_.instances.push_back(std::move(instance));
  }

  /// RFC 9568 §5.2.7 and erratum 8301 (F-06): 1..4095 whole centiseconds; RFC 3768 §5.3.7: whole seconds.
  static Value<Nanos> parse_interval(std::string_view text, vrrp::Version version) {
    const auto value = parse_duration(text);
    if (!value) return value;
    if (version == vrrp::Version::kV2) {
      if (*value % 1s == Nanos{0} && *value >= 1s && *value <= 255s) return value;
      return bad_value(Code::kBadInterval,
                       std::string(text) + " is not a whole number of seconds from 1s to 255s, as VRRPv2 sends it");
    }
    if (*value < 10ms || *value > 40950ms) {
      return bad_value(Code::kBadInterval, std::string(text) + " is not within 10ms to 40.95s");
    }
    if (*value % 10ms == Nanos{0}) return value;
    const Nanos below = *value / 10ms * 10ms;
    return bad_value(Code::kBadInterval, std::string(text) + " is not a whole number of centiseconds",
                     "write " + duration_text(below) + " or " + duration_text(below + 10ms));
  }

  void read_addresses(const Section& section, Instance& instance) {
    std::set<IpAddress> seen;
    const auto read = [&](std::string_view key, std::vector<Prefix>& out) {
      many(section, key, parse_prefix, [&](const Entry& entry, const Prefix& prefix) {
        if (seen.insert(prefix.address).second) {
          out.push_back(prefix);
        } else {
          report_.add(Code::kDuplicateItem, entry.value_place,
                      std::string(key) + ": " + prefix.address.text() + " is listed already");
        }
      });
    };
    read("address", instance.addresses);
    read("extra_address", instance.extra_addresses);
    // RFC 9568 §5.2.9 (F-02): the first IPv6 address is the virtual router's link-local.
    const auto first_v6 = std::find_if(instance.addresses.begin(), instance.addresses.end(),
                                       [](const Prefix& prefix) { return prefix.address.is_ipv6(); });
    if (first_v6 == instance.addresses.end() || instance.owner) return;
    const bool has_link_local =
        std::any_of(instance.addresses.begin(), instance.addresses.end(),
                    [](const Prefix& prefix) { return prefix.address.is_ipv6() && prefix.address.is_link_local(); });
    if (!has_link_local) instance.addresses.insert(first_v6, derived_link_local(instance.vrid));
  }

  void read_sources(const Section& section, Instance& instance) {
    many(section, "source_address", parse_address, [&](const Entry& entry, const IpAddress& address) {
      std::optional<IpAddress>& slot = address.is_ipv6() ? instance.source_address_v6 : instance.source_address_v4;
      if (slot) {
        report_.add(Code::kBadSource, entry.value_place, "source_address: there is one of this family already");
      } else if (address.is_ipv6() && !address.is_link_local()) {
        report_.add(Code::kBadSource, entry.value_place,
                    "source_address: " + address.text() + " is not link-local, as the source of IPv6 adverts must be");
      } else {
        slot = address;
      }
    });
  }

  void read_unicast(const Section& section, Instance& instance) {
    many(section, "unicast_source", parse_address, [&](const Entry& entry, const IpAddress& address) {
      const bool twice = std::any_of(instance.unicast_source.begin(), instance.unicast_source.end(),
                                     [&](const IpAddress& other) { return other.family() == address.family(); });
      if (twice) {
        report_.add(Code::kBadSource, entry.value_place, "unicast_source: there is one of this family already");
      } else {
        instance.unicast_source.push_back(address);
      }
    });
    std::set<IpAddress> own(instance.unicast_source.begin(), instance.unicast_source.end());
    for (const Peer& peer : config_.peers) {
      if (peer.host == host_) own.insert(peer.addresses.begin(), peer.addresses.end());
    }
    std::set<IpAddress> seen;
    many(section, "unicast_peer", parse_unicast_peer, [&](const Entry& entry, const UnicastPeer& peer) {
      if (!seen.insert(peer.address).second) {
        report_.add(Code::kDuplicateItem, entry.value_place,
                    "unicast_peer: " + peer.address.text() + " is listed already");
      } else if (!own.contains(peer.address)) {
        instance.unicast_peers.push_back(peer);
      }
    });
    instance.unicast = !section.list("unicast_source", host_).empty() || !section.list("unicast_peer", host_).empty();
  }

  /// A key is what the file holds, without a final newline: `openssl rand -hex 32 > FILE`.
  void read_peer_key(const Entry& entry, const std::string& path) {
    if (!options_.read_secret) return;
    auto secret = options_.read_secret(path);
    const auto refuse = [&](std::string message) {
      report_.add(Code::kBadSecret, entry.value_place, "peer_key_file: " + std::move(message),
                  "openssl rand -hex 32 > " + path);
    };
    if (!secret) return refuse(secret.error().message());
    std::string text = std::move(secret->text);
    if (!text.empty() && text.back() == '\n') text.pop_back();
    if (text.size() < kLeastPeerKey) {
      return refuse("a key of " + std::to_string(text.size()) + " bytes is too short; at least " +
                    std::to_string(kLeastPeerKey));
    }
    if (secret->others_may_read) {
      report_.add(Code::kSecretReadable, entry.value_place, "peer_key_file: others than the owner may read it",
                  "chmod 600 " + path);
    }
    config_.daemon.peer_keys.push_back(std::move(text));
  }

  void read_password(const Entry& entry, Instance& instance) {
    if (!options_.read_secret) return;
    auto secret = options_.read_secret(instance.password_file);
    const auto refuse = [&](std::string message) {
      report_.add(Code::kBadSecret, entry.value_place, "password_file: " + std::move(message));
    };
    if (!secret) return refuse(secret.error().message());
    std::string text = std::move(secret->text);
    if (!text.empty() && text.back() == '\n') text.pop_back();
    if (text.empty()) return refuse("the file holds no password");
    if (text.find('\n') != std::string::npos) return refuse("the file has more than one line");
    if (text.find('\0') != std::string::npos) return refuse("the password holds a NUL byte");
    if (text.size() > vrrp::kV2AuthSize) {
      return refuse("the password is longer than the 8 bytes that VRRPv2 sends");
    }
    if (secret->others_may_read) {
      report_.add(Code::kSecretReadable, entry.value_place, "password_file: others than the owner may read it",
                  "chmod 600 " + instance.password_file);
    }
    instance.password = std::move(text);
  }

  void read_announcing(const Section& section, Instance& instance) {
    word(section, "announce", [&](std::size_t i) { instance.announce = static_cast<Announce>(i); });
    number(section, "announce_count", 1, 60, instance.announce_count);
    optional_duration(section, "announce_interval", "auto", 0s, 1s, instance.announce_interval);
    duration(section, "announce_delay", 0s, 1h, instance.announce_delay);
    duration(section, "announce_refresh", 0s, kDay, instance.announce_refresh);
    const Entry* lifetime = section.find("address_lifetime", host_);
    if (lifetime != nullptr && lifetime->value == "permanent") {
      instance.address_lifetime = Nanos{0};
      return;
    }
    optional_duration(section, "address_lifetime", "auto", 2s, 1h, instance.address_lifetime);
    if (instance.address_lifetime && *instance.address_lifetime % 1s != Nanos{0}) {
      report(*lifetime, {Code::kBadValue, "the kernel counts lifetimes in whole seconds", {}});
    }
  }

  void read_group(const Section& section) {
    Group group{.name = section.name,
                .members = {},
                .election = read_election(section),
                .defined_at = report_.text(section.place)};
    many(section, "member", parse_name, [&](const Entry& entry, const std::string& name) {
      const Section* target = document_.find(SectionType::kInstance, name);
      const auto found = std::find_if(config_.instances.begin(), config_.instances.end(),
                                      [&](const Instance& instance) { return instance.name == name; });
      if (target == nullptr || found == config_.instances.end()) return report_no_instance(entry, name);
      if (!found->group.empty()) {
        report_.add(found->group == group.name ? Code::kDuplicateItem : Code::kMembership, entry.value_place,
                    "member: " + name + " is a member of [group " + found->group + "] already");
        return;
      }
      found->group = group.name;
      found->election = group.election;
      group.members.push_back(name);
      for (const KeySpec& spec : key_table()) {
        if (spec.section != SectionType::kInstance || !spec.election) continue;
        if (const Entry* key = target->any(spec.name)) {
          report_.add(Code::kKeyOfGroup, key->key_place,
                      quoted(spec.name) + " cannot be set for a member of [group " + group.name + "]",
                      "move it to [group " + group.name + "], at " + group.defined_at);
        }
      }
    });
    if (document_.find(SectionType::kInstance, section.name) != nullptr) {
      report_.add(Code::kBadName, section.place, "there is an instance of this name too",
                  "commands name instances and groups alike: give one another name");
    }
    config_.groups.push_back(std::move(group));
  }

  void report_no_instance(const Entry& entry, const std::string& name) {
    std::vector<std::string_view> names;
    for (const Instance& instance : config_.instances) names.push_back(instance.name);
    report_.add(Code::kUndefined, entry.value_place, "member: there is no [instance " + name + "]",
                report_.full() ? std::string() : did_you_mean(name, names));
  }

  const Document& document_;
  const ParseOptions& options_;
  Config config_;
  std::set<std::string> probing_;  ///< plugins that a `check` refers to
  std::set<std::string> acting_;   ///< that anything else refers to
};

}  // namespace

Prefix derived_link_local(Vrid vrid) {
  const std::array<std::uint8_t, 16> bytes{0xFE, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0xBA, 0x70, 0, 0, 0, vrid.value()};
  return {IpAddress::from_bytes(bytes), 128};
}

Config build(const Document& document, const ParseOptions& options, Report& report) {
  return Builder(document, options, report).run();
}

}  // namespace baton::config
