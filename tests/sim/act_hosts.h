// The plugin processes of one simulated host: a probe page and an act process for each section. One act at a time runs
// in a section; it takes time, fails, or is done and its answer is lost. What runs when the engine dies goes on.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ports/ports.h"
#include "tests/sim/scenario.h"

namespace baton::sim {

class Host;
class World;

class ActHosts {
 public:
  ActHosts(World& world, Host& host);

  void use(ports::PluginId id, const config::Plugin& plugin);
  void forget(ports::PluginId id) { ids_.erase(id); }
  ports::ProbeReading read(ports::PluginId id) const;
  void act(const ports::ActOrder& order);
  void call_off(std::uint64_t ticket);

  void engine_died();
  /// The processes are gone, too.
  void end_all();
  /// What an event scheduled by this is about.
  void on_event(std::uint32_t index);
  /// All probes look.
  void probe();
  /// And have done so for a while: nothing new is to be read from them.
  bool all_pass() const;

 private:
  enum class Row : std::uint8_t { kDatabase, kWitness, kFence };
  enum class Mishap : std::uint8_t {
    kNone,
    kSlow,
    kTransient,
    kAnswerLost,  ///< done; then nothing
    kHangs,       ///< not done
    kDiesBefore,
    kDiesAfter,
    kRefused,
    kConflict,
    kCount,
  };
  struct Order {
    ports::ActOrder order;
    std::string instance;
  };
  struct Running {
    Order asked;
    bool orphan = false;
    Mishap mishap = Mishap::kNone;
    Nanos killed_at{0};
    std::optional<ports::ActResult> result;
  };
  struct Section {
    std::string name;
    Row row = Row::kDatabase;
    int unit = 0;
    int index = 0;
    std::deque<Order> queue;
    std::optional<Running> running;
    std::uint32_t serial = 0;
    ports::ProbeReading page;
  };

  Section* by_id(ports::PluginId id);
  void start_next(Section& section);
  void schedule(Section& section, Nanos at);
  void take_effect(Section& section);
  void finish(Section& section);
  Mishap draw_mishap(PluginVerb verb);
  std::optional<ports::ActResult> carry_out(const Section& section, const ports::ActOrder& order);
  void look(Section& section);

  World& world_;
  Host& host_;
  std::vector<Section> sections_;
  std::map<ports::PluginId, std::size_t> ids_;
};

}  // namespace baton::sim
