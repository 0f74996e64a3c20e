// The doors of the engine to the world. The engine calls them from the protocol thread; none may block, allocate
// without bound or fail silently: what goes wrong comes back as an event of engine/engine.h. src/linux implements them
// with sockets and netlink, tests/sim with a fake segment.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "base/bytes.h"
#include "base/plugin_verb.h"
#include "base/reason.h"
#include "base/shortened.h"
#include "base/time.h"
#include "config/config.h"
#include "ports/data_record.h"
#include "ports/handover.h"
#include "ports/snapshot.h"
#include "vrrp/virtual_router.h"

namespace baton::ports {

/// Index into the engine's list of links (distinct interface names); stable while the name is configured.
using LinkId = std::uint32_t;

/// Frames leave in the order of the calls, at the latest when flush() is called at the end of a turn; those of one turn
/// and link leave in one sendmmsg. A refused frame comes back as Engine::on_send_error.
class FramePort {
 public:
  virtual ~FramePort() = default;
  /// A whole Ethernet frame. The bytes are copied or sent before the call returns.
  virtual void send_frame(LinkId link, ConstBytes frame) = 0;
  /// A VRRP message for one unicast peer: the implementation adds the IP header (TTL / Hop Limit 255) and lets the
  /// kernel resolve the neighbour.
  virtual void send_unicast(LinkId link, const IpAddress& source, const IpAddress& destination, ConstBytes message) = 0;
  virtual void flush() = 0;
};

/// Links to watch and groups to join. Joining happens off the protocol thread.
class LinkPort {
 public:
  virtual ~LinkPort() = default;
  /// Watch `name` from now on; its state comes as Engine::on_link. The families say what to listen to and which groups
  /// to join.
  virtual void watch(LinkId link, const std::string& name, bool ipv4, bool ipv6) = 0;
  virtual void forget(LinkId link) = 0;
};

/// Index into the engine's list of [plugin] sections; stable while the section's name is configured.
using PluginId = std::uint32_t;

enum class AddressVerb : std::uint8_t {
  kInstall,  ///< add, exclusively; an address that is already ours (mark or journal) counts as success
  kRefresh,  ///< renew valid_lft of an address that is ours
  kRemove,   ///< remove if ours; success if it is not there
};
struct AddressCommand {
  std::uint64_t ticket = 0;  ///< comes back in AddressResult
  AddressVerb verb = AddressVerb::kInstall;
  LinkId link = 0;
  Prefix prefix;
  Nanos lifetime{0};   ///< valid_lft; 0 = permanent (owner)
  bool owner = false;  ///< 255: not tagged, not aged, never removed
  bool no_prefix_route = false;
  bool end_connections = false;  ///< kRemove: TCP connections to it are reset first, while that can still be said
  Instant not_after = kNever;    ///< the worker drops it, with kTooLate, if it gets to it later (a freeze in between)
};
enum class AddressStatus : std::uint8_t { kDone, kForeign, kRefused, kTooLate, kNoLink };
struct AddressResult {
  std::uint64_t ticket = 0;
  AddressVerb verb = AddressVerb::kInstall;
  LinkId link = 0;
  Prefix prefix;
  AddressStatus status = AddressStatus::kDone;
  int sys_errno = 0;
};

/// The address worker's queue. Results come back as Engine::on_address_result, each exactly once. Commands for one
/// address keep their order; a kRemove overtakes queued kRefresh of other addresses.
class AddressPort {
 public:
  virtual ~AddressPort() = default;
  virtual void submit(const AddressCommand& command) = 0;
  /// Starts working on what was submitted in this turn.
  virtual void flush() = 0;
};

/// An event for people and machines. Texts are made by the reader from these fields.
enum class EventKind : std::uint8_t {
  kTransition = 1,
  kAlarm = 2,         ///< begins
  kAlarmCleared = 3,  ///< ends
  kNotice = 4,
  kHolding = 5,    ///< all addresses installed, or all removed
  kCheck = 6,      ///< a check changed its settled state, after `rise` or `fall` results: Report::plugin says which
  kActed = 7,      ///< a plugin was asked to act, and this came of it
  kMove = 8,       ///< a planned move: what this host now says about it (ports/handover.h)
  kAnnounced = 9,  ///< each address has been announced once since all were installed; duration_ns: since then
};
/// They follow each transition within milliseconds: not for the history.
constexpr bool for_watchers(EventKind kind) { return kind == EventKind::kHolding || kind == EventKind::kAnnounced; }
enum class Alarm : std::uint8_t {
  kNone = 0,
  kVipMismatch = 1,       ///< R-14, F06: the other's address list differs; old keepalived then goes MASTER beside us
  kIntervalMismatch = 2,  ///< R-13, F07
  kForeignOwner = 3,      ///< F10: an advert with priority 255
  kSecondOwner = 4,       ///< L-01
  kDuplicateHost = 5,     ///< F12, F14: our own source address from another host
  kEqualPriority = 6,     ///< L-02
  kRival = 7,             ///< ARP or NA of another host for our address while Active
  kDualActive = 8,        ///< a router that should yield keeps sending adverts beside us
  kAddressFight = 9,      ///< F36
  kAddressForeign = 10,   ///< EEXIST without our mark
  kStrayAddress = 11,     ///< F37: our VIP is on this host while Backup and is not ours
  kInstallFailed = 12,    ///< F46
  kSendFailed = 13,       ///< F41, F23
  kAdvertsRejected = 14,  ///< heard but rejected; `decode_error` says why (3.4 of peers' pains)
  kResignStorm = 15,      ///< F11, T-04
  kChecksumMixed = 16,    ///< both v3/IPv4 forms are heard
  kChecksumChanged = 17,
  kStall = 18,
  kNetlinkOverrun = 19,  ///< F43
  kRefreshLate = 20,
  kUnknownPeer = 21,     ///< F09: our VRID from a source that no [peer] or unicast_peer names
  kOneWay = 22,          ///< F26
  kSameVridHere = 23,    ///< F90: another program on this host speaks our VRID
  kMtu = 24,             ///< F23
  kScribeSilent = 25,    ///< F51: history and intent cannot be written
  kFollowUpFailed = 26,  ///< an action at enter or leave failed; Report::plugin says which
  kCheckFlapping = 27,   ///< F83: a check changes all the time and is held down
  kPeerLost = 28,        ///< another host's steward is not heard by any path
  kConfigDiffers = 29,   ///< another host runs another configuration
  kRoleConflict = 30,    ///< F77: two hosts' databases are writable at once
  kWatchdog = 31,        ///< the watchdog that is configured is not armed
  kSameGeneration = 32,  ///< two hosts were promoted under one generation: both are fenced (roles section 3)
};
std::string_view alarm_token(Alarm alarm);

/// A text of bounded length; a longer one ends at a word's end with "...". Most are empty, in reports kept by the
/// thousand.
template <std::size_t kBytes>
class ShortText {
 public:
  static constexpr std::size_t kLimit = kBytes;
  ShortText() = default;
  ShortText(std::string_view text)  // NOLINT(google-explicit-constructor): that is what it is for
      : text_(text.size() > kBytes ? shortened(text, kBytes) : std::string{text}) {}
  std::string_view view() const { return text_; }
  bool empty() const { return text_.empty(); }
  bool operator==(const ShortText& other) const = default;

 private:
  std::string text_;
};
using PluginName = ShortText<config::kMaxNameLength>;
using Sentence = ShortText<200>;
using LostText = ShortText<40>;  ///< "1683 bytes": a promotion's fact `lost_at_most`

/// Something happened. Plain values; strings are made elsewhere.
struct Report {
  EventKind kind = EventKind::kNotice;
  Alarm alarm = Alarm::kNone;
  std::uint32_t instance = 0;  ///< state board index; kNoInstance if it concerns the host
  vrrp::State from = vrrp::State::kInitialize;
  vrrp::State to = vrrp::State::kInitialize;
  Reason reason = Reason::kNone;
  std::uint8_t decode_error = 0;  ///< vrrp::DecodeError, with kAdvertsRejected
  std::uint8_t priority = 0;      ///< of the other router, if any
  IpAddress other;                ///< the other router or the address concerned
  MacAddress other_mac;
  IpAddress address;  ///< the VIP concerned
  std::int32_t sys_errno = 0;
  std::int64_t duration_ns = 0;  ///< stall length, lateness, how long an act took
  Instant at{};
  // Of a plugin: kCheck, kActed, and a transition that a check brought about.
  PluginName plugin;
  PluginVerb verb = PluginVerb::kProbe;
  VerbStatus outcome = VerbStatus::kOk;
  ProbeState probe = ProbeState::kUnknown;    ///< kCheck: what it is now
  Sentence sentence;                          ///< the plugin's own words; foreign text
  HandoverPhase move = HandoverPhase::kNone;  ///< kMove, with `other`
  bool gives = false;                         ///< kMove: this host is the one that gives
  // A promotion after a crash: what may be lost, and how old the position was that this is counted from.
  LostText lost;
  std::int64_t position_age_ns = -1;  ///< when the act was asked for; -1: none was known
};
inline constexpr std::uint32_t kNoInstance = 0xFFFFFFFF;

/// Where the engine tells what it did. The publish calls store state for adoption and status and come before the send
/// they describe. Slots are places on the state board; the engine hands them out below its capacity.
class ReportPort {
 public:
  virtual ~ReportPort() = default;
  virtual void report(const Report& report) = 0;
  virtual void publish_instance(std::uint32_t slot, const InstanceState& state) = 0;
  virtual void publish_router(std::uint32_t slot, const RouterState& state) = 0;
  /// Of the instance in `slot`.
  virtual void publish_texts(std::uint32_t slot, const HandoverTexts& texts) = 0;
  /// By PluginId.
  virtual void publish_check(PluginId id, const CheckState& state) = 0;
  virtual void retire_check(PluginId id) = 0;
  virtual void retire_instance(std::uint32_t slot) = 0;
  virtual void retire_router(std::uint32_t slot) = 0;
  /// Counters of a router slot, in memory that readers see; incremented in place. Lives as long as the port. A
  /// successor finds the predecessor's numbers there; the engine zeroes them for a router that is new.
  virtual RouterCounters& counters(std::uint32_t slot) = 0;
};

/// Intent that must be on disk before an act (design section 7). `record` returns a ticket at once;
/// Engine::on_intent_recorded follows.
class IntentPort {
 public:
  virtual ~IntentPort() = default;
  /// An operator's word.
  virtual std::uint64_t record(std::string_view instance, std::string_view what) = 0;
  /// A step of a promotion. The newest of an instance counts.
  virtual std::uint64_t record(const DataRecord& record) = 0;
};

/// The newest outcome of a section's probe.
struct ProbeReading {
  std::uint64_t sequence = 0;  ///< 0: none yet
  std::uint32_t streak = 0;    ///< outcomes in a row with this state
  ProbeState state = ProbeState::kUnknown;
  ApplicationRole role = ApplicationRole::kNone;
  bool warning = false;
  VerbStatus status = VerbStatus::kOk;
  std::uint64_t generation = 0;  ///< stamped in the data; 0: none, or not known
  Instant finished{};
  Sentence sentence{};
};

/// What another host's steward says of its part in an instance. A result with a lease: worth nothing after kPeerLease.
struct PeerFact {
  std::string host;
  std::string instance;
  vrrp::State state = vrrp::State::kInitialize;
  DataRole data_role = DataRole::kNone;
  PromotionStep step = PromotionStep::kReading;
  std::uint64_t generation = 0;
  std::uint64_t promoted = 0;  ///< the highest of which it knows that somebody was promoted
  bool dirty = false;
  ApplicationRole role = ApplicationRole::kNone;
  std::string position = {};  ///< of its data, as its probe saw it last
  Nanos position_age{0};      ///< since that probe
  ReasonSet against = {};     ///< why it may not be Active now
  HandoverWord handover = {};
  Promise promise = {};
  bool left = false;  ///< its daemon was stopped, and this is its last word: good until it speaks again
};
inline constexpr Nanos kPeerLease = std::chrono::milliseconds{3500};

struct ActOrder {
  std::uint64_t ticket = 0;  ///< comes back in ActResult; 0: nobody waits for it (notify)
  PluginId plugin = 0;
  PluginVerb verb = PluginVerb::kEnter;
  std::string_view instance;
  vrrp::State from = vrrp::State::kInitialize;
  vrrp::State to = vrrp::State::kInitialize;
  Reason reason = Reason::kNone;
  Nanos deadline{0};  ///< counted from when the plugin gets it
  // Of roles and witnesses.
  std::string target{};  ///< HOST
  std::string position{};
  Nanos position_age{-1};  ///< when its host was last heard to have the role; negative: not known
  bool planned = false;
  bool forced = false;   ///< an operator takes upon himself what may be lost
  bool resumes = false;  ///< nobody else has been promoted since this host's data was the writable one
  std::uint64_t generation = 0;
};
struct ActResult {
  std::uint64_t ticket = 0;
  VerbStatus status = VerbStatus::kOk;
  Nanos took{0};
  Sentence sentence{};
  ApplicationRole role = ApplicationRole::kNone;
  std::uint64_t generation = 0;
  std::uint64_t token = 0;
  Nanos lease{0};
  std::string position{};
  LostText lost{};
};

/// The plugin hosts. Nothing here waits: probes run by themselves and leave their outcomes in memory, acts are queued
/// for the section's act host.
class PluginPort {
 public:
  virtual ~PluginPort() = default;
  /// The section is used from now on (again, with changed keys, after a reload).
  virtual void use_plugin(PluginId id, const config::Plugin& plugin) = 0;
  virtual void forget_plugin(PluginId id) = 0;
  /// Reads memory; no system call. News come as Engine::on_plugin_news, but an unchanged outcome that only renews the
  /// lease does not.
  virtual ProbeReading read_probe(PluginId id) = 0;
  /// Engine::on_act_result follows exactly once, at the latest a second after the deadline of this act and those that
  /// were queued before it; kTimeout, kCrashed and kNotRunning are results too. With ticket 0: no result; a newer one
  /// for the same plugin and instance replaces one that still waits.
  virtual void act(const ActOrder& order) = 0;
  /// Ends the process that works on the act, if it has begun: what it has not done yet is not done any more. The result
  /// follows as for any act.
  virtual void call_off(std::uint64_t ticket) = 0;
};

struct Ports {
  FramePort& frames;
  LinkPort& links;
  AddressPort& addresses;
  ReportPort& reports;
  IntentPort& intents;
  PluginPort& plugins;
};

}  // namespace baton::ports
