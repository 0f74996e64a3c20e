#include "ports/ports.h"

namespace baton::ports {

std::string_view alarm_token(Alarm alarm) {
  switch (alarm) {
    case Alarm::kNone: return "none";
    case Alarm::kVipMismatch: return "vip_mismatch";
    case Alarm::kIntervalMismatch: return "interval_mismatch";
    case Alarm::kForeignOwner: return "foreign_owner";
    case Alarm::kSecondOwner: return "second_owner";
    case Alarm::kDuplicateHost: return "duplicate_host";
    case Alarm::kEqualPriority: return "equal_priority";
    case Alarm::kRival: return "rival";
    case Alarm::kDualActive: return "dual_active";
    case Alarm::kAddressFight: return "address_fight";
    case Alarm::kAddressForeign: return "address_foreign";
    case Alarm::kStrayAddress: return "stray_address";
    case Alarm::kInstallFailed: return "install_failed";
    case Alarm::kSendFailed: return "send_failed";
    case Alarm::kAdvertsRejected: return "adverts_rejected";
    case Alarm::kResignStorm: return "resign_storm";
    case Alarm::kChecksumMixed: return "checksum_mixed";
    case Alarm::kChecksumChanged: return "checksum_changed";
    case Alarm::kStall: return "stall";
    case Alarm::kNetlinkOverrun: return "netlink_overrun";
    case Alarm::kRefreshLate: return "refresh_late";
    case Alarm::kUnknownPeer: return "unknown_peer";
    case Alarm::kOneWay: return "one_way";
    case Alarm::kSameVridHere: return "same_vrid_here";
    case Alarm::kMtu: return "mtu";
    case Alarm::kScribeSilent: return "scribe_silent";
    case Alarm::kFollowUpFailed: return "follow_up_failed";
    case Alarm::kCheckFlapping: return "check_flapping";
    case Alarm::kPeerLost: return "peer_lost";
    case Alarm::kConfigDiffers: return "config_differs";
    case Alarm::kRoleConflict: return "role_conflict";
    case Alarm::kSameGeneration: return "same_generation";
    case Alarm::kWatchdog: return "watchdog";
  }
  return "unknown";
}

}  // namespace baton::ports
