// What reports have told and the state board does not hold: the details of alarms in force, when an instance came up,
// the engine's lives. Put together with the board and the configuration it gives the HostView.
#pragma once

#include <map>
#include <string>

#include "config/config.h"
#include "ipc/messages.h"
#include "ipc/state_board.h"
#include "posix/memfd.h"
#include "steward/view.h"

namespace baton::steward {

class Knowledge {
 public:
  /// `heard_at`: when the instance last heard an Active, if it is known.
  void note_report(const ipc::ReportMessage& message, Instant heard_at = {});
  void note_lifecycle(const ipc::Lifecycle& lifecycle);
  /// A new engine's channel has come.
  void note_engine_replaced();
  void note_engine_gone();
  /// A new scribe says itself what it cannot write.
  void note_scribe_replaced() { alarms_[""].erase(ports::Alarm::kScribeSilent); }

  /// A configuration is running, since `wall_clock_ns`; or a reload was refused.
  void note_configured(std::int64_t wall_clock_ns) { reload_succeeded_ = true, configured_wall_ns_ = wall_clock_ns; }
  void note_reload_refused() { reload_succeeded_ = false; }
  /// A rollback is a reload that was refused, only later.
  void note_reload_state(const ipc::ReloadState& state);
  const Tallies& tallies() const { return tallies_; }

  /// A probe's page has come, or a plugin's process is gone.
  void note_plugin_page(const std::string& section, posix::Mapping page);
  void note_plugin_down(const ipc::PluginHostDown& down);
  /// After a reload: what is no longer configured is forgotten.
  void keep_configured(const config::Config& config);

  /// Board, configuration and what was noted, at `now`. `config_path` for people.
  HostView view(const ipc::BoardReader& board, const config::Config& config, const std::string& config_path,
                Instant now, std::int64_t wall_clock_ns) const;

 private:
  using Details = std::map<ports::Alarm, ports::Report>;
  struct ProbeHost {
    posix::Mapping page;
    std::string trouble;  ///< "" = it runs
  };
  std::vector<CheckView> check_views(const ipc::BoardReader& board, const config::Config& config) const;
  std::map<std::string, ProbeHost> probe_hosts_;  ///< by section
  std::map<std::string, Details> alarms_;         ///< by instance; "" = the host
  std::map<std::string, std::int64_t> up_since_;  ///< by instance
  /// By instance: the newest answer to each verb.
  std::map<std::string, std::map<PluginVerb, ports::Report>> acts_;
  EngineHealth engine_ = EngineHealth::kRunning;
  std::uint32_t engine_deaths_ = 0;
  std::uint64_t events_lost_ = 0;
  std::uint64_t last_sequence_ = 0;  ///< of the engine's reports
  Tallies tallies_;
  bool reload_succeeded_ = true;
  std::optional<Instant> confirm_by_;
  bool rolled_back_ = false;
  std::int64_t configured_wall_ns_ = 0;
};

/// Names of the hosts' addresses, from the [peer] sections.
HostNames host_names(const config::Config& config);

}  // namespace baton::steward
