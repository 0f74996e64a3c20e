// What this host's packet filter (nftables; iptables-nft is the same) would do with a packet that never was: the rules
// as values, and a walk through them. Pure. Three answers, because some matches cannot be foreseen (rate limits,
// conntrack of a packet that does not exist): passes, dropped for certain, may be dropped.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace baton::linux {

/// By the numbers of linux/netfilter.h: families and, for each family, hooks.
enum class FilterFamily : std::uint8_t { kInet = 1, kIpv4 = 2, kArp = 3, kNetdev = 5, kBridge = 7, kIpv6 = 10 };
enum class FilterHook : std::uint8_t { kPrerouting, kInput, kForward, kOutput, kPostrouting, kIngress, kEgress };
std::string_view filter_family_word(FilterFamily family);
std::string_view filter_hook_word(FilterHook hook);

enum class Verdict : std::uint8_t { kAccept, kDrop, kJump, kGoto, kReturn, kContinue, kQueue };

using FilterBytes = std::vector<std::uint8_t>;

/// Registers as the kernel has them: 20 words of 4 bytes. A register's number here is its first word.
struct LoadPayload {
  enum class Base : std::uint8_t { kLink, kNetwork, kTransport };
  unsigned target = 0;
  Base base = Base::kNetwork;
  std::size_t offset = 0;
  std::size_t size = 0;
};
struct LoadMeta {
  enum class Key : std::uint8_t {
    kProtocol,    ///< EtherType
    kNfProtocol,  ///< 2 or 10
    kL4Protocol,
    kInterfaceIn,  ///< index
    kInterfaceOut,
    kNameIn,
    kNameOut,
    kPacketType,
    kUnforeseen,
  };
  unsigned target = 0;
  Key key = Key::kUnforeseen;
};
/// The connection's state, or something else of it that is not foreseen.
struct LoadConntrack {
  unsigned target = 0;
  bool state = false;
};
struct Bitwise {
  unsigned source = 0, target = 0;
  FilterBytes mask, flip;
};
enum class Comparison : std::uint8_t { kEqual, kNotEqual, kLess, kLessOrEqual, kGreater, kGreaterOrEqual };
struct Compare {
  unsigned source = 0;
  Comparison operation = Comparison::kEqual;
  FilterBytes value;
};
struct InRange {
  unsigned source = 0;
  bool inverted = false;
  FilterBytes from, to;
};
/// In a set; with `map` the verdict stands in the element.
struct Lookup {
  unsigned source = 0;
  std::string set;
  bool inverted = false;
  bool map = false;
};
struct SetRegister {
  unsigned target = 0;
  FilterBytes value;
};
struct Decide {
  Verdict verdict = Verdict::kAccept;
  std::string chain = {};
};
/// Counters, logs, comments: nothing that matters.
struct Harmless {};
/// A match whose outcome cannot be foreseen; `name` as the kernel calls it.
struct Unforeseen {
  std::string name;
};
/// iptables' `-m conntrack --ctstate`: matches if the state is one of the bits.
struct StateMatch {
  std::uint32_t states = 0;
};

using FilterStep = std::variant<Harmless, LoadPayload, LoadMeta, LoadConntrack, Bitwise, Compare, InRange, Lookup,
                                SetRegister, Decide, Unforeseen, StateMatch>;

struct FilterRule {
  std::uint64_t handle = 0;
  std::string comment = {};
  std::vector<FilterStep> steps;
};

struct FilterChain {
  FilterFamily family = FilterFamily::kInet;
  std::string table;
  std::string name;
  bool base = false;
  FilterHook hook = FilterHook::kInput;
  int priority = 0;
  bool drops = false;                     ///< its policy
  std::vector<std::string> devices = {};  ///< of ingress and egress
  std::vector<FilterRule> rules = {};
};

struct SetElement {
  FilterBytes key;
  bool interval_end = false;
  bool catch_all = false;
  std::optional<Decide> decision = {};
};
struct FilterSet {
  FilterFamily family = FilterFamily::kInet;
  std::string table;
  std::string name;
  std::size_t key_size = 0;
  bool intervals = false;
  bool unforeseen = false;  ///< of a kind that is not understood here
  std::vector<SetElement> elements = {};
};

struct Ruleset {
  std::vector<FilterChain> chains;
  std::vector<FilterSet> sets;
};

/// As a name: an interface that is not known.
inline constexpr std::string_view kSomeInterface = "*";

/// A packet at one hook. Interface names "" where the hook has none; then their index is 0.
struct ProbePacket {
  FilterHook hook = FilterHook::kInput;
  bool ipv6 = false;
  std::uint8_t protocol = 112;
  std::string interface_in, interface_out;
  std::uint32_t index_in = 0, index_out = 0;
  bool multicast = false;
  FilterBytes link, network, transport;  ///< headers
};

struct FilterOutcome {
  enum class Fate : std::uint8_t { kPasses, kMayBeDropped, kDropped };
  Fate fate = Fate::kPasses;
  FilterFamily family = FilterFamily::kInet;
  std::string table, chain;
  std::uint64_t handle = 0;  ///< 0: the chain's policy
  std::string rule;          ///< in nft's words as far as they are known here
  std::string unforeseen;    ///< what could not be foreseen
};

/// Through all base chains at the packet's hook that concern it, lowest priority first. `families`: those whose chains
/// see it.
FilterOutcome trace(const Ruleset& ruleset, const ProbePacket& packet, const std::vector<FilterFamily>& families);

/// "ip protocol 112 drop".
std::string rule_text(const FilterRule& rule);

}  // namespace baton::linux
