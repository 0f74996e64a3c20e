// The configuration as plain values, after reading, merging, `key@HOST` selection and validation. Nothing here reads
// files. Defaults are design section 4's.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/plugin_verb.h"
#include "base/priority.h"
#include "base/time.h"
#include "vrrp/packet.h"

namespace baton::config {

enum class Announce : std::uint8_t { kRequest, kReply, kBoth };
enum class Checksum : std::uint8_t { kAuto, kMessageOnly, kPseudoHeader };
enum class LogLevel : std::uint8_t { kTrace, kDebug, kInfo, kWarning, kError };
enum class Grant : std::uint8_t { kNone, kFollow, kWitness, kPeer, kManual, kUnsafe };
enum class CheckUse : std::uint8_t { kRequired, kPrefer, kGate };

/// A name in a plain-text list: `check = pg prefer=20 relative`.
struct CheckReference {
  std::string plugin;
  CheckUse use = CheckUse::kRequired;
  int prefer = 0;  ///< -253..253, only with kPrefer
  bool relative = false;
  bool operator==(const CheckReference&) const = default;
};

struct UnicastPeer {
  IpAddress address;
  std::uint8_t min_ttl = 255;  ///< discard adverts that arrive with less
  bool operator==(const UnicastPeer&) const = default;
};

/// Election keys: of an instance, or of the group that it is a member of.
struct Election {
  Priority priority = kDefaultPriority;
  bool preempt = true;
  Nanos preempt_delay{0};
  Nanos startup_delay{0};
  std::vector<CheckReference> checks;
  std::vector<std::string> promote;
  std::vector<std::string> follow_up;
  std::vector<std::string> notify;
  Grant grant = Grant::kNone;
  std::vector<std::string> witness;
  std::vector<std::string> fence;
  int min_gap = 20;
  std::optional<Nanos> takeover_wait;  ///< nullopt = auto
  Nanos takeover_least{0};             ///< of auto: in which the watchdog resets an old holder that hangs
  bool demote_on_isolation = false;
  bool release_on_unknown = true;
  bool resume_alone = true;
  Nanos cooldown = std::chrono::seconds{60};
  std::uint32_t promotion_budget = 3;
  Nanos promotion_budget_window = std::chrono::hours{1};
  bool operator==(const Election&) const = default;
};

/// Wire and announcing keys of one [instance NAME].
struct Instance {
  std::string name;
  std::string group;  ///< "" = none; then `election` is the group's
  Election election;
  std::string interface;
  Vrid vrid{1};
  vrrp::Version version = vrrp::Version::kV3;
  bool owner = false;
  Nanos advertisement_interval = std::chrono::seconds{1};
  /// In the advert, in configured order; IPv6 starts with the derived link-local VIP (F-02).
  std::vector<Prefix> addresses;
  std::vector<Prefix> extra_addresses;
  std::optional<IpAddress> source_address_v4;
  std::optional<IpAddress> source_address_v6;
  bool unicast = false;
  std::vector<IpAddress> unicast_source;  ///< at most one a family
  std::vector<UnicastPeer> unicast_peers;
  Checksum checksum = Checksum::kAuto;
  std::string password_file;  ///< v2
  std::string password;       ///< v2: read from password_file by the parser; 0..8 bytes; never printed
  bool accept = true;
  Announce announce = Announce::kRequest;
  std::uint32_t announce_count = 3;
  std::optional<Nanos> announce_interval;  ///< nullopt = auto pacing
  Nanos announce_delay{0};
  Nanos announce_refresh = std::chrono::seconds{60};  ///< 0 = off
  std::optional<Nanos> address_lifetime;              ///< nullopt = auto; 0 = permanent
  std::string defined_at;                             ///< "FILE:LINE" for messages
  bool operator==(const Instance&) const = default;
};

struct Group {
  std::string name;
  std::vector<std::string> members;  ///< instance names in order; the first is the lead
  Election election;
  std::string defined_at;
  bool operator==(const Group&) const = default;
};

/// Who runs a section's probes and acts when neither the section nor the module says so.
inline constexpr const char* kProbeUser = "baton-check";
inline constexpr const char* kActUser = "baton-act";

/// One of the module's own keys: as the file sets it for this host, or its default.
struct Setting {
  std::string key;
  std::vector<std::string> values = {};  ///< of a secret: where it stands, never what it is; none: a list emptied
  bool is_secret = false;
  std::string digest = {};  ///< of a secret's content; "" = not read. Only to be compared, never shown
  bool operator==(const Setting&) const = default;
};

/// The content of a secret setting, value by value.
struct Secret {
  std::string key;
  std::vector<std::string> contents;
  bool acts_only = false;  ///< not for the process of the probes
  bool operator==(const Secret&) const = default;
};

/// What the module says of itself, as far as it matters to who starts it. Empty if nobody could be asked.
struct PluginModule {
  std::string path;      ///< absolute; "" = not asked
  std::string act_user;  ///< who acts without `user`; "" = kActUser
  std::uint32_t needs = 0;
  bool own = true;
  VerbSet verbs;
  bool operator==(const PluginModule&) const = default;
};

/// A [plugin NAME] section.
struct Plugin {
  std::string name;
  std::string module;  ///< as written: a name or an absolute path
  PluginModule about = {};
  Nanos interval = std::chrono::seconds{1};
  Nanos timeout = std::chrono::seconds{1};
  std::uint32_t rise = 1;
  std::uint32_t fall = 3;
  std::string user = {};  ///< "" = kProbeUser for probes, about.act_user for acts
  Nanos deadline = std::chrono::seconds{60};
  std::vector<Setting> settings = {};  ///< in the module's order; in the file's if it could not be asked
  std::vector<Secret> secrets = {};    ///< only for who starts the plugin: daemon/fleet.h takes them out
  std::string defined_at = {};
  std::string probe_user() const { return user.empty() ? kProbeUser : user; }
  std::string act_user() const { return !user.empty() ? user : about.act_user.empty() ? kActUser : about.act_user; }
  bool operator==(const Plugin&) const = default;
};

struct Peer {
  std::string host;
  std::vector<IpAddress> addresses;
  std::string defined_at;
  bool operator==(const Peer&) const = default;
};

struct Daemon {
  LogLevel log_level = LogLevel::kInfo;
  std::string log_file;
  bool realtime = false;
  bool memory_lock = false;
  std::vector<std::string> peer_key_files;
  std::vector<std::string> peer_keys;  ///< their contents, for the steward alone (daemon/fleet.h takes them out); never
                                       ///< printed
  std::uint16_t peer_port = 5112;
  std::string metrics_listen;
  std::uint32_t history_limit = 1000;
  Nanos recorder = std::chrono::seconds{10};
  std::string watchdog;  ///< a watchdog device; "" = none
  Nanos watchdog_timeout = std::chrono::seconds{5};
  bool operator==(const Daemon&) const = default;
};

/// An engine whose loop stands still is fed for so long at most: together with `watchdog_timeout` the longest that a
/// host lives on without it.
inline constexpr Nanos kWatchdogSlack = std::chrono::seconds{1};

struct Config {
  std::string host;  ///< the HOST that was selected
  Daemon daemon;
  std::vector<Instance> instances;  ///< in file order
  std::vector<Group> groups;
  std::vector<Plugin> plugins;
  std::vector<Peer> peers;
  /// Hex SHA-256 over the merged text of all hosts without secrets and comments: equal on all hosts that run the same
  /// configuration.
  std::string hash;
  bool operator==(const Config&) const = default;
};

/// Limits that the reader enforces with a clear message (F87).
inline constexpr std::size_t kMaxInstances = 4096;
inline constexpr std::size_t kMaxPlugins = 256;
inline constexpr std::size_t kMaxFileSize = 8u << 20;
inline constexpr std::size_t kMaxNameLength = 32;

}  // namespace baton::config
