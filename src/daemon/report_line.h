// How a report of the engine reads in the log: the fields that stand in the journal, what they are about, and the
// number that holds the lines of one change together. Pure but for that number's randomness.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "log/log.h"
#include "ports/ports.h"

namespace baton::daemon {

/// What a report is about, by name.
struct ReportContext {
  std::string instance;             ///< "" = the host
  std::vector<std::uint8_t> vrids;  ///< of a group each member's, in the order of the members, each once
  std::string peer;                 ///< HOST that Report::other belongs to; "" = no [peer] names it
  std::uint64_t correlation = 0;    ///< 0 = no change of role since the start
};

struct ReportLine {
  log::Level level = log::Level::kInfo;
  std::string_view event;
  std::vector<log::Field> fields;
  std::string text;
};
/// Fields first; what does not apply is left out.
ReportLine report_line(const ports::Report& report, const ReportContext& context);

/// Knows the names behind the slots of the state board. Protocol thread.
class ReportContexts {
 public:
  /// `random`: of a new change; never 0.
  explicit ReportContexts(std::function<std::uint64_t()> random) : random_(std::move(random)) {}

  void set_peers(const std::vector<config::Peer>& peers);
  void publish_instance(std::uint32_t slot, const ports::InstanceState& state);
  void publish_router(std::uint32_t slot, const ports::RouterState& state);
  void retire_instance(std::uint32_t slot);

  /// A transition begins a new correlation, unless it belongs to a planned move: its number is the same on both hosts.
  /// What an instance reports afterwards belongs to its last change.
  ReportContext context_of(const ports::Report& report);

 private:
  struct Instance {
    std::string name;
    std::uint32_t first_router = 0;
    std::uint32_t routers = 0;
    std::uint64_t number = 0;  ///< of the last planned move; 0: there was none
    bool moving = false;       ///< that one is not over
    std::uint64_t correlation = 0;
  };
  std::uint64_t correlate(const ports::Report& report, Instance& instance);

  std::function<std::uint64_t()> random_;
  std::map<IpAddress, std::string> hosts_;
  std::vector<Instance> instances_;  ///< by slot; without a name: none
  std::vector<std::uint8_t> vrids_;  ///< by router slot
};

}  // namespace baton::daemon
