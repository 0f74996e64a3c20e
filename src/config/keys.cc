#include "config/keys.h"

#include <algorithm>
#include <array>

namespace baton::config {
namespace {

using S = SectionType;
using V = ValueType;

struct Flags {
  bool list = false;
  bool required = false;
  Support support = Support::kFull;
};
constexpr Flags kOne{};
constexpr Flags kList{.list = true};
constexpr Flags kNeeded{.required = true};
constexpr Flags kNeededList{.list = true, .required = true};
constexpr Flags kRefusedList{.list = true, .support = Support::kRefused};
constexpr Flags kRefusedOne{.support = Support::kRefused};

constexpr KeySpec key(S section, std::string_view name, V type, Flags flags, std::string_view domain,
                      std::string_view value, std::string_view help) {
  return {section, name, type, flags.list, flags.required, /*election=*/false, flags.support, domain, value, help};
}

struct ElectionKey {
  std::string_view name;
  V type;
  Flags flags;
  std::string_view domain, value, help;
};

// Design section 4: of [instance] and of [group].
constexpr auto kElection = std::to_array<ElectionKey>({
    {"priority", V::kInteger, kOne, "1..254", "100",
     "The host with the greatest priority is preferred. The owner sends 255."},
    {"preempt", V::kBoolean, kOne, "yes|no", "yes",
     "Take over from an Active of lower priority. Never (no) where promote moves a database."},
    {"preempt_delay", V::kDuration, kOne, "0..1d", "0", "How long this host waits before it preempts."},
    {"startup_delay", V::kDuration, kOne, "0..1d", "0", "How long this host only listens after it started."},
    {"check", V::kReference, kList, "NAME [required | prefer=N | gate] [relative]", "",
     "Plugin that decides whether this host is fit (required), how much it is preferred (prefer), or that is asked "
     "once before promoting (gate)."},
    {"promote", V::kReference, kList, "NAME", "",
     "Plugin that runs before clients arrive, in order; undone after they have left."},
    {"follow_up", V::kReference, kList, "NAME", "", "Plugin that runs after the addresses are announced."},
    {"notify", V::kReference, kList, "NAME", "", "Plugin that is told about transitions; never waited for."},
    {"grant", V::kWord, kOne, "none|follow|witness|peer|manual|unsafe", "none",
     "What allows this host alone to promote."},
    {"witness", V::kReference, kList, "NAME", "", "Plugin that holds the lease for grant = witness."},
    {"fence", V::kReference, kList, "NAME", "", "Plugin that makes sure that the old Active is dead."},
    {"min_gap", V::kInteger, kOne, "0..253", "20", "The least difference of preference for which the role moves."},
    {"takeover_wait", V::kDuration, kOne, "auto|0..1d", "auto",
     "How long a promoting host waits for the old one's addresses to lapse."},
    {"on_isolation", V::kWord, kOne, "demote|hold", "hold",
     "What an Active does that hears no other host while its `ping` checks fail. demote where it promotes."},
    {"on_unknown", V::kWord, kOne, "release|hold", "release", "What an Active does when its checks give no answer."},
    {"resume_alone", V::kWord, kOne, "yes|never", "yes",
     "Whether a host that was the writable one promotes after a restart without proof that no other has taken over. "
     "Never (never) where promote moves a database, unless written out."},
    {"cooldown", V::kDuration, kOne, "0..1d", "60s", "The least time between two promotions."},
    {"promotion_budget", V::kText, kOne, "N per TIME", "3 per 1h", "How many promotions there may be in a time."},
});

constexpr auto kOther = std::to_array<KeySpec>({
    key(S::kDaemon, "log_level", V::kWord, kOne, "trace|debug|info|warning|error", "info",
        "The least severe message that is logged."),
    key(S::kDaemon, "log_file", V::kPath, kOne, "", "", "File to log to; without it the journal, else standard error."),
    key(S::kDaemon, "realtime", V::kBoolean, kOne, "yes|no", "no", "Run the protocol thread under SCHED_RR."),
    key(S::kDaemon, "memory_lock", V::kBoolean, kOne, "yes|no", "no", "Keep the protocol process in memory."),
    key(S::kDaemon, "peer_key_file", V::kPath, kList, "", "",
        "Key of the peer channel, the same on all hosts. To change it: add the new one below on all hosts, then move "
        "it to "
        "the top, then remove the old one."),
    key(S::kDaemon, "peer_port", V::kInteger, kOne, "1..65535", "5112", "UDP port of the peer channel."),
    key(S::kDaemon, "metrics_listen", V::kText, kOne, "off|ADDRESS:PORT", "off",
        "Where metrics are served over HTTP under /metrics, to this host only: 127.0.0.1:9112 or [::1]:9112."),
    key(S::kDaemon, "history_limit", V::kInteger, kOne, "10..100000", "1000",
        "How many transitions the history keeps."),
    key(S::kDaemon, "recorder", V::kDuration, kOne, "0..1h", "10s",
        "How far back a transition's capture of VRRP, ARP and ND goes; 0 = no flight recorder."),
    key(S::kDaemon, "watchdog", V::kPath, kOne, "", "",
        "Watchdog device, such as /dev/watchdog. It is fed while nothing here is the writable one, or what is holds "
        "its "
        "grant; without it nothing is promoted here."),
    key(S::kDaemon, "watchdog_timeout", V::kDuration, kOne, "2s..1h", "5s",
        "After what time without being fed the watchdog resets the host; whole seconds."),

    key(S::kInstance, "interface", V::kInterface, kNeeded, "", "", "Network interface of the virtual router."),
    key(S::kInstance, "virtual_router_id", V::kInteger, kNeeded, "1..255", "",
        "VRID: the same on all hosts, and unused by others on the link."),
    key(S::kInstance, "version", V::kInteger, kOne, "2..3", "3", "VRRP version: 3 (RFC 9568) or 2 (RFC 3768)."),
    key(S::kInstance, "owner", V::kBoolean, kOne, "yes|no", "no",
        "The addresses are this host's own: send priority 255, never add or remove them."),
    key(S::kInstance, "advertisement_interval", V::kDuration, kOne, "10ms..40.95s", "1s",
        "Time between two adverts; whole centiseconds, in VRRPv2 whole seconds."),
    key(S::kInstance, "address", V::kPrefix, kNeededList, "ADDRESS[/LENGTH]", "",
        "Virtual address, named in the advert."),
    key(S::kInstance, "extra_address", V::kPrefix, kList, "ADDRESS[/LENGTH]", "",
        "Virtual address that is held and announced but not named in the advert."),
    key(S::kInstance, "source_address", V::kAddress, kList, "ADDRESS", "",
        "Address that adverts are sent from; one for each family."),
    key(S::kInstance, "unicast_source", V::kAddress, kList, "ADDRESS", "",
        "Address that unicast adverts are sent from; one for each family."),
    key(S::kInstance, "unicast_peer", V::kAddress, kList, "ADDRESS [min_ttl=N]", "",
        "Send adverts to this address instead of the multicast group; this host's own is passed over."),
    key(S::kInstance, "checksum", V::kWord, kOne, "auto|message|pseudo-header", "auto",
        "Checksum form of VRRPv3 over IPv4."),
    key(S::kInstance, "password_file", V::kPath, kOne, "", "", "File with the VRRPv2 password, 1 to 8 bytes."),
    key(S::kInstance, "accept", V::kBoolean, kRefusedOne, "yes|no", "yes", "Answer on the virtual addresses."),
    key(S::kInstance, "virtual_mac", V::kBoolean, kRefusedOne, "yes|no", "no", "Use the virtual router's MAC address."),
    key(S::kInstance, "route", V::kText, kRefusedList, "", "", "Route that the Active installs."),
    key(S::kInstance, "rule", V::kText, kRefusedList, "", "", "Routing rule that the Active installs."),
    key(S::kInstance, "announce", V::kWord, kOne, "request|reply|both", "request", "Form of gratuitous ARP."),
    key(S::kInstance, "announce_count", V::kInteger, kOne, "1..60", "3",
        "How often each address is announced after a take-over."),
    key(S::kInstance, "announce_interval", V::kDuration, kOne, "auto|0..1s", "auto",
        "Pause between the announcements of two addresses; auto: 0 up to 256 addresses, then paced."),
    key(S::kInstance, "announce_delay", V::kDuration, kOne, "0..1h", "0",
        "Pause before the announcements are repeated."),
    key(S::kInstance, "announce_refresh", V::kDuration, kOne, "0..1d", "60s",
        "How often an Active announces again; 0 = never."),
    key(S::kInstance, "address_lifetime", V::kDuration, kOne, "auto|permanent|2s..1h", "auto",
        "After what time the kernel removes the addresses if all of Baton is dead; whole seconds."),

    key(S::kGroup, "member", V::kName, kNeededList, "INSTANCE", "",
        "Instance that moves with the group; the first one leads."),

    key(S::kPlugin, "module", V::kText, kNeeded, "NAME|PATH", "",
        "Name of a module in the plugin directory, or the absolute path of one elsewhere."),
    key(S::kPlugin, "interval", V::kDuration, kOne, "10ms..1h", "1s", "Time between two probes."),
    key(S::kPlugin, "timeout", V::kDuration, kOne, "1ms..1h", "",
        "Limit of one probe; without it the interval, at most 1s."),
    key(S::kPlugin, "rise", V::kInteger, kOne, "1..100", "1", "Good results in a row that make it pass."),
    key(S::kPlugin, "fall", V::kInteger, kOne, "1..100", "3", "Bad results in a row that make it fail."),
    key(S::kPlugin, "user", V::kText, kOne, "", "",
        "User that it runs as; without it baton-check, for acts what the module's manual says."),
    key(S::kPlugin, "deadline", V::kDuration, kOne, "1s..1h", "60s", "Limit of one act."),

    key(S::kPeer, "address", V::kAddress, kNeededList, "ADDRESS", "",
        "Address of the host; one for each path. Every host is listed; the own entry is passed over."),
});

constexpr std::size_t kTableSize = kOther.size() + 2 * kElection.size();

constexpr KeySpec election_key(S section, const ElectionKey& from) {
  KeySpec spec = key(section, from.name, from.type, from.flags, from.domain, from.value, from.help);
  spec.election = true;
  return spec;
}

constexpr std::array<KeySpec, kTableSize> make_table() {
  std::array<KeySpec, kTableSize> table{};
  std::size_t size = 0;
  for (const S section : {S::kDaemon, S::kInstance, S::kGroup, S::kPlugin, S::kPeer}) {
    for (const KeySpec& spec : kOther) {
      if (spec.section == section) table[size++] = spec;
    }
    if (section != S::kInstance && section != S::kGroup) continue;
    for (const ElectionKey& spec : kElection) table[size++] = election_key(section, spec);
  }
  return table;
}

constexpr std::array<KeySpec, kTableSize> kTable = make_table();

struct Range {
  std::ptrdiff_t begin = 0, end = 0;
};

/// Keys of one section stand together.
constexpr std::array<Range, kSectionTypes> make_ranges() {
  std::array<Range, kSectionTypes> ranges{};
  for (std::size_t i = 0; i < kTable.size(); ++i) {
    Range& range = ranges[static_cast<std::size_t>(kTable[i].section)];
    if (range.end == 0) range.begin = static_cast<std::ptrdiff_t>(i);
    range.end = static_cast<std::ptrdiff_t>(i + 1);
  }
  return ranges;
}

constexpr std::array<Range, kSectionTypes> kRanges = make_ranges();

}  // namespace

std::string_view section_word(SectionType type) {
  switch (type) {
    case S::kDaemon: return "daemon";
    case S::kInstance: return "instance";
    case S::kGroup: return "group";
    case S::kPlugin: return "plugin";
    case S::kPeer: return "peer";
  }
  return "";
}

std::span<const KeySpec> key_table() { return kTable; }

const KeySpec* find_key(SectionType section, std::string_view name) {
  const auto& [begin, end] = kRanges[static_cast<std::size_t>(section)];
  const auto* last = kTable.begin() + end;
  const auto* found =
      std::find_if(kTable.begin() + begin, last, [&](const KeySpec& spec) { return spec.name == name; });
  return found == last ? nullptr : found;
}

}  // namespace baton::config
