// The steward's one object: channels to the other processes, what is known, and the requests that wait for an answer.
// Never asks the engine for status: it reads the state board. Every wait has a deadline; nothing blocks.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "config/config.h"
#include "ipc/channel.h"
#include "ipc/state_board.h"
#include "posix/event_loop.h"
#include "posix/memfd.h"
#include "steward/clients.h"
#include "steward/documents.h"
#include "steward/event_ring.h"
#include "steward/knowledge.h"
#include "steward/metrics_listener.h"
#include "steward/peer_channel.h"
#include "steward/steward.h"
#include "steward/wish.h"

namespace baton::steward {

engine::Command engine_command(const Request& request);

class StewardProcess {
 public:
  /// Maps the board, reads the configuration, watches everything.
  static Result<std::unique_ptr<StewardProcess>> create(StewardArguments arguments);
  /// Until Terminate or until the guardian is gone. Returns the exit status.
  int run();

 private:
  /// A request whose answer comes from another process.
  struct Pending {
    Clients::Id client = 0;
    Request request;
    Instant deadline{};
    Json history = Json::array();
    std::vector<std::string> lines;  ///< what it means here; empty: the engine's own words
    // A planned move: answered when it is over.
    std::uint64_t move = 0;  ///< its number; 0: it is none
    std::vector<std::string> preflight;
    Instant began{};
  };

  StewardProcess(StewardArguments arguments, posix::EventLoop loop, posix::Mapping board, ipc::BoardReader reader,
                 config::Config config);
  Result<void> watch_all();
  Result<void> watch(ipc::Channel& channel);
  void refresh_interest(ipc::Channel& channel);
  void on_channel(ipc::Channel& channel, std::uint32_t events);
  void drop_channel(ipc::Channel& channel);
  void on_message(ipc::Channel& channel, ipc::Incoming incoming);
  void on_guardian_message(ipc::Incoming& incoming);
  void replace_channel(ipc::Process peer, std::vector<posix::Fd>& fds);
  void on_lifecycle(const ipc::Lifecycle& lifecycle);
  void on_confirm_result(const ipc::ConfirmResult& result);
  void on_reload_state(const ipc::ReloadState& state);
  void on_reload_result(const ipc::ReloadResult& result, const std::vector<posix::Fd>& fds);
  void on_reexec_result(const ipc::ReexecResult& result);
  void on_report(const ipc::ReportMessage& message);
  void on_command_result(const ipc::CommandResultMessage& message);
  void on_history_entry(const ipc::HistoryEntry& entry);
  void answer_history(const Pending& pending);
  void publish(Event event);
  Json document_of(const Event& event) const;

  /// To a client, or to the host whose wish it was.
  void answer(Clients::Id asker, const std::string& line);
  void on_request(Clients::Id client, Authority authority, const std::string& line);
  void perform(Clients::Id client, const Request& request);
  void start_events(Clients::Id client, const Request& request);
  void ask_engine(Clients::Id client, const Request& request);
  void ask_guardian(Clients::Id client, const Request& request);
  void ask_scribe(Clients::Id client, const Request& request);
  void ask(ipc::Channel& channel, const ipc::Message& message, Clients::Id client, const Request& request,
           Nanos patience, std::string_view who);
  std::optional<Pending> take_pending(std::uint64_t nonce);
  void expire(Instant now);
  void start_move(Clients::Id client, const Request& request, const HostView& host);
  void move_begun(Pending pending, const engine::CommandResult& result);
  void look_at_moves(Instant now);
  void wish_for(Clients::Id client, const Request& request, const HostView& host, const std::string& holder);
  void look_at_own_wish(Instant now);
  void hear_wishes();
  HostView view() const;
  std::string metrics(MetricsWish wish) const;
  Json metrics_document(MetricsWish wish) const;
  Instant last_heard(const ports::Report& report) const;
  void talk_to_peers(Instant now);
  void say_goodbye();
  PeerReport own_report(const HostView& host) const;
  bool busy(const HostView& host) const;
  void tell_engine(const PeerView& peer);
  void tell_checks(const PeerView& peer, Instant since);
  void tell_checks_again();
  void watch_peer(const PeerView& peer, Instant now);
  void forget_peers(Instant now);
  void raise(ports::Alarm alarm, const PeerView& peer, bool on, Instant now);

  StewardArguments arguments_;
  posix::EventLoop loop_;
  posix::Mapping board_;
  ipc::BoardReader reader_;
  config::Config config_;
  ipc::Channel guardian_;
  ipc::Channel engine_;
  ipc::Channel scribe_;
  std::optional<Clients> clients_;
  Knowledge knowledge_;
  EventRing ring_;
  std::map<Clients::Id, std::string> streams_;  ///< client -> instance filter
  std::map<std::uint64_t, Pending> pending_;    ///< by nonce
  std::uint64_t next_nonce_ = 1;
  MetricsListener metrics_listener_;
  PeerChannel peer_channel_;
  struct Watched {
    Instant told{};  ///< up to here the engine knows
    bool lost = false;
    bool differs = false;
    Instant since{};  ///< waited for
  };
  std::map<std::string, Watched> watched_;  ///< by HOST
  WishDesk desk_;
  std::optional<OwnWish> own_wish_;  ///< one at a time
  bool finished_ = false;
};

}  // namespace baton::steward
