#include "config/plugin_section.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <map>
#include <span>
#include <utility>

#include "config/hash.h"
#include "config/keepalived_words.h"
#include "config/section_reader.h"

namespace baton::config {
namespace {

using namespace std::chrono_literals;

/// What each kind of reference needs of a module: one of these.
struct Need {
  std::string_view reference;
  std::array<std::optional<PluginVerb>, 2> verbs;
};
constexpr auto kNeeds = std::to_array<Need>({
    {"check", {PluginVerb::kProbe, std::nullopt}},
    {"follow_up", {PluginVerb::kEnter, PluginVerb::kLeave}},
    {"notify", {PluginVerb::kNotify, std::nullopt}},
    {"promote", {PluginVerb::kPromote, std::nullopt}},
    {"follow", {PluginVerb::kProbe, std::nullopt}},
    {"witness", {PluginVerb::kAcquire, std::nullopt}},
    {"fence", {PluginVerb::kFence, std::nullopt}},
});

std::string verbs_text(VerbSet verbs) {
  std::string text;
  for (std::size_t i = 0; i < kPluginVerbs; ++i) {
    const auto verb = static_cast<PluginVerb>(i);
    if (verbs.has(verb)) text += (text.empty() ? "" : ", ") + std::string(verb_token(verb));
  }
  return text.empty() ? "no verb at all" : text;
}

/// A module's name, or the absolute path of one elsewhere.
Value<std::string> parse_module(std::string_view text) {
  if (text.starts_with('/')) return parse_path(text);
  if (text.find('/') != std::string_view::npos) {
    return bad_value(Code::kBadValue, quoted(text) + " is neither a name nor an absolute path",
                     "write the name of a module in the plugin directory, or a path from / on");
  }
  return parse_name(text);
}

Value<std::int64_t> parse_signed(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc::result_out_of_range) return bad_value(Code::kOutOfRange, quoted(text) + " is too large");
  if (error != std::errc{} || end != text.data() + text.size()) {
    return bad_value(Code::kBadValue, quoted(text) + " is no whole number");
  }
  return value;
}

std::optional<ValueError> within(const ModuleKey& key, std::string_view text, std::int64_t value) {
  if (key.minimum == 0 && key.maximum == 0) return std::nullopt;
  if (value >= key.minimum && value <= key.maximum) return std::nullopt;
  const auto words = [&](std::int64_t limit) {
    return key.type == ModuleKeyType::kDuration ? duration_text(Nanos{limit}) : std::to_string(limit);
  };
  return ValueError{
      Code::kOutOfRange, std::string(text) + " is not within " + words(key.minimum) + " to " + words(key.maximum), {}};
}

template <class T>
std::optional<ValueError> trouble_of(const Value<T>& value) {
  return value ? std::nullopt : std::optional<ValueError>{value.error()};
}

std::optional<ValueError> check_secret_form(std::string_view text) {
  if (text.starts_with('/')) return trouble_of(parse_path(text));
  const bool is_file_name = text.find('/') == std::string_view::npos && text != "." && text != "..";
  if (is_file_name) return std::nullopt;
  return ValueError{Code::kBadValue, "the secret's file is expected here",
                    "write an absolute path, or the name of a systemd credential"};
}

/// Reads one section.
class PluginReader : private SectionReader {
 public:
  PluginReader(const Section& section, const ParseOptions& options, Report& report)
      : SectionReader(options.host, report), section_(section), options_(options) {}

  Plugin run() {
    plugin_.name = section_.name;
    plugin_.defined_at = report_.text(section_.place);
    read_own_keys();
    gather();
    if (options_.modules == nullptr || plugin_.module.empty()) {
      take_all();
    } else if (auto module = options_.modules->describe(plugin_.module)) {
      with(*module);
    } else {
      report_module(module.error());
    }
    return std::move(plugin_);
  }

 private:
  void read_own_keys() {
    one(section_, "module", parse_module, [&](const std::string& name) { plugin_.module = name; });
    duration(section_, "interval", 10ms, 1h, plugin_.interval);
    plugin_.timeout = std::min<Nanos>(plugin_.interval, 1s);
    duration(section_, "timeout", 1ms, 1h, plugin_.timeout);
    if (plugin_.timeout > plugin_.interval) {
      const Entry* entry = section_.find("timeout", host_);
      if (entry != nullptr) {
        report(*entry, {Code::kOutOfRange,
                        std::string(entry->value) + " is longer than the interval, " + duration_text(plugin_.interval),
                        "a probe ends before the next one begins: lengthen the interval or shorten the timeout"});
      }
    }
    number(section_, "rise", 1, 100, plugin_.rise);
    number(section_, "fall", 1, 100, plugin_.fall);
    one(section_, "user", parse_name, [&](const std::string& name) { plugin_.user = name; });
    duration(section_, "deadline", 1s, 1h, plugin_.deadline);
  }

  /// The entries of the module's own keys, by key, those of other hosts left out.
  void gather() {
    for (const Entry& entry : section_.entries) {
      if (entry.spec != nullptr) continue;
      const auto [position, is_new] = entries_.try_emplace(entry.key);
      if (is_new) order_.push_back(entry.key);
      if (entry.host.empty() || entry.host == host_) position->second.push_back(&entry);
    }
  }

  /// Of a list: from the last empty value on.
  static std::vector<const Entry*> items(const std::vector<const Entry*>& entries) {
    std::vector<const Entry*> list;
    for (const Entry* entry : entries) {
      if (entry->value.empty()) {
        list.clear();
      } else {
        list.push_back(entry);
      }
    }
    return list;
  }

  /// Nobody knows what the keys mean: they are kept as lists.
  void take_all() {
    for (const std::string_view key : order_) {
      const auto& entries = entries_.at(key);
      if (entries.empty()) continue;
      Setting setting{.key = std::string(key)};
      for (const Entry* entry : items(entries)) setting.values.emplace_back(entry->value);
      plugin_.settings.push_back(std::move(setting));
    }
  }

  void report_module(const Error& error) {
    const Entry& entry = *section_.find("module", host_);
    std::string help;
    if (!entry.value.starts_with('/')) {
      const std::vector<std::string> names = options_.modules->names();
      const std::vector<std::string_view> views(names.begin(), names.end());
      const bool is_there = std::find(views.begin(), views.end(), entry.value) != views.end();
      if (!is_there) help = did_you_mean(entry.value, views);
      if (!is_there && help.empty()) help = "`batonctl plugin list` shows the modules there are";
    }
    report_.add(Code::kBadModule, entry.value_place, "module: " + error.message(), std::move(help));
  }

  void with(const Module& module) {
    if (module.act_user == "root") {
      report_.add(Code::kBadModule, section_.find("module", host_)->value_place,
                  "module: " + quoted(plugin_.module) + " wants to act as root, which a module may not ask for",
                  "if it must, write user = root in the section");
      return;
    }
    plugin_.about = {.path = module.path,
                     .act_user = module.act_user,
                     .needs = module.own ? module.needs : 0,
                     .own = module.own,
                     .verbs = module.verbs};
    report_unknown(module);
    for (const ModuleKey& key : module.keys) read_key(key);
    if (module.checks_settings && is_sound_ && is_complete_ && may_ask()) ask(module);
  }

  void report_unknown(const Module& module) {
    for (const std::string_view name : order_) {
      const bool known =
          std::any_of(module.keys.begin(), module.keys.end(), [&](const ModuleKey& key) { return key.name == name; });
      if (known) continue;
      is_sound_ = false;
      std::vector<std::string_view> names;
      for (const ModuleKey& key : module.keys) names.push_back(key.name);
      for (const KeySpec& spec : key_table()) {
        if (spec.section == SectionType::kPlugin) names.push_back(spec.name);
      }
      std::string help = keepalived_help(name);
      if (help.empty() && !report_.full()) help = did_you_mean(name, names);
      if (help.empty()) help = "`batonctl plugin help " + plugin_.module + "` shows the keys";
      for (const Entry& entry : section_.entries) {
        if (entry.spec != nullptr || entry.key != name) continue;
        Place place = entry.key_place;
        place.width = static_cast<std::uint32_t>(name.size());
        report_.add(Code::kUnknownKey, place, "module " + quoted(plugin_.module) + " has no key " + quoted(name), help);
      }
    }
  }

  void refuse(const Entry& entry, const ValueError& error) {
    is_sound_ = false;
    report(entry, error);
  }

  void read_key(const ModuleKey& key) {
    const auto found = entries_.find(key.name);
    const bool is_set = found != entries_.end() && !found->second.empty();
    if (!is_set) return read_default(key, found != entries_.end());
    const std::vector<const Entry*> entries = key.list ? items(found->second) : single(key, found->second);
    if (entries.empty() && !key.list) return;
    Setting setting{.key = key.name, .is_secret = key.type == ModuleKeyType::kSecret};
    if (entries.empty() && key.required) report_missing(key, "is emptied but needed");
    for (const Entry* entry : entries) {
      if (const auto error = check_value(key, entry->value)) {
        refuse(*entry, *error);
      } else {
        setting.values.emplace_back(entry->value);
      }
    }
    if (setting.is_secret) read_secrets(key, setting, entries);
    plugin_.settings.push_back(std::move(setting));
  }

  /// key@HOST before key; each once.
  std::vector<const Entry*> single(const ModuleKey& key, const std::vector<const Entry*>& entries) {
    const Entry* general = nullptr;
    const Entry* special = nullptr;
    for (const Entry* entry : entries) {
      const Entry*& slot = entry->host.empty() ? general : special;
      if (slot != nullptr) {
        is_sound_ = false;
        report_.add(Code::kDuplicateKey, entry->key_place,
                    quoted(key.name) + " is set already, at " + report_.text(slot->key_place),
                    "the module takes one value: remove one of them");
        continue;
      }
      if (entry->value.empty()) {
        is_sound_ = false;
        report_.add(Code::kEmptyValue, entry->value_place, quoted(key.name) + " has no value",
                    key.has_default ? "the default is " + key.default_text : "");
        continue;
      }
      slot = entry;
    }
    const Entry* counting = special != nullptr ? special : general;
    return counting == nullptr ? std::vector<const Entry*>{} : std::vector<const Entry*>{counting};
  }

  void read_default(const ModuleKey& key, bool is_elsewhere) {
    if (key.has_default) {
      if (key.type == ModuleKeyType::kSecret) return read_default_secret(key);
      plugin_.settings.push_back({.key = key.name, .values = {key.default_text}});
    } else if (key.required) {
      report_missing(key, is_elsewhere ? "is not set on host " + host_ : "is missing");
    }
  }

  void read_default_secret(const ModuleKey& key) {
    Setting setting{.key = key.name, .values = {key.default_text}, .is_secret = true};
    Entry entry;
    entry.key = key.name;
    entry.value = key.default_text;
    entry.key_place = entry.value_place = section_.place;
    read_secrets(key, setting, {&entry});
    plugin_.settings.push_back(std::move(setting));
  }

  void report_missing(const ModuleKey& key, const std::string& what) {
    is_sound_ = false;
    report_.add(Code::kMissingKey, section_.place,
                "[" + section_.title() + "]: " + quoted(key.name) + ", which module " + quoted(plugin_.module) +
                    " needs, " + what,
                key.help);
  }

  void read_secrets(const ModuleKey& key, Setting& setting, const std::vector<const Entry*>& entries) {
    Secret secret{.key = setting.key, .contents = {}, .acts_only = key.acts_only};
    for (const Entry* entry : entries) {
      if (auto text = read_one(*entry)) secret.contents.push_back(std::move(*text));
    }
    if (secret.contents.size() != entries.size()) {
      is_complete_ = false;
      return;
    }
    std::string all;
    for (const std::string& text : secret.contents) all += text + '\0';
    setting.digest = secret_digest(section_.name, setting.key, all);
    plugin_.secrets.push_back(std::move(secret));
  }

  /// nullopt: not to be read here, or reported.
  std::optional<std::string> read_one(const Entry& entry) {
    const bool is_path = entry.value.starts_with('/');
    Place place = entry.value_place;
    // What is no path may be the secret itself, written into the file by mistake.
    place.is_secret = !is_path;
    const auto refuse_secret = [&](std::string message, std::string help = {}) {
      is_sound_ = false;
      report_.add(Code::kBadSecret, place, std::string(entry.key) + ": " + std::move(message), std::move(help));
      return std::nullopt;
    };
    if (check_secret_form(entry.value) || !options_.read_secret) return std::nullopt;
    if (!is_path && !options_.credentials_directory) {
      report_.add(Code::kSecretUnread, place,
                  std::string(entry.key) + ": the credential can be read by the daemon alone",
                  "a file is named by its path, from / on");
      return std::nullopt;
    }
    if (!is_path && options_.credentials_directory->empty()) {
      return refuse_secret("this is no path, and systemd gave this service no credentials",
                           "write the absolute path of a file, or add LoadCredential=NAME:PATH to the unit");
    }
    const std::string path =
        is_path ? std::string(entry.value) : *options_.credentials_directory + "/" + std::string(entry.value);
    auto secret = options_.read_secret(path);
    if (!secret) {
      // The line is shown without its value, whoever's fault it is: the path is no secret.
      if (is_path) return refuse_secret(path + ": " + secret.error().message());
      return refuse_secret("systemd gave this service no such credential", "add LoadCredential=NAME:PATH to the unit");
    }
    std::string text = std::move(secret->text);
    if (!text.empty() && text.back() == '\n') text.pop_back();
    if (text.empty()) return refuse_secret("the file is empty");
    if (text.find('\0') != std::string::npos) return refuse_secret("the file holds a NUL byte");
    if (secret->others_may_read && is_path) {
      report_.add(Code::kSecretReadable, place, std::string(entry.key) + ": others than the owner may read the file",
                  "chmod 600 " + path);
    }
    return text;
  }

  /// Other hosts read the same section: without lines of their own the answer is the same.
  bool may_ask() const {
    return !options_.is_other_host || std::any_of(section_.entries.begin(), section_.entries.end(),
                                                  [](const Entry& entry) { return !entry.host.empty(); });
  }

  void ask(const Module& module) {
    ModuleSettings settings;
    for (const Setting& setting : plugin_.settings) settings.emplace_back(setting.key, contents(setting));
    const auto complaints = options_.modules->check_settings(module, section_.name, host_, settings);
    if (!complaints) {
      report_.add(Code::kBadModule, section_.find("module", host_)->value_place,
                  "module: " + complaints.error().message());
      return;
    }
    for (const ModuleComplaint& complaint : *complaints) {
      const auto found = entries_.find(complaint.key);
      const bool has_line = found != entries_.end() && !found->second.empty();
      const Place& place = has_line ? found->second.back()->value_place : section_.place;
      const std::string subject = complaint.key.empty() ? "[" + section_.title() + "]" : complaint.key;
      report_.add(Code::kModuleComplaint, place, subject + ": " + complaint.message,
                  "`batonctl plugin help " + plugin_.module + "` is the module's manual");
    }
  }

  std::vector<std::string> contents(const Setting& setting) const {
    const auto secret = std::find_if(plugin_.secrets.begin(), plugin_.secrets.end(),
                                     [&](const Secret& one) { return one.key == setting.key; });
    return secret == plugin_.secrets.end() ? setting.values : secret->contents;
  }

  const Section& section_;
  const ParseOptions& options_;
  Plugin plugin_;
  std::map<std::string_view, std::vector<const Entry*>> entries_;
  std::vector<std::string_view> order_;
  bool is_sound_ = true;     ///< nothing was reported: the module may be asked
  bool is_complete_ = true;  ///< all secrets were read
};

}  // namespace

std::optional<ValueError> check_value(const ModuleKey& key, std::string_view text) {
  switch (key.type) {
    case ModuleKeyType::kText: return std::nullopt;
    case ModuleKeyType::kBoolean: return trouble_of(parse_boolean(text));
    case ModuleKeyType::kPath: return trouble_of(parse_path(text));
    case ModuleKeyType::kWord: return trouble_of(parse_word(text, key.domain));
    case ModuleKeyType::kSecret: return check_secret_form(text);
    case ModuleKeyType::kInteger: {
      const auto value = parse_signed(text);
      return value ? within(key, text, *value) : std::optional<ValueError>{value.error()};
    }
    case ModuleKeyType::kDuration: {
      const auto value = parse_duration(text);
      return value ? within(key, text, value->count()) : std::optional<ValueError>{value.error()};
    }
    case ModuleKeyType::kAddress:
      if (IpAddress::parse(text)) return std::nullopt;
      return ValueError{Code::kBadValue, quoted(text) + " is no IPv4 or IPv6 address",
                        "names are not resolved: write the address in numbers"};
  }
  return std::nullopt;
}

std::optional<VerbTrouble> lacking_verb(const Plugin& plugin, std::string_view reference) {
  const auto* need =
      std::find_if(kNeeds.begin(), kNeeds.end(), [&](const Need& one) { return one.reference == reference; });
  if (need == kNeeds.end() || plugin.about.path.empty()) return std::nullopt;
  std::string wanted;
  for (const auto& verb : need->verbs) {
    if (!verb) continue;
    if (plugin.about.verbs.has(*verb)) return std::nullopt;
    wanted += (wanted.empty() ? "" : " and no ") + quoted(verb_token(*verb));
  }
  return VerbTrouble{std::move(wanted), verbs_text(plugin.about.verbs)};
}

Plugin read_plugin(const Section& section, const ParseOptions& options, Report& report) {
  return PluginReader(section, options, report).run();
}

}  // namespace baton::config
