// track_script, track_interface, track_process: each a [plugin] section, and how an instance refers to it.
#include <algorithm>
#include <array>
#include <charconv>

#include "cli/keepalived_draft.h"
#include "config/values.h"

namespace baton::cli::keepalived {
namespace {

constexpr int kMaxWeight = 253;

struct Weight {
  int value = 0;
  bool reverse = false;
};

/// "weight N [reverse]" from words[at] on. nullopt: something else stands there.
std::optional<Weight> weight_of(const std::vector<std::string>& words, std::size_t at, Weight standard) {
  if (at < words.size() && words[at] == "weight") ++at;
  if (at >= words.size()) return standard;
  std::string_view text = words[at];
  if (text.starts_with('+')) text.remove_prefix(1);
  Weight weight = standard;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), weight.value);
  if (error == std::errc{} && end == text.data() + text.size()) ++at;
  if (at < words.size() && words[at] == "reverse") {
    weight.reverse = true;
    ++at;
  } else if (at < words.size() && (words[at] == "noreverse" || words[at] == "no_reverse")) {
    weight.reverse = false;
    ++at;
  }
  if (at != words.size() || weight.value < -kMaxWeight - 1 || weight.value > kMaxWeight + 1) return std::nullopt;
  weight.value = std::clamp(weight.value, -kMaxWeight, kMaxWeight);
  return weight;
}

Weight default_weight(const Statement& block, int standard) {
  const Statement* line = child(block, "weight");
  if (line == nullptr) return {standard, false};
  return weight_of(line->words, 1, {standard, false}).value_or(Weight{standard, false});
}

/// A duration of 10 ms to one hour from a line `keyword SECONDS`; `standard` without it.
std::string time_of(Draft& draft, const Statement& block, std::string_view keyword, const std::string& standard) {
  const Statement* line = child(block, keyword);
  if (line == nullptr) return standard;
  const std::string text = duration_of(argument(*line));
  const auto value = config::parse_duration(text);
  using namespace std::chrono_literals;
  if (value && *value >= 10ms && *value <= 1h) return text;
  draft.remark(*line, Outcome::kNotConverted, "not within 10ms to 1h; " + standard + " is written");
  return standard;
}

void set_count(Draft& draft, const Statement& block, Section& section, const char* key, std::uint64_t standard) {
  const Statement* line = child(block, key);
  if (line == nullptr) {
    if (standard != 0) section.set(key, std::to_string(standard));
    return;
  }
  const auto value = config::parse_integer(argument(*line), 1, 100);
  if (!value) return draft.remark(*line, Outcome::kNotConverted, "not within 1 to 100");
  section.set(key, argument(*line));
}

void set_user(Draft& draft, const Statement& block, const Statement& script, Section& section) {
  const Statement* line = child(block, "user");
  if (line != nullptr && line->words.size() > 2) {
    draft.remark(*line, Outcome::kLookAt, "it runs with the groups of that user");
  }
  const std::string user = line != nullptr ? argument(*line) : draft.globals.script_user;
  if (!user.empty()) {
    section.set("user", user);
  } else if (section.find("command") != nullptr) {
    draft.remark(script, Outcome::kLookAt,
                 "it runs as baton-check, where keepalived takes root unless there is a user keepalived_script: try "
                 "`batonctl plugin test " +
                     section.name + "`, and write user = NAME if it needs more");
  }
}

void set_times(Draft& draft, const Statement& block, Section& section) {
  const std::string interval = time_of(draft, block, "interval", "1s");
  std::string timeout = time_of(draft, block, "timeout", interval);
  if (*config::parse_duration(timeout) > *config::parse_duration(interval)) {
    draft.remark(*child(block, "timeout"), Outcome::kLookAt,
                 "a check ends before its next one begins: the interval is written");
    timeout = interval;
  }
  section.set("interval", interval);
  section.set("timeout", timeout);
}

/// The section of a vrrp_script; "" if it cannot be written.
std::string script_section(Draft& draft, const std::string& name) {
  const Statement& block = *draft.scripts.at(name);
  const std::string own = draft.name("plugin", name);
  if (!draft.tracked.insert(name).second) return draft.find("plugin", own) != nullptr ? own : "";
  const Statement* script = child(block, "script");
  if (script == nullptr || argument(*script).empty()) {
    draft.remark(block, Outcome::kNotConverted, "it names no script");
    return "";
  }
  const auto command = check_command(arguments(*script));
  if (!command) {
    draft.remark(*script, Outcome::kNotConverted, command.error() + ": put it into a script of its own");
    return "";
  }
  Section section{"plugin", own, command->keys, block.place};
  if (!command->note.empty()) draft.remark(*script, Outcome::kLookAt, command->note);
  set_times(draft, block, section);
  set_count(draft, block, section, "rise", 0);
  set_count(draft, block, section, "fall", 1);
  if (section.find("command") != nullptr) set_user(draft, block, *script, section);
  for (const Statement& line : block.block) {
    static constexpr auto kKnown =
        std::to_array<std::string_view>({"script", "interval", "timeout", "weight", "rise", "fall", "user"});
    if (std::find(kKnown.begin(), kKnown.end(), line.words[0]) != kKnown.end()) continue;
    if (line.words[0] == "init_fail") {
      draft.remark(line, Outcome::kNotNeeded, "a check that has not passed yet has failed");
    } else {
      draft.remark_unknown(line);
    }
  }
  draft.add(std::move(section));
  return own;
}

void set_quorum(Draft& draft, const Statement& block, Section& section) {
  const auto set = [&](const char* keyword, const char* key) {
    const Statement* line = child(block, keyword);
    if (line == nullptr) return;
    if (!config::parse_integer(argument(*line), 0, 1'000'000)) {
      draft.remark(*line, Outcome::kNotConverted, "not within 0 to 1000000");
      return;
    }
    if (std::string_view{key} == "maximum" && argument(*line) == "0" && section.find("minimum") == nullptr) {
      section.set("minimum", "0");
    }
    section.set(key, argument(*line));
  };
  set("quorum", "minimum");
  set("quorum_max", "maximum");
}

std::string process_section(Draft& draft, const std::string& name) {
  const Statement& block = *draft.processes.at(name);
  const std::string own = draft.name("plugin", "process-" + name, "process");
  if (!draft.tracked.insert(name).second) return draft.find("plugin", own) != nullptr ? own : "";
  const Statement* process = child(block, "process");
  if (process == nullptr || process->words.size() != 2) {
    draft.remark(process == nullptr ? block : *process, Outcome::kNotConverted,
                 "module process looks at a process's name, not at its parameters");
    return "";
  }
  Section section{"plugin", own, {{"module", "process"}, {"name", argument(*process)}}, block.place};
  set_quorum(draft, block, section);
  section.set("interval", "500ms");
  section.set("fall", "1");
  for (const Statement& line : block.block) {
    static constexpr auto kKnown = std::to_array<std::string_view>({"process", "quorum", "quorum_max", "weight"});
    if (std::find(kKnown.begin(), kKnown.end(), line.words[0]) != kKnown.end()) continue;
    draft.remark(line, Outcome::kNotConverted,
                 "module process looks each 500ms and has no such key; `rise` and `fall` are how it waits");
  }
  draft.add(std::move(section));
  return own;
}

std::string interface_section(Draft& draft, const std::string& interface, const Place& place) {
  const std::string own = draft.name("plugin", "link-" + interface, "link");
  if (draft.find("plugin", own) != nullptr) return own;
  draft.add({"plugin",
             own,
             {{"module", "interface"}, {"interface", interface}, {"interval", "200ms"}, {"fall", "1"}},
             place});
  return own;
}

/// What `line` tracks: its section (of a link: not yet) and the weight that holds without one of its own.
struct Target {
  std::string section;
  Weight standard;
};
std::optional<Target> target_of(Draft& draft, const std::string& kind, const Statement& line) {
  const std::string& name = line.words[0];
  if (kind == "track_interface") return Target{"", {}};
  const auto& known = kind == "track_script" ? draft.scripts : draft.processes;
  const auto found = known.find(name);
  if (found == known.end()) {
    const std::string type = kind == "track_script" ? "vrrp_script" : "vrrp_track_process";
    draft.remark(line, Outcome::kNotConverted, "there is no " + type + " of this name");
    return std::nullopt;
  }
  if (kind == "track_script") return Target{script_section(draft, name), default_weight(*found->second, 0)};
  return Target{process_section(draft, name), default_weight(*found->second, 1)};
}

/// keepalived drops a script with a weight that a member of a group tracks, and says so; of a link it drops the weight
/// alone.
bool is_ignored_by_keepalived(const Draft& draft, const std::string& kind, const Statement& line) {
  if (kind != "track_script") return false;
  const auto found = draft.scripts.find(line.words[0]);
  if (found == draft.scripts.end()) return false;
  const auto weight = weight_of(line.words, 1, default_weight(*found->second, 0));
  return weight && weight->value != 0;
}

}  // namespace

std::vector<std::string> track(Draft& draft, const Statement& block, const std::string& own_interface, bool weights) {
  std::vector<std::string> checks;
  for (const Statement& line : block.block) {
    if (block.words[0] == "track_interface" && line.words[0] == own_interface && line.words.size() == 1) {
      draft.remark(line, Outcome::kNotNeeded, "an instance's own interface is always watched");
      continue;
    }
    if (!weights && is_ignored_by_keepalived(draft, block.words[0], line)) {
      draft.remark(line, Outcome::kNotConverted,
                   "keepalived ignores it, too: a script with a weight that a group's member tracks; to have it count, "
                   "track it in the vrrp_sync_group");
      continue;
    }
    auto target = target_of(draft, block.words[0], line);
    if (!target) continue;
    auto weight = weight_of(line.words, 1, target->standard);
    if (!weight) {
      draft.remark(line, Outcome::kNotConverted, "`NAME weight N` is expected, N within -253 to 253");
      continue;
    }
    if (weight->reverse) {
      draft.remark(line, Outcome::kNotConverted, "no check counts in reverse");
      continue;
    }
    if (block.words[0] == "track_interface") target->section = interface_section(draft, line.words[0], line.place);
    if (target->section.empty()) {
      draft.remark(line, Outcome::kNotConverted,
                   "its check could not be converted: without it this host counts as healthy");
      continue;
    }
    if (!weights && weight->value != 0) {
      draft.remark(line, Outcome::kLookAt,
                   "required, without the weight: keepalived ignores the weights of a group's members");
      weight->value = 0;
    }
    checks.push_back(target->section + (weight->value == 0 ? "" : " prefer=" + std::to_string(weight->value)));
  }
  return checks;
}

void remark_untracked(Draft& draft) {
  for (const auto* known : {&draft.scripts, &draft.processes}) {
    for (const auto& [name, block] : *known) {
      if (!draft.tracked.contains(name)) draft.remark(*block, Outcome::kNotNeeded, "nothing tracks it");
    }
  }
}

}  // namespace baton::cli::keepalived
