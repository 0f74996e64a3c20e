#include "config/keepalived_words.h"

#include <algorithm>
#include <array>

namespace baton::config {
namespace {

struct Word {
  std::string_view keepalived, here;
};

constexpr auto kWords = std::to_array<Word>({
    {"state", "leave it out: `priority` and `preempt` decide"},
    {"nopreempt", "write `preempt` = no"},
    {"advert_int", "write `advertisement_interval` with a unit, as 1s"},
    {"virtual_ipaddress", "write `address`, a line for each"},
    {"virtual_ip", "write `address`, a line for each"},
    {"virtual_ipaddress_excluded", "write `extra_address`, a line for each"},
    {"priority_weight", "write `check` = NAME prefer=N"},
    {"weight", "write `check` = NAME prefer=N into the instance or group that the check is for"},
    {"script", "write `command`, with `module` = exec, into a [plugin] section"},
    {"vrrp_script", "write a [plugin] section, and `check` = NAME into the instance"},
    {"track_script", "write `check` = NAME, and a [plugin] section of that name"},
    {"track_interface", "write `check` = NAME, and a [plugin] section of `module` = interface"},
    {"track_process", "write `check` = NAME, and a [plugin] section of `module` = process"},
    {"track_file", "write `check` = NAME, and a [plugin] section of `module` = file"},
    {"vrrp_version", "write `version`"},
    {"unicast_src_ip", "write `unicast_source`"},
    {"mcast_src_ip", "write `source_address`"},
    {"auth_type", "write `password_file`, with `version` = 2"},
    {"auth_pass", "write `password_file`, with `version` = 2"},
    {"authentication", "write `password_file`, with `version` = 2"},
    {"notify_master", "write `follow_up` = NAME, and a [plugin] section of `module` = exec with enter_command"},
    {"notify_backup", "write `follow_up` = NAME, and a [plugin] section of `module` = exec with leave_command"},
    {"notify_fault", "write `follow_up` = NAME, and a [plugin] section of `module` = exec with leave_command"},
    {"notify_stop", "write `follow_up` = NAME, and a [plugin] section of `module` = exec with leave_command"},
    {"garp_master_delay", "write `announce_delay`"},
    {"garp_master_repeat", "write `announce_count`"},
    {"garp_master_refresh", "write `announce_refresh`"},
    {"vrrp_startup_delay", "write `startup_delay`"},
    {"use_vmac", "leave it out: the host's own hardware address announces the addresses"},
    {"router_id", "leave it out: a host is known by its [peer HOST]"},
    {"smtp_alert", "write `notify` = NAME, and a [plugin] section of `module` = webhook or exec"},
});

}  // namespace

std::string keepalived_help(std::string_view key) {
  const auto found =
      std::find_if(kWords.begin(), kWords.end(), [&](const Word& word) { return word.keepalived == key; });
  if (found == kWords.end()) return {};
  return "that is keepalived's: " + std::string(found->here) + "; `batonctl import` converts a keepalived.conf";
}

}  // namespace baton::config
