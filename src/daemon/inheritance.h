// What one guardian leaves to the next at a re-exec: the numbers of its descriptors, its children, and the little that
// it remembers. The process stays, so descriptors and children stay what they are; only the program changes. Travels in
// a sealed memfd whose number stands in the environment; holds the secrets of plugins, so it is never written to disk.
// Decides which two programs understand each other. Plain numbers: nothing here owns a descriptor.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "base/time.h"
#include "daemon/config_child.h"
#include "ipc/host_order.h"

namespace baton::daemon {

/// Of this struct as bytes. Add or change a field: count.
inline constexpr std::uint32_t kInheritanceVersion = 1;
inline constexpr std::size_t kMaxInheritance = 80u << 20;
/// The environment variable with the number of the memfd.
inline constexpr const char* kInheritanceVariable = "BATON_INHERITANCE";

/// Set if the new program could not take over and the old one goes on: why.
inline constexpr const char* kFailureVariable = "BATON_REEXEC_FAILURE";

/// What two programs must have in common for one to go on where the other is.
struct Layouts {
  std::uint32_t board = 0;        ///< ipc::kBoardVersion
  std::uint32_t protocol = 0;     ///< ipc::kProtocolVersion
  std::uint32_t inheritance = 0;  ///< kInheritanceVersion
  bool operator==(const Layouts&) const = default;
};
/// Of this program.
Layouts own_layouts();
/// "" if they fit; else what does not, as a sentence for the operator.
std::string misfit(const Layouts& theirs, const Layouts& ours);

struct LeftChild {
  std::int32_t pid = -1;
  std::int32_t pidfd = -1;  ///< -1: it does not run
};
struct LeftWorker {
  LeftChild child;
  std::int32_t channel = -1;
  Instant started{};
  Nanos back_off{0};
  std::optional<Instant> restart_at = {};
};
struct LeftMembership {
  std::string interface;
  std::uint8_t family = 4;
  std::int32_t socket = -1;
};
struct LeftWish {
  std::uint64_t nonce = 0;
  bool dry_run = false;
  Nanos confirm_within{0};
};
/// A place of PluginHosts.
struct LeftHost {
  ipc::HostOrder order;
  LeftChild child;
  std::int32_t page = -1;
  std::int32_t page_reader = -1;
  std::int32_t bell = -1;
  std::int32_t engine_end = -1;
  std::uint64_t incarnation = 0;
  Instant started{};
  Nanos back_off{0};
  std::optional<Instant> unwanted_until = {};
  std::optional<Instant> start_at = {};
  std::optional<Instant> kill_at = {};
  std::string why_ended = {};
  std::vector<Instant> deaths = {};
  bool given_up = false;
  bool late = false;
};

struct Inheritance {
  Layouts layouts = {};       ///< of who leaves it
  std::int32_t program = -1;  ///< the file that ran before, to go back to it
  std::string version;        ///< of who leaves it
  std::uint64_t nonce = 0;    ///< of the request; 0: nobody waits for an answer
  Instant asked{};

  ConfigFacts facts;
  std::int32_t configuration = -1;
  std::int32_t for_steward = -1;
  std::int32_t fleet = -1;
  std::int32_t board = -1;
  std::int32_t lock = -1;
  std::int32_t runtime_dir = -1;
  std::int32_t state_dir = -1;
  std::int32_t control = -1;
  std::int32_t log_pipe = -1;
  LeftChild log_writer;
  std::array<LeftWorker, 4> workers;
  std::array<std::array<std::int32_t, 4>, 4> ends = {};  ///< Guardian::ends_; -1: none
  std::vector<LeftMembership> memberships;
  bool drained = false;
  std::optional<Instant> frozen_until;
  std::vector<Instant> deaths;  ///< of engines
  std::int32_t watchdog = -1;
  bool watchdog_is_real = false;
  std::map<std::string, Instant, std::less<>> writable;  ///< Feeder
  std::vector<LeftWish> wishes;
  bool rolled_back = false;  ///< Guardian::rolled_back_
  std::vector<LeftHost> hosts;
};

std::vector<std::uint8_t> encode(const Inheritance& inheritance);
/// Error: another program's, which this one does not understand (says what), or no inheritance at all.
Result<Inheritance> decode_inheritance(ConstBytes bytes);
/// Number of the descriptor with the program that ran before; -1 if not even that can be read. Good for every version.
int program_to_return_to(ConstBytes bytes);
/// Number of the memfd that this process was started with; -1: none. Forgets it: no child shall find it.
int inherited_descriptor();
/// "" = none; forgets it.
std::string inherited_failure();
/// All valid descriptors in it.
std::vector<int> descriptors(const Inheritance& inheritance);

}  // namespace baton::daemon
