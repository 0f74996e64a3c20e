#include "config/effective.h"

#include <array>
#include <string_view>

#include "config/keys.h"
#include "config/report.h"

namespace baton::config {
namespace {

std::string yes_no(bool value) { return value ? "yes" : "no"; }

/// The `index`th word of the key's domain, so that words are written in one place only.
std::string word_of(SectionType section, std::string_view key, std::size_t index) {
  std::string_view words = find_key(section, key)->domain;
  for (; index != 0; --index) words.remove_prefix(words.find('|') + 1);
  return std::string(words.substr(0, words.find('|')));
}

class Lines {
 public:
  explicit Lines(SectionType section) : section_(section) {}

  void add(std::string_view key, std::string value) { list_.emplace_back(key, std::move(value)); }
  void add_if(std::string_view key, const std::string& value) {
    if (!value.empty()) add(key, value);
  }
  void flag(std::string_view key, bool value) { add(key, yes_no(value)); }
  void number(std::string_view key, std::uint64_t value) { add(key, std::to_string(value)); }
  void duration(std::string_view key, Nanos value) { add(key, duration_text(value)); }
  void word(std::string_view key, std::size_t index) { add(key, word_of(section_, key, index)); }
  void names(std::string_view key, const std::vector<std::string>& values) {
    for (const std::string& value : values) add(key, value);
  }

  void election(const Election& election);

  Properties take() { return std::move(list_); }

 private:
  SectionType section_;
  Properties list_;
};

std::string check_text(const CheckReference& check) {
  std::string text = check.plugin;
  if (check.use == CheckUse::kPrefer) text += " prefer=" + std::to_string(check.prefer);
  if (check.use == CheckUse::kGate) text += " gate";
  if (check.relative) text += " relative";
  return text;
}

void Lines::election(const Election& election) {
  number("priority", election.priority.value());
  flag("preempt", election.preempt);
  duration("preempt_delay", election.preempt_delay);
  duration("startup_delay", election.startup_delay);
  for (const CheckReference& check : election.checks) add("check", check_text(check));
  names("promote", election.promote);
  names("follow_up", election.follow_up);
  names("notify", election.notify);
  word("grant", static_cast<std::size_t>(election.grant));
  names("witness", election.witness);
  names("fence", election.fence);
  add("min_gap", std::to_string(election.min_gap));
  add("takeover_wait", election.takeover_wait ? duration_text(*election.takeover_wait) : "auto");
  word("on_isolation", election.demote_on_isolation ? 0 : 1);
  word("on_unknown", election.release_on_unknown ? 0 : 1);
  word("resume_alone", election.resume_alone ? 0 : 1);
  duration("cooldown", election.cooldown);
  add("promotion_budget",
      std::to_string(election.promotion_budget) + " per " + duration_text(election.promotion_budget_window));
}

/// Unicast keys differ from host to host: this host's own address is not among its peers. A host without [peer] has no
/// name to write.
std::string on_host(const Config& config, const std::string& key) {
  return key.starts_with("unicast_") && !config.peers.empty() ? key + "@" + config.host : key;
}

void write_section(std::string& text, const std::string& header, const std::string& origin, const Properties& lines,
                   EffectiveOptions options) {
  if (!text.empty()) text += "\n";
  if (options.origins && !origin.empty()) text += "# from " + origin + "\n";
  text += "[" + header + "]\n";
  for (const auto& [key, value] : lines) text += key + " = " + value + "\n";
}

}  // namespace

std::string duration_text(Nanos duration) {
  struct Unit {
    std::int64_t nanos;
    std::string_view name;
  };
  constexpr std::array<Unit, 5> kUnits{
      {{86'400'000'000'000, "d"}, {3'600'000'000'000, "h"}, {1'000'000'000, "s"}, {1'000'000, "ms"}, {1'000, "us"}}};
  const std::int64_t nanos = duration.count();
  if (nanos == 0) return "0";
  for (const Unit& unit : kUnits) {
    if (nanos % unit.nanos == 0) return std::to_string(nanos / unit.nanos) + std::string(unit.name);
  }
  std::string fraction = std::to_string(1000 + nanos % 1000).substr(1);
  while (fraction.back() == '0') fraction.pop_back();
  return std::to_string(nanos / 1000) + "." + fraction + "us";
}

Properties properties(const Daemon& daemon) {
  Lines lines(SectionType::kDaemon);
  lines.word("log_level", static_cast<std::size_t>(daemon.log_level));
  lines.add_if("log_file", daemon.log_file);
  lines.flag("realtime", daemon.realtime);
  lines.flag("memory_lock", daemon.memory_lock);
  lines.names("peer_key_file", daemon.peer_key_files);
  lines.add("peer_port", std::to_string(daemon.peer_port));
  lines.add("metrics_listen", daemon.metrics_listen.empty() ? "off" : daemon.metrics_listen);
  lines.number("history_limit", daemon.history_limit);
  lines.duration("recorder", daemon.recorder);
  lines.add_if("watchdog", daemon.watchdog);
  lines.duration("watchdog_timeout", daemon.watchdog_timeout);
  return lines.take();
}

Properties properties(const Instance& instance) {
  Lines lines(SectionType::kInstance);
  lines.add("interface", instance.interface);
  lines.number("virtual_router_id", instance.vrid.value());
  lines.number("version", static_cast<std::uint64_t>(instance.version));
  lines.flag("owner", instance.owner);
  lines.duration("advertisement_interval", instance.advertisement_interval);
  for (const Prefix& prefix : instance.addresses) lines.add("address", prefix.text());
  for (const Prefix& prefix : instance.extra_addresses) lines.add("extra_address", prefix.text());
  if (instance.source_address_v4) lines.add("source_address", instance.source_address_v4->text());
  if (instance.source_address_v6) lines.add("source_address", instance.source_address_v6->text());
  for (const IpAddress& address : instance.unicast_source) lines.add("unicast_source", address.text());
  for (const UnicastPeer& peer : instance.unicast_peers) {
    lines.add("unicast_peer",
              peer.address.text() + (peer.min_ttl == 255 ? "" : " min_ttl=" + std::to_string(peer.min_ttl)));
  }
  lines.word("checksum", static_cast<std::size_t>(instance.checksum));
  lines.add_if("password_file", instance.password_file);
  lines.flag("accept", instance.accept);
  lines.flag("virtual_mac", false);
  lines.word("announce", static_cast<std::size_t>(instance.announce));
  lines.number("announce_count", instance.announce_count);
  lines.add("announce_interval", instance.announce_interval ? duration_text(*instance.announce_interval) : "auto");
  lines.duration("announce_delay", instance.announce_delay);
  lines.duration("announce_refresh", instance.announce_refresh);
  const auto& lifetime = instance.address_lifetime;
  lines.add("address_lifetime", !lifetime ? "auto" : *lifetime == Nanos{0} ? "permanent" : duration_text(*lifetime));
  if (instance.group.empty()) lines.election(instance.election);
  return lines.take();
}

Properties properties(const Group& group) {
  Lines lines(SectionType::kGroup);
  lines.names("member", group.members);
  lines.election(group.election);
  return lines.take();
}

Properties properties(const Plugin& plugin) {
  Lines lines(SectionType::kPlugin);
  lines.add("module", plugin.module);
  lines.duration("interval", plugin.interval);
  lines.duration("timeout", plugin.timeout);
  lines.number("rise", plugin.rise);
  lines.number("fall", plugin.fall);
  lines.add_if("user", plugin.user);
  lines.duration("deadline", plugin.deadline);
  for (const Setting& setting : plugin.settings) {
    // Of a secret, the value is only where it stands.
    const bool is_masked = !setting.is_secret && is_secret_key(setting.key);
    for (const std::string& value : setting.values) lines.add(setting.key, is_masked ? std::string(kMask) : value);
    if (setting.values.empty()) lines.add(setting.key, "");
  }
  return lines.take();
}

Properties properties(const Peer& peer) {
  Lines lines(SectionType::kPeer);
  for (const IpAddress& address : peer.addresses) lines.add("address", address.text());
  return lines.take();
}

std::string effective(const Config& config, EffectiveOptions options) {
  std::string text;
  write_section(text, "daemon", {}, properties(config.daemon), options);
  for (const Instance& instance : config.instances) {
    Properties lines = properties(instance);
    for (auto& [key, value] : lines) key = on_host(config, key);
    write_section(text, "instance " + instance.name, instance.defined_at, lines, options);
  }
  for (const Group& group : config.groups) {
    write_section(text, "group " + group.name, group.defined_at, properties(group), options);
  }
  for (const Plugin& plugin : config.plugins) {
    write_section(text, "plugin " + plugin.name, plugin.defined_at, properties(plugin), options);
  }
  for (const Peer& peer : config.peers) {
    write_section(text, "peer " + peer.host, peer.defined_at, properties(peer), options);
  }
  return text;
}

}  // namespace baton::config
