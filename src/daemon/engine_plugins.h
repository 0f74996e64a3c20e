// The engine's side of the plugin hosts: reads the probe pages, speaks with the act hosts, keeps the acts' deadlines,
// and tells the guardian which host to end. Trusts nothing that a host wrote. Single-threaded, on the protocol thread;
// never waits: a page is memory, a channel takes a message or the act has failed.
//
// A section's probe host rings its bell for news; a bell that rings all the time is looked at only so often
// (kBellPause), so that a flood costs the engine next to nothing.
#pragma once

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

  static constexpr Nanos kBellPause = std::chrono::milliseconds{20};

  // The engine's calls.
  void use_plugin(ports::PluginId id, const config::Plugin& plugin) override;
  void forget_plugin(ports::PluginId id) override;
  ports::ProbeReading read_probe(ports::PluginId id) override;
  void act(const ports::ActOrder& order) override;

  // The guardian's words.
  void on_host(Instant now, ipc::PluginHost host, std::vector<posix::Fd> fds);
  void on_host_down(Instant now, const ipc::PluginHostDown& down);

  /// Delivers what has come since: news, results, deadlines that are over. Once a turn.
  void dispatch(Instant now, PluginSink& sink);
  /// When dispatch() has something to do without anything arriving; nullopt: never.
  std::optional<Instant> next_deadline() const;
};

}  // namespace baton::daemon
