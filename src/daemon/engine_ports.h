// Where the engine's words go: reports to the log, the steward and the scribe, state to the board, intent to the
// scribe. Decides what is written to the log and what into the history. Nothing here waits.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "daemon/report_line.h"
#include "ipc/channel.h"
#include "ipc/state_board.h"
#include "ports/ports.h"

namespace baton::daemon {

class EnginePorts : public ports::ReportPort, public ports::IntentPort {
 public:
  EnginePorts(ipc::BoardWriter board, ipc::Channel steward, ipc::Channel scribe);

  /// Whose addresses are whose.
  void set_peers(const std::vector<config::Peer>& peers) { contexts_.set_peers(peers); }
  /// Kept for a moment: whom it wakes would take the processor from the takeover that is reported.
  void report(const ports::Report& report) override;
  /// When flush_reports() is due; nullopt: nothing is kept.
  std::optional<Instant> reports_due() const { return reports_due_; }
  /// To the log, the steward and the scribe.
  void flush_reports();
  void publish_instance(std::uint32_t slot, const ports::InstanceState& state) override;
  void publish_router(std::uint32_t slot, const ports::RouterState& state) override;
  void publish_texts(std::uint32_t slot, const ports::HandoverTexts& texts) override;
  void publish_check(ports::PluginId id, const ports::CheckState& state) override { board_.publish_check(id, state); }
  void retire_check(ports::PluginId id) override { board_.retire_check(id); }
  void retire_instance(std::uint32_t slot) override;
  void retire_router(std::uint32_t slot) override;
  ports::RouterCounters& counters(std::uint32_t slot) override;

  std::uint64_t record(std::string_view instance, std::string_view what) override;
  std::uint64_t record(const ports::DataRecord& record) override;

  ipc::BoardWriter& board() { return board_; }
  ipc::Channel& steward() { return steward_; }
  ipc::Channel& scribe() { return scribe_; }
  void replace_steward(ipc::Channel channel) { steward_ = std::move(channel); }
  /// Intent that the old scribe did not confirm is sent again.
  void replace_scribe(ipc::Channel channel);
  void intent_recorded(std::uint64_t ticket);
  /// The oldest intent that waits for the scribe, or anything in its queue: it is silent.
  bool scribe_owes() const { return !unrecorded_.empty() || scribe_.wants_write() || !scribe_.open(); }
  /// Tells the host's own story (not an instance's).
  void report_host(ports::EventKind kind, ports::Alarm alarm, int sys_errno, Instant at);

 private:
  struct Kept {
    ReportContext context;
    ports::Report report;
  };

  ipc::BoardWriter board_;
  ipc::Channel steward_;
  ipc::Channel scribe_;
  ReportContexts contexts_;
  std::vector<Kept> kept_;
  std::optional<Instant> reports_due_;
  std::uint64_t sequence_ = 0;
  std::uint64_t next_ticket_ = 1;
  std::uint64_t keep(std::uint64_t ticket, ipc::Message message);

  struct Unrecorded {
    std::uint64_t ticket = 0;
    ipc::Message message;
  };
  std::deque<Unrecorded> unrecorded_;
};

}  // namespace baton::daemon
