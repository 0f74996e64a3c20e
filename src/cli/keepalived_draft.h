// What the converters of keepalived's blocks share: the sections written so far, the remarks, what global_defs says,
// and names that Baton accepts. Pure.
#pragma once

#include <array>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/keepalived_convert.h"
#include "cli/keepalived_script.h"

namespace baton::cli::keepalived {

/// A keyword that is not converted, and why.
struct KeywordRow {
  std::string_view keyword;
  Outcome outcome;
  std::string_view why;
};
const KeywordRow* find_keyword(std::span<const KeywordRow> rows, std::string_view keyword);

/// Of the notify_fifo keywords.
inline constexpr std::string_view kNoFifo = "read `batonctl events -f --json` instead";

/// global_defs, as far as the instances ask.
struct Globals {
  int version = 2;  ///< keepalived's own default for IPv4
  std::string script_user;
  Keys announcing;  ///< announce_count and the like, for every instance
  Keys election;    ///< startup_delay
};

class Draft {
 public:
  explicit Draft(std::optional<int> wanted) : version(wanted) {}

  const std::optional<int> version;
  Globals globals;
  Conversion out;
  std::map<std::string, const Statement*> scripts;      ///< vrrp_script
  std::map<std::string, const Statement*> processes;    ///< vrrp_track_process
  std::set<std::pair<std::string, std::string>> vrids;  ///< interface and virtual_router_id of the instances
  std::set<std::string> tracked;                        ///< of both: those that something refers to

  void remark(const Statement& statement, Outcome outcome, std::string why);
  void remark_unknown(const Statement& statement);
  /// A name that Baton accepts and no other [type] has; the same for the same `wanted` of the same `role`, which is
  /// what the name is for ("" for keepalived's own).
  std::string name(const std::string& type, const std::string& wanted, const std::string& role = {});
  /// nullptr if there is none yet.
  const Section* find(const std::string& type, const std::string& name) const;
  void add(Section section) { out.sections.push_back(std::move(section)); }

 private:
  std::map<std::array<std::string, 3>, std::string> names_;
  std::set<std::pair<std::string, std::string>> taken_;
};

/// On one line, shortened, with the secrets masked.
std::string shown(const Statement& statement);
/// Seconds as keepalived writes them ("2", "0.25") to a duration of Baton; "" if it is none.
std::string duration_of(const std::string& seconds);
/// The second word, or "".
const std::string& argument(const Statement& statement);
/// The words behind the first, with a blank between.
std::string arguments(const Statement& statement);
const Statement* child(const Statement& block, std::string_view keyword);

// keepalived_track.cc
/// Values of `check` for the lines of a track_... block. `weights`: false where keepalived takes each for 0.
std::vector<std::string> track(Draft& draft, const Statement& block, const std::string& own_interface, bool weights);
/// Remarks on what nothing tracks.
void remark_untracked(Draft& draft);

// keepalived_notify.cc
/// Values of `follow_up` for the notify_... lines of an instance or a group; `kind`: INSTANCE or GROUP.
std::vector<std::string> notify(Draft& draft, const std::vector<const Statement*>& lines, const std::string& kind,
                                const std::string& name, const std::string& priority);
bool is_notify(std::string_view keyword);

// keepalived_instance.cc
struct InstanceDraft {
  std::string original;  ///< keepalived's name
  Place place;
  std::vector<Section> wire;  ///< one for each link; none: not converted
  Keys election;              ///< without checks and follow-ups
  std::vector<std::string> checks;
  std::vector<std::string> follow_ups;
};
/// `grouped`: it is in a vrrp_sync_group; `weighted`: whose members keep their weights.
InstanceDraft convert_instance(Draft& draft, const Statement& block, bool grouped, bool weighted);
/// Of `garp_master_delay SECONDS` and its like, without vrrp_; nullopt if it is none or its value is not to be had
/// here.
std::optional<std::pair<std::string, std::string>> announcing_of(std::string_view keyword, const std::string& value);

}  // namespace baton::cli::keepalived
