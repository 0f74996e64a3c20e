#include "cli/keepalived_convert.h"

#include <algorithm>
#include <array>

#include "cli/keepalived_draft.h"
#include "config/values.h"

namespace baton::cli::keepalived {
namespace {

constexpr std::string_view kNoMail = "Baton sends no mail: let a follow_up or notify plugin do it (exec, webhook)";
constexpr std::string_view kNoLvs = "Baton does not balance load (LVS): keep that with keepalived, or use HAProxy";
constexpr std::string_view kNoSnmp =
    "Baton speaks no SNMP and no D-Bus: `batonctl status --json`, `batonctl events -f`";
constexpr std::string_view kNetwork = "what stays on a host is for its network configuration";
constexpr std::string_view kBySelf = "Baton does so by itself";

constexpr auto kGlobalRows = std::to_array<KeywordRow>({
    {"router_id", Outcome::kNotNeeded, "a host is known by its [peer HOST]"},
    {"lvs_id", Outcome::kNotNeeded, "a host is known by its [peer HOST]"},
    {"enable_script_security", Outcome::kNotNeeded, "programs run unprivileged unless user = says otherwise"},
    {"vrrp_skip_check_adv_addr", Outcome::kNotNeeded, "Baton elects whatever addresses an advert names"},
    {"vrrp_strict", Outcome::kNotNeeded, "`batonctl check` says what is outside of the RFC"},
    {"vrrp_check_unicast_src", Outcome::kNotNeeded, kBySelf},
    {"vrrp_higher_prio_send_advert", Outcome::kNotNeeded, "who is told of a better host yields at once"},
    {"vrrp_garp_lower_prio_repeat", Outcome::kNotNeeded, "a rival is answered by an announcement at once"},
    {"vrrp_garp_lower_prio_delay", Outcome::kNotNeeded, "a rival is answered by an announcement at once"},
    {"vrrp_garp_master_refresh_repeat", Outcome::kNotNeeded, "each refresh announces once"},
    {"vrrp_gna_interval", Outcome::kNotNeeded, "announce_interval is for both families"},
    {"vrrp_ipsets", Outcome::kNotNeeded, "Baton writes no firewall rules"},
    {"vrrp_iptables", Outcome::kNotNeeded, "Baton writes no firewall rules"},
    {"nftables", Outcome::kNotNeeded, "Baton writes no firewall rules"},
    {"dynamic_interfaces", Outcome::kNotNeeded, kBySelf},
    {"use_symlink_paths", Outcome::kNotNeeded, kBySelf},
    {"max_auto_priority", Outcome::kNotNeeded, "realtime = yes of [daemon] is there if it is needed"},
    {"vrrp_rlimit_rttime", Outcome::kNotNeeded, kBySelf},
    {"vrrp_rlimit_rtime", Outcome::kNotNeeded, kBySelf},
    {"checker_priority", Outcome::kNotNeeded, "checks run in processes of their own"},
    {"checker_no_swap", Outcome::kNotNeeded, "checks run in processes of their own"},
    {"bfd_priority", Outcome::kNotNeeded, "Baton speaks no BFD"},
    {"bfd_no_swap", Outcome::kNotNeeded, "Baton speaks no BFD"},
    {"process_names", Outcome::kNotNeeded, "its processes have names"},
    {"vrrp_process_name", Outcome::kNotNeeded, "its processes have names"},
    {"use_pid_dir", Outcome::kNotNeeded, "Baton has no pid files"},
    {"log_unknown_vrids", Outcome::kNotNeeded, kBySelf},
    {"include_check", Outcome::kNotNeeded, "files are read as they stand"},
    {"reload_check_config", Outcome::kNotNeeded, "a reload always checks first"},
    {"notification_email", Outcome::kNotConverted, kNoMail},
    {"notification_email_from", Outcome::kNotConverted, kNoMail},
    {"smtp_server", Outcome::kNotConverted, kNoMail},
    {"smtp_helo_name", Outcome::kNotConverted, kNoMail},
    {"smtp_connect_timeout", Outcome::kNotConverted, kNoMail},
    {"smtp_alert", Outcome::kNotConverted, kNoMail},
    {"smtp_alert_vrrp", Outcome::kNotConverted, kNoMail},
    {"email_faults", Outcome::kNotConverted, kNoMail},
    {"no_email_faults", Outcome::kNotConverted, kNoMail},
    {"enable_traps", Outcome::kNotConverted, kNoSnmp},
    {"enable_snmp_vrrp", Outcome::kNotConverted, kNoSnmp},
    {"enable_snmp_keepalived", Outcome::kNotConverted, kNoSnmp},
    {"enable_snmp_rfc", Outcome::kNotConverted, kNoSnmp},
    {"enable_snmp_rfcv2", Outcome::kNotConverted, kNoSnmp},
    {"enable_snmp_rfcv3", Outcome::kNotConverted, kNoSnmp},
    {"snmp_socket", Outcome::kNotConverted, kNoSnmp},
    {"enable_dbus", Outcome::kNotConverted, kNoSnmp},
    {"dbus_service_name", Outcome::kNotConverted, kNoSnmp},
    {"notify_fifo", Outcome::kNotConverted, kNoFifo},
    {"notify_fifo_script", Outcome::kNotConverted, kNoFifo},
    {"vrrp_notify_fifo", Outcome::kNotConverted, kNoFifo},
    {"vrrp_notify_fifo_script", Outcome::kNotConverted, kNoFifo},
    {"vrrp_notify_priority_changes", Outcome::kNotConverted, kNoFifo},
    {"vrrp_mcast_group4", Outcome::kNotConverted, "adverts go to the RFC's group"},
    {"vrrp_mcast_group6", Outcome::kNotConverted, "adverts go to the RFC's group"},
    {"vrrp_lower_prio_no_advert", Outcome::kNotConverted, "a lower advert is always answered"},
    {"vrrp_min_garp", Outcome::kNotConverted, "announce_count = 1 is near to it"},
    {"startup_script", Outcome::kNotConverted, "systemctl edit baton, ExecStartPre="},
    {"shutdown_script", Outcome::kNotConverted, "systemctl edit baton, ExecStopPost="},
    {"default_interface", Outcome::kNotConverted, "each instance names its interface"},
    {"linkbeat_use_polling", Outcome::kNotNeeded, "the kernel tells of links"},
});

constexpr auto kTopRows = std::to_array<KeywordRow>({
    {"virtual_server", Outcome::kNotConverted, kNoLvs},
    {"virtual_server_group", Outcome::kNotConverted, kNoLvs},
    {"SSL", Outcome::kNotConverted, kNoLvs},
    {"static_ipaddress", Outcome::kNotConverted, kNetwork},
    {"static_routes", Outcome::kNotConverted, kNetwork},
    {"static_rules", Outcome::kNotConverted, kNetwork},
    {"track_group", Outcome::kNotConverted, kNetwork},
    {"garp_group", Outcome::kNotConverted, "announce_interval paces an instance's announcements"},
    {"bfd_instance", Outcome::kNotConverted, "Baton speaks no BFD: a [plugin] of module ping and check = NAME"},
    {"track_file", Outcome::kNotConverted, "see where it is tracked"},
    {"vrrp_track_file", Outcome::kNotConverted, "see where it is tracked"},
    {"linkbeat_interfaces", Outcome::kNotNeeded, "the kernel tells of links"},
    {"linkbeat_use_polling", Outcome::kNotNeeded, "the kernel tells of links"},
    {"interface_up_down_delays", Outcome::kNotConverted, "a link counts at once"},
    {"net_namespace", Outcome::kNotConverted, "systemctl edit baton, NetworkNamespacePath="},
    {"namespace_with_ipsets", Outcome::kNotNeeded, "Baton writes no firewall rules"},
    {"instance", Outcome::kNotNeeded, "one daemon a network namespace"},
    {"use_pid_dir", Outcome::kNotNeeded, "Baton has no pid files"},
    {"include_check", Outcome::kNotNeeded, "files are read as they stand"},
});

constexpr auto kGroupRows = std::to_array<KeywordRow>({
    {"global_tracking", Outcome::kNotNeeded, "a group has one priority, which its checks move"},
    {"sync_group_tracking_weight", Outcome::kNotNeeded, "a group has one priority, which its checks move"},
    {"smtp_alert", Outcome::kNotConverted, kNoMail},
    {"track_file", Outcome::kNotConverted, "to take a host out, `batonctl drain`"},
    {"track_bfd", Outcome::kNotConverted, "Baton speaks no BFD: a [plugin] of module ping and check = NAME"},
});

/// A vrrp_sync_group while it is converted.
struct GroupDraft {
  const Statement* block = nullptr;
  std::vector<std::string> members;  ///< keepalived's names
};

class Converter {
 public:
  Converter(const Parsed& parsed, std::optional<int> version) : parsed_(parsed), draft_(version) {}

  Conversion run() {
    for (const PassedOver& one : parsed_.passed_over) {
      draft_.out.remarks.push_back({one.place, one.text.substr(0, 100), Outcome::kNotConverted, one.why});
    }
    for (const Statement& line : parsed_.statements) read_top(line);
    for (const Statement& line : parsed_.statements) {
      if (line.words[0] == "vrrp_sync_group") read_members(line);
    }
    for (const Statement& line : parsed_.statements) {
      if (line.words[0] == "vrrp_instance") read_instance(line);
    }
    for (const GroupDraft& group : groups_) write_group(group);
    remark_untracked(draft_);
    return finished();
  }

 private:
  void read_top(const Statement& line) {
    const std::string& keyword = line.words[0];
    if (keyword == "global_defs") {
      for (const Statement& one : line.block) read_global(one);
    } else if (keyword == "vrrp_script") {
      if (!draft_.scripts.emplace(argument(line), &line).second) remark_second(line);
    } else if (keyword == "vrrp_track_process") {
      if (!draft_.processes.emplace(argument(line), &line).second) remark_second(line);
    } else if (keyword == "vrrp_instance") {
      const Statement* interface = child(line, "interface");
      const Statement* vrid = child(line, "virtual_router_id");
      if (interface != nullptr && vrid != nullptr) draft_.vrids.emplace(argument(*interface), argument(*vrid));
    } else if (keyword != "vrrp_sync_group") {
      remark_row(kTopRows, line);
    }
  }

  void remark_second(const Statement& line) {
    draft_.remark(line, Outcome::kNotConverted, "there is a " + line.words[0] + " of this name already");
  }

  void remark_row(std::span<const KeywordRow> rows, const Statement& line) {
    if (const KeywordRow* row = find_keyword(rows, line.words[0])) {
      draft_.remark(line, row->outcome, std::string{row->why});
    } else {
      draft_.remark_unknown(line);
    }
  }

  void read_global(const Statement& line) {
    const std::string& keyword = line.words[0];
    Globals& globals = draft_.globals;
    if (keyword == "vrrp_version") {
      globals.version = argument(line) == "3" ? 3 : 2;
    } else if (keyword == "script_user") {
      globals.script_user = argument(line);
    } else if (keyword == "vrrp_startup_delay") {
      const std::string delay = duration_of(argument(line));
      if (delay.empty()) return draft_.remark(line, Outcome::kNotConverted, "no number of seconds");
      globals.election = {{"startup_delay", delay}};
    } else if (keyword == "vrrp_rt_priority" || keyword == "vrrp_priority") {
      daemon_["realtime"] = "yes";
    } else if (keyword == "vrrp_no_swap") {
      daemon_["memory_lock"] = "yes";
    } else if (keyword.starts_with("vrrp_garp_") && announcing_of(keyword.substr(5), argument(line))) {
      globals.announcing.push_back(*announcing_of(keyword.substr(5), argument(line)));
    } else if (keyword.starts_with("lvs_") && keyword != "lvs_id") {
      draft_.remark(line, Outcome::kNotConverted, std::string{kNoLvs});
    } else {
      remark_row(kGlobalRows, line);
    }
  }

  /// Names one a line, several on a line, or behind `group {`.
  void read_members(const Statement& block) {
    const bool twice = std::any_of(groups_.begin(), groups_.end(),
                                   [&](const GroupDraft& one) { return argument(*one.block) == argument(block); });
    if (twice) return remark_second(block);
    GroupDraft group{&block, {}};
    if (const Statement* list = child(block, "group")) {
      for (const Statement& line : list->block) {
        for (const std::string& name : line.words) add_member(group, line, name);
      }
    }
    groups_.push_back(std::move(group));
  }

  void add_member(GroupDraft& group, const Statement& line, const std::string& name) {
    const bool exists = std::any_of(parsed_.statements.begin(), parsed_.statements.end(), [&](const Statement& one) {
      return one.words[0] == "vrrp_instance" && argument(one) == name;
    });
    if (!exists) return draft_.remark(line, Outcome::kNotConverted, "there is no vrrp_instance " + name);
    if (!group_of_.emplace(name, group.block).second) {
      return draft_.remark(line, Outcome::kNotConverted, name + " is in a group already");
    }
    group.members.push_back(name);
  }

  void read_instance(const Statement& block) {
    const auto group = group_of_.find(argument(block));
    const bool grouped = group != group_of_.end();
    const bool weighted = grouped && (child(*group->second, "sync_group_tracking_weight") != nullptr ||
                                      child(*group->second, "global_tracking") != nullptr);
    if (known(argument(block)) != nullptr) {
      return remark_second(block);
    }
    InstanceDraft instance = convert_instance(draft_, block, grouped, weighted);
    if (!grouped && instance.wire.size() == 1) add_election(instance.wire[0], instance);
    if (!grouped && instance.wire.size() > 1) {
      groups_of_links_.push_back(group_section(instance.original, "links", instance.place, {&instance}));
      add_election(groups_of_links_.back(), instance);
    }
    instances_.push_back(std::move(instance));
  }

  const InstanceDraft* known(const std::string& original) const {
    const auto found = std::find_if(instances_.begin(), instances_.end(),
                                    [&](const InstanceDraft& one) { return one.original == original; });
    return found == instances_.end() ? nullptr : &*found;
  }

  /// Commands name instances and groups alike.
  std::string group_name(const std::string& wanted, const std::string& role) {
    std::string name = draft_.name("group", wanted, role);
    const bool taken = std::any_of(parsed_.statements.begin(), parsed_.statements.end(), [&](const Statement& one) {
      const InstanceDraft* instance = one.words[0] == "vrrp_instance" ? known(argument(one)) : nullptr;
      return instance != nullptr && std::any_of(instance->wire.begin(), instance->wire.end(),
                                                [&](const Section& section) { return section.name == name; });
    });
    return taken ? draft_.name("group", wanted.substr(0, 26) + "-group", role) : name;
  }

  Section group_section(const std::string& wanted, const std::string& role, const Place& place,
                        const std::vector<const InstanceDraft*>& members) {
    Section section{"group", group_name(wanted, role), {}, place};
    for (const InstanceDraft* member : members) {
      for (const Section& wire : member->wire) section.set("member", wire.name);
    }
    return section;
  }

  static void add_election(Section& section, const InstanceDraft& instance) {
    for (const auto& [key, value] : instance.election) section.set(key, value);
    add_lists(section, instance.checks, instance.follow_ups);
  }

  static void add_lists(Section& section, const std::vector<std::string>& checks,
                        const std::vector<std::string>& follow_ups) {
    bool weighted = false;
    std::vector<std::string> seen;
    for (const std::string& check : checks) {
      const std::string name = check.substr(0, check.find(' '));
      if (std::find(seen.begin(), seen.end(), name) != seen.end()) continue;
      seen.push_back(name);
      section.set("check", check);
      weighted = weighted || check.find(" prefer=") != std::string::npos;
    }
    // keepalived moves for a difference of one.
    if (weighted) section.set("min_gap", "1");
    for (const std::string& follow_up : follow_ups) section.set("follow_up", follow_up);
  }

  void write_group(const GroupDraft& group) {
    std::vector<const InstanceDraft*> members;
    for (const std::string& name : group.members) {
      const InstanceDraft* member = known(name);
      if (member != nullptr && !member->wire.empty()) members.push_back(member);
    }
    if (members.empty()) {
      return draft_.remark(*group.block, Outcome::kNotConverted, "none of its instances is left");
    }
    const InstanceDraft& lead = *members.front();
    Section section = group_section(argument(*group.block), "", group.block->place, members);
    for (const auto& [key, value] : lead.election) section.set(key, value);
    std::vector<std::string> checks;
    std::vector<std::string> follow_ups;
    std::vector<const Statement*> notifies;
    for (const Statement& line : group.block->block) read_group_line(line, checks, notifies);
    for (const InstanceDraft* member : members) {
      checks.insert(checks.end(), member->checks.begin(), member->checks.end());
      follow_ups.insert(follow_ups.end(), member->follow_ups.begin(), member->follow_ups.end());
      remark_differing(*member, lead);
    }
    const auto own = notify(draft_, notifies, "GROUP", argument(*group.block), *section.find("priority"));
    follow_ups.insert(follow_ups.end(), own.begin(), own.end());
    add_lists(section, checks, follow_ups);
    draft_.add(std::move(section));
  }

  void read_group_line(const Statement& line, std::vector<std::string>& checks,
                       std::vector<const Statement*>& notifies) {
    const std::string& keyword = line.words[0];
    if (keyword == "group") return;
    if (is_notify(keyword)) {
      notifies.push_back(&line);
    } else if (keyword == "track_script" || keyword == "track_interface" || keyword == "track_process") {
      const auto more = track(draft_, line, "", true);
      checks.insert(checks.end(), more.begin(), more.end());
    } else {
      remark_row(kGroupRows, line);
    }
  }

  void remark_differing(const InstanceDraft& member, const InstanceDraft& lead) {
    if (member.election == lead.election) return;
    draft_.out.remarks.push_back({member.place, "vrrp_instance " + member.original + " { ... }", Outcome::kLookAt,
                                  "a group has one priority and one preempt: those of " + lead.original});
  }

  /// In the order in which a person looks for them; remarks as the files have them.
  Conversion finished() {
    std::vector<Section> plugins = std::move(draft_.out.sections);
    Conversion out{{}, std::move(draft_.out.remarks)};
    if (!daemon_.empty()) out.sections.push_back({"daemon", "", {daemon_.begin(), daemon_.end()}, {}});
    for (InstanceDraft& instance : instances_) {
      std::move(instance.wire.begin(), instance.wire.end(), std::back_inserter(out.sections));
    }
    std::move(groups_of_links_.begin(), groups_of_links_.end(), std::back_inserter(out.sections));
    for (const std::string_view type : {"group", "plugin"}) {
      for (Section& section : plugins) {
        if (section.type == type) out.sections.push_back(std::move(section));
      }
    }
    for (Section& section : out.sections) drop_unwritable(section, out.remarks);
    sort_remarks(out.remarks);
    return out;
  }

  static void drop_unwritable(Section& section, std::vector<Remark>& remarks) {
    std::erase_if(section.keys, [&](const auto& entry) {
      const auto why = unwritable(entry.first, entry.second);
      if (why) remarks.push_back({section.place, entry.first, Outcome::kNotConverted, "its value: " + *why});
      return why.has_value();
    });
  }

  void sort_remarks(std::vector<Remark>& remarks) const {
    const auto rank = [&](const Remark& remark) {
      const auto file = std::find(parsed_.files.begin(), parsed_.files.end(), remark.place.file);
      return std::pair(file - parsed_.files.begin(), remark.place.line);
    };
    std::stable_sort(remarks.begin(), remarks.end(),
                     [&](const Remark& a, const Remark& b) { return rank(a) < rank(b); });
  }

  const Parsed& parsed_;
  Draft draft_;
  std::map<std::string, std::string> daemon_;
  std::vector<GroupDraft> groups_;
  std::map<std::string, const Statement*> group_of_;  ///< of an instance: its vrrp_sync_group
  std::vector<InstanceDraft> instances_;
  std::vector<Section> groups_of_links_;  ///< of instances with addresses on several links
};

}  // namespace

Conversion convert(const Parsed& parsed, std::optional<int> version) { return Converter{parsed, version}.run(); }

}  // namespace baton::cli::keepalived
