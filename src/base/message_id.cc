#include "base/message_id.h"

#include <algorithm>
#include <array>

#include "base/notice.h"

namespace baton {
namespace {

constexpr auto kTable = std::to_array<MessageKind>({
    {"acted", "f9c71f1a4b7b4b838fbd6de410f10686", "@BATON_PLUGIN@ was asked for @BATON_VERB@: @BATON_RESULT@",
     "A plugin has acted for @BATON_INSTANCE@. The message has its own words."},
    {"address_fight", "4be17d4f5df74ba39ca41d5de8b6ff76", {}, {}},
    {"address_foreign", "e998f8585d8a404eb2b3467770b00b52", {}, {}},
    {"address_removed", "76bac0eeca314ed5a7b547781ae9f44d", "An address was removed after the engine's end",
     "@BATON_ADDRESS@ on @BATON_INTERFACE@ had been left by an engine that is no more."},
    {"adverts_rejected", "1ef0c9c29ea54fdf95ac87e4b0bac1d6", {}, {}},
    {"alarm_cleared", "e83c870ce6c043bd9df25baed7c779be", "The alarm @BATON_ALARM@ is over",
     "What had raised the alarm @BATON_ALARM@ is no longer so."},
    {"announced", "e3640c545e3a41cda1b8d7e009ab731b", "The addresses of @BATON_INSTANCE@ are announced",
     "Each has been announced since all were installed."},
    {"became_active", "c537962cd4ee427285709dfbf7cac8ea", "@BATON_INSTANCE@ is now Active on this host",
     "From now on this host sends the advertisements of @BATON_INSTANCE@ and takes its addresses. Reason: "
     "@BATON_REASON@."},
    {"became_backup", "64a4952d975945beb30bdd6bc9e2feda", "@BATON_INSTANCE@ is now Backup on this host",
     "This host listens for another one that holds @BATON_INSTANCE@, and holds none of its addresses. It was "
     "@BATON_FROM@. Reason: @BATON_REASON@."},
    {"became_initialize", "49471c422ae3465db6a452ddf9d47c04", "@BATON_INSTANCE@ takes no part on this host",
     "What it needs is not there, or it is being ended: it neither holds addresses nor would it take over. It was "
     "@BATON_FROM@. Reason: @BATON_REASON@."},
    {"check", "bafe6c4fa23246fc9428e05d658c3431", "The check @BATON_PLUGIN@ is now: @BATON_STATE@",
     "After `rise` or `fall` results in a row a check's settled state has changed. `batonctl explain` says what that "
     "means for an instance."},
    {"check_flapping", "d198179d175f4a7d8799d483f6cabbb8", {}, {}},
    {"checksum_changed", "918994c1eec140a1b474c3e3664506b3", {}, {}},
    {"checksum_mixed", "d97abd84f31f4f0da9a8d0ee91bf32f8", {}, {}},
    {"config_differs", "fcb9a7b366184eee8f3e6201a3ae1af9", {}, {}},
    {"dual_active", "a3f48b4fc9e9420fb3a73d4e80c2d377", {}, {}},
    {"duplicate_host", "60ced19cc11e477cafd6a4a82f8bdd5b", {}, {}},
    {"engine_ended", "ef316301c46e407491958fb9ded80b74", "An engine that had been replaced is gone",
     "The kernel has taken it apart."},
    {"engine_ready", "dadb970eceb34fc0957dbab3fa140b2b", "The election runs",
     "The process that advertises and listens is ready. With adopted=yes it goes on where the one before it stood."},
    {"equal_priority", "7d8db2c38f2a406ba3b643560a1a23a6", {}, {}},
    {"follow_up_failed", "989174169a884ff7912d23657ac678b9", {}, {}},
    {"foreign_owner", "30a11f2506e341ad9e28384789d1c5d5", {}, {}},
    {"holding", "32ac8b00c19f423eabbcc3a21cc50f84", "The addresses of @BATON_INSTANCE@ are complete",
     "All its addresses are installed, or all are removed."},
    {"install_failed", "8157bb894a0448cb904f3bd8c6acc063", {}, {}},
    {"interval_mismatch", "4b4271d5c65241a3bbb2401046377440", {}, {}},
    {"log_lines_dropped", "93ed5035a4d7435cb14aa6f3550bf47d", "@BATON_COUNT@ lines of the log are lost",
     "Whoever receives the log did not keep up, and Baton does not wait for it."},
    {"move", "3ab1d993b5544527b0bc64d50a5050dd", "A planned move of @BATON_INSTANCE@: @BATON_PHASE@",
     "A step of a switchover between two hosts, as this host sees it."},
    {"move_wished", "9786dea3fb464c6d9c67a733f30953db", "The host @BATON_PEER@ asks for a planned move",
     "An operator asked there for a role that this host has."},
    {"mtu", "8dc4dca823de4df980117af3e6e60b7c", {}, {}},
    {"netlink_overrun", "c82f8c9df2fe4371980c49146f6c50bf", {}, {}},
    {"notice", "d00e779863e64ca7ad33d0856ce59730", "News of @BATON_INSTANCE@",
     "A fact that changes no role by itself. Reason: @BATON_REASON@."},
    {"one_way", "d745d6b88b4d4a73be979b71c8a59595", {}, {}},
    {"peer_heard", "9a88ceda11a944b08523d801158ed2ff", "The host @BATON_PEER@ is heard",
     "Its packets on the peer channel are authentic and recent."},
    {"peer_lost", "2baf30d7ffc8427d9baae62b34c16a0d", {}, {}},
    {"plugin_host_ended", "73e7f28548274ec88401ae73548e1bcd", "The process of the plugin @BATON_PLUGIN@ was ended",
     "Its settings have changed, or nothing refers to it any more."},
    {"plugin_host_started", "66aac9ddf283459dae9ebbe6670cabc5", "A process of the plugin @BATON_PLUGIN@ was started",
     "After one that died it is said as a warning."},
    {"recorder_works_again", "bb474c3d8a0740c890b72becea1a509b", "The flight recorder works again",
     "Captures are written into @BATON_DIRECTORY@ again."},
    {"reexec_begun", "ec4a501084194632b39aa335a802419b",
     "The program on disk is asked whether it could go on as this daemon",
     "An operator or an upgrade asked for `batonctl reexec`. Nothing has changed yet."},
    {"reexec_done", "4435dc1dc4d848a8bd682b2704faa75b", "The daemon has gone over to the program on disk",
     "No role and no address has moved."},
    {"reexec_goes_over", "c74d5582f2094dd8bcd986f2c1cc2f0b", "The guardian becomes the program on disk",
     "It keeps its process number, its children and its descriptors; the engine goes over next."},
    {"reexec_put_off", "3c0be166764148379e6efc039dc243b0", "A re-exec was put off",
     "Something is under way that it should not fall into; ask again later."},
    {"refresh_late", "414c322e09ad48ea8366c38829ed546a", {}, {}},
    {"released", "c0292faf079241b499a2dd3d83801017", "All addresses are released",
     "The engine has given up every role and ended in order."},
    {"reload_confirmed", "4cd4501cfd834cd294e619b99ef5e178", "The changed configuration was confirmed",
     "It stays in force."},
    {"reload_waits", "966731bb72b94a999c153ad2e82cee43", "The changed configuration waits for a confirmation",
     "Without `batonctl confirm` in time the configuration before it comes back."},
    {"reloaded", "e25edb5991334817bc3a509ae7890376", "The changed configuration is in force",
     "Instances that did not change have kept their state and their timers."},
    {"resign_storm", "37a3ae79205e4b3e9c7dc95dbd284bba", {}, {}},
    {"rival", "9695999403bd4a0ab90d928ca6009811", {}, {}},
    {"role_conflict", "1e9b1628558c4e188ba1dc2fd05fd506", {}, {}},
    {"same_generation", "e44c1cf86c31467c974eff586f23128f", {}, {}},
    {"same_vrid_here", "0c1d052a37a740c7a50aba1e7784790c", {}, {}},
    {"scribe_silent", "247dc2e9d4e847d5b92070acc469c767", {}, {}},
    {"scribe_silent_over", "93adb20fdde34776b62af05a3691e9cd", "History and intent are written again",
     "The state directory takes writes again."},
    {"second_owner", "1fcf6b2c202d4049bdd59b7e3b0f41a8", {}, {}},
    {"send_failed", "cdb660c252394dad92f4a0138f3658e2", {}, {}},
    {"stall", "b281315498ad454397ab2b423f3cc699", {}, {}},
    {"stopped", "6b354da4929349b88903ffb8c5295812", "Baton has stopped", "No process of it is left."},
    {"stopping", "3837729040cc4a9587d8634817d0c8b2", "Baton is being stopped",
     "All roles are given up, and the other hosts are told, before the processes end."},
    {"stray_address", "784692b5ce614d7a9c5faed3bccbfba2", {}, {}},
    {"trouble_over", "6e5f3642b3274b0b9a1ce309264d3d19", "What did not work, works again",
     "The trouble @BATON_TROUBLE@ is over."},
    {"unknown_peer", "7152d643949846e0b94d569b30635dd6", {}, {}},
    {"vip_mismatch", "4f6c1ed275864a499437cc853900c473", {}, {}},
    {"watchdog", "d08c779d6a0343d3a2cf53698123d364", {}, {}},
    {"watchdog_armed", "89a9b2d73804428ea3f8c2b66002bf90", "The host's watchdog is armed",
     "Unless it is fed, it resets this host."},
    {"watchdog_closed", "1ccffcc141a24f52abbde476cd605470", "The host's watchdog is let go of",
     "It does not reset this host any more."},
    {"watchdog_fed", "f071548caa724bf18b9a6c7ad2ab14b4", "The host's watchdog is fed again",
     "The host will not be reset for it."},
});

template <typename Row>
std::string_view find(std::span<const Row> table, std::string_view Row::*key, std::string_view wanted) {
  const auto row = std::lower_bound(table.begin(), table.end(), wanted,
                                    [&](const Row& each, std::string_view word) { return each.*key < word; });
  return row != table.end() && (*row).*key == wanted ? row->message_id : std::string_view{};
}

std::string_view kind_of_role(std::string_view role) {
  if (role == "active") return "became_active";
  if (role == "backup") return "became_backup";
  return role == "initialize" ? "became_initialize" : std::string_view{};
}

}  // namespace

std::span<const MessageKind> message_kind_table() { return kTable; }

std::string_view message_id(std::string_view event, std::string_view detail) {
  const auto kind = [](std::string_view token) { return find(message_kind_table(), &MessageKind::token, token); };
  if (event == "transition") return kind(kind_of_role(detail));
  if (event == "alarm") return kind(detail);
  // What a process says of itself may bear the name of the alarm that follows from it.
  const std::string_view notice = find(notice_table(), &Notice::id, event);
  return notice.empty() ? kind(event) : notice;
}

}  // namespace baton
