// notify_master, notify_backup and their like: follow-ups, by exec.
#include <algorithm>
#include <array>

#include "cli/keepalived_draft.h"

namespace baton::cli::keepalived {
namespace {

constexpr auto kNotify =
    std::to_array<std::string_view>({"notify", "notify_master", "notify_backup", "notify_fault", "notify_stop",
                                     "notify_deleted", "notify_master_rx_lower_pri", "notify_priority_changes"});

const Statement* line_of(const std::vector<const Statement*>& lines, std::string_view keyword) {
  const auto found =
      std::find_if(lines.begin(), lines.end(), [&](const Statement* line) { return line->words[0] == keyword; });
  return found == lines.end() ? nullptr : *found;
}

/// keepalived's: the line's own, else script_user, else root.
std::string user_of(const Draft& draft, const Statement& line) {
  if (line.words.size() > 2) return line.words[2];
  return draft.globals.script_user.empty() ? "root" : draft.globals.script_user;
}

bool set_command(Draft& draft, Section& section, const char* key, const Statement& line,
                 const std::vector<std::string>& more) {
  const auto command = action_command(argument(line), more);
  if (!command) {
    draft.remark(line, Outcome::kNotConverted, command.error() + ": put it into a script of its own");
    return false;
  }
  section.set(key, *command);
  if (line.words.size() > 3) draft.remark(line, Outcome::kLookAt, "it runs with the groups of its user");
  return true;
}

/// notify_master as enter, and of notify_backup, notify_fault and notify_stop the first there is as leave.
std::optional<std::string> role_scripts(Draft& draft, const std::vector<const Statement*>& lines,
                                        const std::string& kind, const std::string& name) {
  const Statement* enter = line_of(lines, "notify_master");
  const Statement* leave = nullptr;
  for (const std::string_view keyword : {"notify_backup", "notify_fault", "notify_stop"}) {
    const Statement* line = line_of(lines, keyword);
    if (line == nullptr) continue;
    if (leave == nullptr) {
      leave = line;
    } else if (!std::equal(line->words.begin() + 1, line->words.end(), leave->words.begin() + 1, leave->words.end())) {
      draft.remark(*line, Outcome::kNotConverted,
                   "Baton has one leave_command for all ways out; it is " + leave->words[0] +
                       "'s, and BATON_REASON tells them apart");
    }
  }
  if (enter == nullptr && leave == nullptr) return std::nullopt;
  Section section{"plugin", draft.name("plugin", name + "-scripts", kind), {{"module", "exec"}}, lines.front()->place};
  bool any = enter != nullptr && set_command(draft, section, "enter_command", *enter, {});
  if (leave != nullptr && set_command(draft, section, "leave_command", *leave, {})) any = true;
  if (!any) return std::nullopt;
  const std::string user = user_of(draft, enter != nullptr ? *enter : *leave);
  section.set("user", user);
  if (enter != nullptr && leave != nullptr && user_of(draft, *leave) != user) {
    draft.remark(*leave, Outcome::kLookAt, "it runs as " + user + ", as notify_master does: a section has one user");
  }
  draft.add(section);
  return section.name;
}

/// `notify`: called with four more words.
std::optional<std::string> generic_script(Draft& draft, const Statement& line, const std::string& kind,
                                          const std::string& name, const std::string& priority) {
  Section section{"plugin", draft.name("plugin", name + "-notify", kind), {{"module", "exec"}}, line.place};
  const bool any = set_command(draft, section, "enter_command", line, {kind, name, "MASTER", priority});
  if (!any || !set_command(draft, section, "leave_command", line, {kind, name, "BACKUP", priority}))
    return std::nullopt;
  section.set("user", user_of(draft, line));
  draft.remark(
      line, Outcome::kLookAt,
      "a follow_up, which is waited for (notify = NAME with notify_command is not); it is called with MASTER and "
      "BACKUP; FAULT and STOP arrive as BACKUP, with the reason in BATON_REASON, and the priority is the configured "
      "one");
  draft.add(section);
  return section.name;
}

}  // namespace

bool is_notify(std::string_view keyword) { return std::find(kNotify.begin(), kNotify.end(), keyword) != kNotify.end(); }

std::vector<std::string> notify(Draft& draft, const std::vector<const Statement*>& lines, const std::string& kind,
                                const std::string& name, const std::string& priority) {
  std::vector<std::string> follow_ups;
  if (lines.empty()) return follow_ups;
  if (const auto section = role_scripts(draft, lines, kind, name)) follow_ups.push_back(*section);
  if (const Statement* line = line_of(lines, "notify")) {
    if (const auto section = generic_script(draft, *line, kind, name, priority)) follow_ups.push_back(*section);
  }
  for (const std::string_view keyword : {"notify_deleted", "notify_master_rx_lower_pri", "notify_priority_changes"}) {
    if (const Statement* line = line_of(lines, keyword)) {
      draft.remark(*line, Outcome::kNotConverted,
                   "Baton tells of no such event; `batonctl events -f` shows what there is");
    }
  }
  return follow_ups;
}

}  // namespace baton::cli::keepalived
