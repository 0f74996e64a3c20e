// The engine's side of the plugin hosts: reads the probe pages, speaks with the act hosts, keeps the acts' deadlines,
// and tells the guardian which host to end. Trusts nothing that a host wrote. Single-threaded, on the protocol thread;
// never waits: a page is memory, a channel takes a message or the act has failed.
//
// A section's probe host rings its bell for news; a bell that rings all the time is looked at only so often
// (kBellPause), so that a flood costs the engine next to nothing.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "ipc/host_channel.h"
#include "ipc/messages.h"
#include "ipc/probe_page.h"
#include "ports/ports.h"
#include "posix/event_loop.h"
#include "posix/fd.h"
#include "posix/memfd.h"

namespace baton::daemon {

/// What the guardian held of a section's hosts when the engine was started, or sends while it runs.
struct HeldPlugin {
  ipc::PluginHost host;
  std::vector<posix::Fd> fds;  ///< as ipc::PluginHost says
};

/// Whom news go to: the engine.
class PluginSink {
 public:
  virtual ~PluginSink() = default;
  virtual void on_plugin_news(Instant now, ports::PluginId plugin) = 0;
  virtual void on_probe_lost(Instant now, ports::PluginId plugin, VerbStatus status, std::string_view sentence) = 0;
  virtual void on_act_result(Instant now, const ports::ActResult& result) = 0;
};

class EnginePlugins : public ports::PluginPort {
 public:
  /// `end_host`: asks the guardian to end a host.
  using EndHost = std::function<void(const ipc::PluginHostEnd&)>;
  EnginePlugins(posix::EventLoop& loop, EndHost end_host);
  ~EnginePlugins() override;

  static constexpr Nanos kBellPause = std::chrono::milliseconds{20};
  /// More rings than this in kFloodWindow: the section floods, its host is ended.
  static constexpr std::uint32_t kFloodLimit = 200;
  static constexpr Nanos kFloodWindow = std::chrono::seconds{10};
  /// The host itself answers kTimeout at the deadline; who has not even done that so long after it hangs.
  static constexpr Nanos kAnswerGrace = std::chrono::milliseconds{500};
  /// So long an act waits for a host that was never there.
  static constexpr Nanos kHostPatience = std::chrono::seconds{2};
  /// The guardian knows how a host ended; its word is waited for before the act's result says less.
  static constexpr Nanos kObituaryPatience = std::chrono::milliseconds{200};
  /// A new host may have an outcome before the guardian's word of it is here.
  static constexpr Nanos kStrangerPatience = std::chrono::milliseconds{200};
  /// A host that has told of a late call ends within its own grace.
  static constexpr Nanos kDoomPatience = std::chrono::seconds{1};
  /// Acts that wait for one section.
  static constexpr std::size_t kMaxQueued = 1024;

  // The engine's calls.
  void use_plugin(ports::PluginId id, const config::Plugin& plugin) override;
  void forget_plugin(ports::PluginId id) override;
  ports::ProbeReading read_probe(ports::PluginId id) override;
  void act(const ports::ActOrder& order) override;
  void call_off(std::uint64_t ticket) override;

  // The guardian's words.
  void on_host(Instant now, ipc::PluginHost host, std::vector<posix::Fd> fds);
  void on_host_down(Instant now, const ipc::PluginHostDown& down);

  /// Delivers what has come since: news, results, deadlines that are over. Once a turn.
  void dispatch(Instant now, PluginSink& sink);
  /// Somebody is only to be told of something, which nobody would tell again.
  bool owes_word() const;
  /// When dispatch() has something to do without anything arriving; nullopt: never.
  std::optional<Instant> next_deadline() const;

 private:
  struct Loss {
    VerbStatus status = VerbStatus::kCrashed;
    std::string sentence;
  };
  struct Probe {
    std::uint64_t incarnation = 0;
    std::uint64_t previous = 0;             ///< its outcome still counts until the new host has one
    bool inherited = false;                 ///< who came before `incarnation` is not known
    std::uint64_t distrusted = 0;           ///< this one wrote garbage; what it left there is no news
    std::optional<Instant> stranger_since;  ///< the page has an outcome of a host that we were not told of
    posix::Mapping page;
    posix::Fd bell;
    bool armed = false;
    bool rung = false;
    Instant armed_again{};  ///< if not armed
    std::uint32_t rings = 0;
    Instant rings_since{};
    std::uint64_t told = 0;  ///< sequence of the last outcome that was news
    std::optional<Loss> loss;
  };
  struct Waiting {
    std::uint64_t ticket = 0;
    PluginVerb verb = PluginVerb::kEnter;
    std::string instance;
    vrrp::State from = vrrp::State::kInitialize;
    vrrp::State to = vrrp::State::kInitialize;
    Reason reason = Reason::kNone;
    Nanos deadline{0};
    Instant since{};
    std::int64_t wall_clock_ns = 0;
    std::string target;
    std::string position;
    Nanos position_age{-1};
    bool planned = false;
    bool forced = false;
    bool resumes = false;
    std::uint64_t generation = 0;
  };
  struct Running {
    std::uint64_t ticket = 0;
    std::uint64_t nonce = 0;
    PluginVerb verb = PluginVerb::kEnter;
    std::string instance;
    Nanos deadline{0};
    Instant started{};
    Instant limit{};
  };
  struct Act {
    std::uint64_t incarnation = 0;
    posix::Fd channel;
    bool ever = false;       ///< there was a host: a new one will come
    bool inherited = false;  ///< it may still work for the engine before this one, and answer that
    std::string given_up;    ///< why, if it is not tried for now
    std::optional<Running> running;
    std::optional<Instant> doomed;  ///< it said that a call was late and is about to end; until then it should have
    std::optional<Instant> ended;   ///< the channel is at its end; the guardian's word is waited for
    std::deque<Waiting> queue;
  };
  struct Section {
    std::string name;
    std::optional<ports::PluginId> id;
    Nanos deadline{0};  ///< of one act, as configured
    Probe probe;
    Act act;
  };
  enum class Look { kNothing, kGood, kGarbage };

  Section* by_id(ports::PluginId id);
  void soon(Instant at) { due_ = std::min(due_, at); }
  void on_probe_host(Instant now, Section& section, std::uint64_t incarnation, std::vector<posix::Fd> fds);
  void on_act_host(Section& section, std::uint64_t incarnation, std::vector<posix::Fd> fds);
  void arm(Section& section);
  void disarm(Section& section);
  void on_bell(Section& section);
  void flooded(Section& section);
  Look look(Section& section, ipc::ProbeOutcome& outcome);
  bool may_be_announced(Probe& probe);
  std::string complaint_about(const Probe& probe, const ipc::PageReading& reading) const;
  void tell_garbage(Section& section, const std::string& sentence);
  void serve_probe(Instant now, Section& section, PluginSink& sink);
  void receive(Section& section);
  void on_answer(Section& section, ConstBytes bytes);
  void end_act_host(Section& section, const std::string& sentence);
  void close_channel(Section& section);
  void settle(Section& section, VerbStatus status, std::string_view sentence, Nanos took);
  void settle(Section& section, const ipc::ActAnswer& answer);
  void settle_queue(Section& section, VerbStatus status, std::string_view sentence);
  void serve_act(Instant now, Section& section);
  void send_next(Instant now, Section& section);

  posix::EventLoop& loop_;
  EndHost end_host_;
  std::map<std::string, Section> sections_;
  std::vector<Section*> by_id_;
  std::vector<ports::ActResult> results_;
  Instant due_ = kNever;
  bool started_ = false;  ///< dispatch() was called: hosts from now on are new
  std::uint64_t next_nonce_ = 0;
};

}  // namespace baton::daemon
