// Messages between the processes of one daemon (design section 2). Fixed header (magic, version, type, length, nonce),
// at most kMaxMessage bytes, larger things travel as sealed memfds. Every channel is a non-blocking SOCK_SEQPACKET pair
// made by the guardian.
//
//   guardian -> engine    Configuration(fd) Terminate ChannelReplaced(fd)     engine  -> guardian  Ready Membership(fd)
//                         PluginHost(fds) PluginHostDown                      Reloaded Goodbye PluginHostEnd
//                         StepAside TakeOver                                  Prepared SteppedAside
//   guardian -> steward   Configuration(fd) ReloadResult(fd) Lifecycle        steward -> guardian  ReloadRequest
//                         ChannelReplaced(fd) Terminate PluginHost(fds)                            ConfirmRequest
//                         PluginHostDown ConfirmResult ReloadState                                 ReexecRequest
//                         ReexecResult
//   guardian -> scribe    ChannelReplaced(fd) Terminate History               scribe  -> guardian  Recovered
//                         RecordLink(fd)
//   engine   -> steward   Report CommandResult                                steward -> engine    Command PeerNews
//                                                                                                  PeerCheck
//   engine   -> scribe    History Intent Remember                             scribe  -> engine    IntentRecorded
//                                                                                                  Recalled
//   steward  -> scribe    HistoryQuery                                        scribe  -> steward   HistoryEntry
//   HistoryEnd
//
// A message that does not decode, or of a type that its direction does not allow, ends the connection: the guardian
// kills the sender.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "engine/engine.h"
#include "ipc/host_order.h"
#include "ports/ports.h"

namespace baton::ipc {

/// During a re-exec the guardian of one program talks to workers of another: a change of any message is another
/// version.
inline constexpr std::uint16_t kProtocolVersion = 1;
inline constexpr std::size_t kMaxMessage = 4096;

enum class Process : std::uint8_t { kGuardian, kEngine, kSteward, kScribe };

struct Configuration {      ///< with the sealed memfd of config/serialize.h
  std::uint64_t nonce = 0;  ///< of the ReloadRequest; 0 at start
};
struct Terminate {};
struct ChannelReplaced {  ///< with the new end; the old one is dead
  Process peer = Process::kEngine;
};
struct Ready {};     ///< sockets are open, the election runs
struct Membership {  ///< with a socket that holds a multicast membership; the guardian keeps it open across an engine's
                     ///< death
  std::string interface;
  Family family = Family::kIpv4;
};
struct Reloaded {
  std::uint64_t nonce = 0;
  engine::ReloadSummary summary;  ///< names beyond the message size are cut, with "..." as the last
};
struct Goodbye {};  ///< everything released; about to exit
struct ReloadRequest {
  std::uint64_t nonce = 0;
  bool dry_run = false;
  std::int64_t confirm_within_ns = 0;  ///< rolled back unless confirmed by then; 0: needs no confirmation
};
struct ReloadResult {  ///< with a sealed memfd: JSON {"diagnostics":[...],"diff":[...]}
  std::uint64_t nonce = 0;
  bool valid = false;
  bool applied = false;
  bool waits = false;  ///< not even read: an earlier reload waits for its confirmation
};
/// steward -> guardian: the reload that waits stays; or, with `revert`, what was in force before it comes back at once.
struct ConfirmRequest {
  std::uint64_t nonce = 0;
  bool revert = false;
};
struct ConfirmResult {
  std::uint64_t nonce = 0;
  bool waited = false;  ///< false: none did, and nothing was changed
};
/// guardian -> steward, when it changes and when the steward starts.
struct ReloadState {
  std::int64_t deadline_ns = 0;  ///< of the confirmation that is waited for, monotonic; 0 = of none
  bool rolled_back = false;      ///< the last reload was: the file is not what runs
  std::string news;              ///< what has just happened, in words; "" = nothing
};
struct Lifecycle {
  Process process = Process::kEngine;
  Reason reason = Reason::kNone;  ///< kAdopted, kEngineDied, kTooManyDeaths, kStall
  std::int32_t wait_status = 0;   ///< of waitpid; negative: not known yet
  std::int64_t at_ns = 0;
};
struct Recovered {
  bool drained = false;
  std::int64_t frozen_for_ns = 0;  ///< still; 0: not frozen
};
struct ReportMessage {
  std::string instance;  ///< name, "" for the host
  std::uint64_t sequence = 0;
  std::uint64_t dropped = 0;  ///< reports lost before this one because the channel was full
  ports::Report report;
};
struct CommandMessage {
  std::uint64_t nonce = 0;
  engine::Command command;
};
struct CommandResultMessage {
  std::uint64_t nonce = 0;
  engine::CommandResult result;
};
struct History {
  std::string instance;
  ports::Report report;
};
struct Intent {
  std::uint64_t ticket = 0;
  std::string instance;  ///< "" = the host
  std::string what;      ///< "drain", "undrain"
};
/// A step of a promotion, to be on disk before IntentRecorded answers it.
struct Remember {
  std::uint64_t ticket = 0;
  ports::DataRecord record;
};
/// What was remembered of an instance, once for each; `last` ends the list and carries none.
struct Recalled {
  bool last = false;
  ports::DataRecord record;
};
struct IntentRecorded {
  std::uint64_t ticket = 0;
};
/// guardian -> engine, steward. kProbe: with the page (read-only) and the bell; kAct: with an end of the act channel.
/// The same again when the host was started anew (the page and the bell of a section stay the same).
struct PluginHost {
  std::string section;
  HostKind kind = HostKind::kProbe;
  std::uint64_t incarnation = 0;
};
/// guardian -> engine, steward: it died or cannot be started; it is tried again unless `given_up`.
struct PluginHostDown {
  std::string section;
  HostKind kind = HostKind::kProbe;
  std::uint64_t incarnation = 0;
  bool given_up = false;  ///< died too often: tried again only after a long pause
  std::int32_t wait_status = 0;
  std::string sentence;  ///< "killed by signal 11"
};
/// engine -> guardian: end this host (its act is late, its page is garbage); a new one is started.
struct PluginHostEnd {
  std::string section;
  HostKind kind = HostKind::kProbe;
  std::uint64_t incarnation = 0;  ///< another one is running already: nothing happens
  std::string sentence;           ///< why, for the log
};
/// steward -> engine: what another host said, as it came.
struct PeerNews {
  ports::PeerFact fact;
};
/// steward -> engine: whether a `relative` check passes on another host.
struct PeerCheck {
  std::string host;
  std::string section;
  bool passes = false;
};
/// steward -> guardian: go over to the program that is on disk now.
struct ReexecRequest {
  std::uint64_t nonce = 0;
};
struct ReexecResult {
  std::uint64_t nonce = 0;
  bool done = false;
  bool busy = false;     ///< not now: to be tried again
  std::string sentence;  ///< what was done, or which step failed and why
};
/// engine -> guardian: it has read what it needs, touches nothing yet, and waits for TakeOver.
struct Prepared {};
/// guardian -> engine: its successor is prepared. It ends between two adverts and releases nothing.
struct StepAside {};
/// engine -> guardian: its last word; the board has everything.
struct SteppedAside {};
/// guardian -> engine, after Prepared: continue what the board says. The operator's words may have changed since it was
/// started.
struct TakeOver {
  bool drained = false;
  std::int64_t frozen_until_ns = 0;  ///< 0 = not frozen
};
struct HistoryQuery {
  std::uint64_t nonce = 0;
  std::uint32_t limit = 0;  ///< newest first are chosen, delivered oldest first
  std::string instance;     ///< "" = all
};
struct HistoryEntry {
  std::uint64_t nonce = 0;
  std::uint64_t sequence = 0;
  std::int64_t wall_clock_ns = 0;  ///< CLOCK_REALTIME when the scribe wrote it: for people only
  std::string instance;
  ports::Report report;
  std::string capture = {};  ///< path of the flight recorder's file; "" = none
};
/// guardian -> scribe: records an interface, with a socket of linux/capture_socket.h; without one only the window
/// changes.
struct RecordLink {
  std::string interface;
  std::int64_t window_ns = 0;  ///< back from a transition; 0: not any more
};
struct HistoryEnd {
  std::uint64_t nonce = 0;
};

using Message =
    std::variant<Configuration, Terminate, ChannelReplaced, Ready, Membership, Reloaded, Goodbye, ReloadRequest,
                 ReloadResult, Lifecycle, Recovered, ReportMessage, CommandMessage, CommandResultMessage, History,
                 Intent, IntentRecorded, HistoryQuery, HistoryEntry, HistoryEnd, PluginHost, PluginHostDown,
                 PluginHostEnd, Remember, Recalled, PeerNews, PeerCheck, ConfirmRequest, ConfirmResult, ReloadState,
                 RecordLink, ReexecRequest, ReexecResult, Prepared, StepAside, SteppedAside, TakeOver>;

/// Header and body. REQUIRES that it fits kMaxMessage once texts are cut: long lists and lines are cut, never refused.
std::vector<std::uint8_t> encode(const Message& message);
/// True if the table above has this message from `from` to `to`.
bool allowed(Process from, Process to, const Message& message);
/// Strict: unknown version or type, wrong length, trailing bytes and enumerators out of range are errors.
Result<Message> decode(ConstBytes bytes);

}  // namespace baton::ipc
