#include "linux/filter_trace.h"

#include <algorithm>
#include <array>

#include "base/address.h"

namespace baton::linux {
namespace {

constexpr std::size_t kRegisterBytes = 80;
constexpr int kDeepest = 16;  ///< the kernel's own limit of jumps
constexpr std::size_t kNameSize = 16;
constexpr std::uint32_t kStateNew = 1u << 3;  ///< NF_CT_STATE_BIT(IP_CT_NEW)

enum class Answer : std::uint8_t { kNo, kMaybe, kYes };

/// 80 bytes, each known or not.
class Registers {
 public:
  void set(unsigned word, const FilterBytes& value) {
    for (std::size_t i = 0; i < value.size(); ++i) put(word, i, value[i]);
    // What a load leaves of its last word is zero.
    for (std::size_t i = value.size(); i % 4 != 0; ++i) put(word, i, 0);
  }
  void forget(unsigned word, std::size_t size) {
    for (std::size_t i = 0; i < std::max<std::size_t>(size, 4); ++i) {
      if (word * 4 + i < kRegisterBytes) known_[word * 4 + i] = false;
    }
  }
  std::optional<FilterBytes> get(unsigned word, std::size_t size) const {
    if (word * 4 + size > kRegisterBytes) return std::nullopt;
    FilterBytes value;
    for (std::size_t i = 0; i < size; ++i) {
      if (!known_[word * 4 + i]) return std::nullopt;
      value.push_back(bytes_[word * 4 + i]);
    }
    return value;
  }

 private:
  void put(unsigned word, std::size_t offset, std::uint8_t byte) {
    if (word * 4 + offset >= kRegisterBytes) return;
    bytes_[word * 4 + offset] = byte;
    known_[word * 4 + offset] = true;
  }
  std::array<std::uint8_t, kRegisterBytes> bytes_{};
  std::array<bool, kRegisterBytes> known_{};
};

/// As the kernel stores them in a register: in this machine's byte order.
FilterBytes host_word(std::uint32_t value) {
  FilterBytes bytes(4);
  for (std::size_t i = 0; i < 4; ++i) {
    bytes[i] = reinterpret_cast<const std::uint8_t*>(&value)[i];
  }
  return bytes;
}

FilterBytes padded_name(const std::string& name) {
  FilterBytes bytes(name.begin(), name.end());
  bytes.resize(kNameSize);
  return bytes;
}

bool unknown_interface(const ProbePacket& packet, LoadMeta::Key key) {
  using Key = LoadMeta::Key;
  const bool in = key == Key::kInterfaceIn || key == Key::kNameIn;
  const bool out = key == Key::kInterfaceOut || key == Key::kNameOut;
  return (in && packet.interface_in == kSomeInterface) || (out && packet.interface_out == kSomeInterface);
}

std::optional<FilterBytes> meta_value(const ProbePacket& packet, LoadMeta::Key key) {
  using Key = LoadMeta::Key;
  if (unknown_interface(packet, key)) return std::nullopt;
  switch (key) {
    case Key::kProtocol: return packet.ipv6 ? FilterBytes{0x86, 0xDD} : FilterBytes{0x08, 0x00};
    case Key::kNfProtocol: return FilterBytes{static_cast<std::uint8_t>(packet.ipv6 ? 10 : 2)};
    case Key::kL4Protocol: return FilterBytes{packet.protocol};
    case Key::kInterfaceIn: return host_word(packet.index_in);
    case Key::kInterfaceOut: return host_word(packet.index_out);
    case Key::kNameIn: return padded_name(packet.interface_in);
    case Key::kNameOut: return padded_name(packet.interface_out);
    case Key::kPacketType: return FilterBytes{static_cast<std::uint8_t>(packet.multicast ? 2 : 0)};
    case Key::kUnforeseen: return std::nullopt;
  }
  return std::nullopt;
}

bool compares(const FilterBytes& have, Comparison operation, const FilterBytes& wanted) {
  switch (operation) {
    case Comparison::kEqual: return have == wanted;
    case Comparison::kNotEqual: return have != wanted;
    case Comparison::kLess: return have < wanted;
    case Comparison::kLessOrEqual: return have <= wanted;
    case Comparison::kGreater: return have > wanted;
    case Comparison::kGreaterOrEqual: return have >= wanted;
  }
  return false;
}

Answer answer(bool yes) { return yes ? Answer::kYes : Answer::kNo; }

/// The element that holds `key`; nullptr: none. Intervals stand as their first key and, as an end, the first behind.
const SetElement* element_of(const FilterSet& set, const FilterBytes& key) {
  const SetElement* found = nullptr;
  const SetElement* rest = nullptr;
  for (const SetElement& element : set.elements) {
    if (element.catch_all) {
      rest = &element;
    } else if (!set.intervals) {
      if (element.key == key) return &element;
    } else if (element.key <= key &&
               (found == nullptr || element.key > found->key || (element.key == found->key && !element.interval_end))) {
      found = &element;
    }
  }
  return found != nullptr && !found->interval_end ? found : rest;
}

std::string hex(const FilterBytes& bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text = "0x";
  for (const std::uint8_t byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

/// One walk of one packet.
class Walk {
 public:
  Walk(const Ruleset& ruleset, const ProbePacket& packet) : ruleset_(ruleset), packet_(packet) {}

  /// True if it goes on behind this base chain, whatever may have happened to it.
  bool through(const FilterChain& chain) {
    uncertain_ = false;
    why_.clear();
    const Fate fate = follow(chain, 0);
    if (fate == Fate::kDropped) return false;
    if (fate == Fate::kEnd && chain.drops) return !dropped(chain, nullptr);
    return true;
  }
  FilterOutcome outcome() const { return outcome_; }

 private:
  enum class Fate : std::uint8_t { kAccepted, kDropped, kEnd };  // kEnd: of the chain

  const FilterChain* chain_named(const FilterChain& of, const std::string& name) const {
    for (const FilterChain& chain : ruleset_.chains) {
      if (chain.family == of.family && chain.table == of.table && chain.name == name) return &chain;
    }
    return nullptr;
  }
  const FilterSet* set_named(const FilterChain& of, const std::string& name) const {
    for (const FilterSet& set : ruleset_.sets) {
      if (set.family == of.family && set.table == of.table && set.name == name) return &set;
    }
    return nullptr;
  }

  Fate follow(const FilterChain& chain, int depth) {
    for (const FilterRule& rule : chain.rules) {
      if (const auto fate = apply(chain, rule, depth)) return *fate;
    }
    return Fate::kEnd;
  }

  /// nullopt: on to the next rule.
  std::optional<Fate> apply(const FilterChain& chain, const FilterRule& rule, int depth) {
    registers_ = {};
    Answer matched = Answer::kYes;
    for (const FilterStep& step : rule.steps) {
      decision_.reset();
      const Answer one = std::visit([&](const auto& what) { return take(chain, what); }, step);
      if (one == Answer::kNo) return std::nullopt;
      if (one == Answer::kMaybe) matched = Answer::kMaybe;
      if (decision_) return decide(chain, rule, *decision_, matched, depth);
    }
    return std::nullopt;
  }

  std::optional<Fate> decide(const FilterChain& chain, const FilterRule& rule, const Decide& decision, Answer matched,
                             int depth) {
    const bool before = uncertain_;
    if (matched == Answer::kMaybe) uncertain_ = true;
    switch (decision.verdict) {
      case Verdict::kContinue: uncertain_ = before; return std::nullopt;
      case Verdict::kAccept:
        if (matched == Answer::kYes) return Fate::kAccepted;
        return std::nullopt;  // and what follows is no longer certain
      case Verdict::kQueue:
        why_ = "a program that gets it by `queue`";
        uncertain_ = true;
        [[fallthrough]];
      case Verdict::kDrop: {
        const bool certain = dropped(chain, &rule);
        uncertain_ = before;  // had it not been dropped, all is as it was
        if (certain) return Fate::kDropped;
        return matched == Answer::kYes ? std::optional{Fate::kAccepted} : std::nullopt;
      }
      case Verdict::kReturn:
        if (matched == Answer::kYes) return Fate::kEnd;
        return std::nullopt;
      case Verdict::kJump:
      case Verdict::kGoto: break;
    }
    const FilterChain* target = chain_named(chain, decision.chain);
    if (target == nullptr || depth >= kDeepest) return std::nullopt;
    const Fate fate = follow(*target, depth + 1);
    if (matched == Answer::kMaybe) return std::nullopt;
    if (fate != Fate::kEnd) return fate;
    return decision.verdict == Verdict::kGoto ? std::optional{Fate::kEnd} : std::nullopt;
  }

  /// Notes it; true if it is certain. What is certain outdoes what may be.
  bool dropped(const FilterChain& chain, const FilterRule* rule) {
    using Known = FilterOutcome::Fate;
    if (uncertain_ && outcome_.fate != Known::kPasses) return false;
    outcome_ = {uncertain_ ? Known::kMayBeDropped : Known::kDropped,
                chain.family,
                chain.table,
                chain.name,
                rule == nullptr ? 0 : rule->handle,
                rule == nullptr ? "policy drop" : rule_text(*rule),
                uncertain_ ? why_ : ""};
    return !uncertain_;
  }

  Answer unforeseen(const std::string& what) {
    if (why_.empty()) why_ = what;
    return Answer::kMaybe;
  }

  Answer take(const FilterChain&, const Harmless&) { return Answer::kYes; }
  Answer take(const FilterChain&, const Unforeseen& step) { return unforeseen("`" + step.name + "`"); }
  Answer take(const FilterChain&, const LoadPayload& step) {
    using Base = LoadPayload::Base;
    const FilterBytes& header = step.base == Base::kLink      ? packet_.link
                                : step.base == Base::kNetwork ? packet_.network
                                                              : packet_.transport;
    if (step.offset + step.size > header.size()) {
      registers_.forget(step.target, step.size);
      return Answer::kYes;
    }
    const auto begin = header.begin() + static_cast<std::ptrdiff_t>(step.offset);
    registers_.set(step.target, {begin, begin + static_cast<std::ptrdiff_t>(step.size)});
    return Answer::kYes;
  }
  Answer take(const FilterChain&, const LoadMeta& step) {
    const auto value = meta_value(packet_, step.key);
    if (value) {
      registers_.set(step.target, *value);
    } else {
      registers_.forget(step.target, kNameSize);
    }
    return Answer::kYes;
  }
  Answer take(const FilterChain&, const LoadConntrack& step) {
    // To a group nobody answers: it stays new. Between two hosts it may have become established.
    if (step.state && packet_.multicast) {
      registers_.set(step.target, host_word(kStateNew));
    } else {
      registers_.forget(step.target, kNameSize);
    }
    return Answer::kYes;
  }
  Answer take(const FilterChain&, const StateMatch& step) {
    return packet_.multicast ? answer((step.states & kStateNew) != 0) : unforeseen("`conntrack`");
  }
  Answer take(const FilterChain&, const Bitwise& step) {
    const auto value = registers_.get(step.source, step.mask.size());
    if (!value || step.flip.size() != step.mask.size()) {
      registers_.forget(step.target, step.mask.size());
      return Answer::kYes;
    }
    FilterBytes result = *value;
    for (std::size_t i = 0; i < result.size(); ++i) {
      result[i] = static_cast<std::uint8_t>((result[i] & step.mask[i]) ^ step.flip[i]);
    }
    registers_.set(step.target, result);
    return Answer::kYes;
  }
  Answer take(const FilterChain&, const Compare& step) {
    const auto value = registers_.get(step.source, step.value.size());
    return value ? answer(compares(*value, step.operation, step.value)) : unforeseen("a match on what is not known");
  }
  Answer take(const FilterChain&, const InRange& step) {
    const auto value = registers_.get(step.source, step.from.size());
    if (!value) return unforeseen("a match on what is not known");
    return answer((*value >= step.from && *value <= step.to) != step.inverted);
  }
  Answer take(const FilterChain&, const SetRegister& step) {
    registers_.set(step.target, step.value);
    return Answer::kYes;
  }
  Answer take(const FilterChain&, const Decide& step) {
    decision_ = step;
    return Answer::kYes;
  }
  Answer take(const FilterChain& chain, const Lookup& step) {
    const FilterSet* set = set_named(chain, step.set);
    const auto key = set == nullptr ? std::nullopt : registers_.get(step.source, set->key_size);
    if (!key || set->unforeseen) {
      // Of a map any verdict might be the one.
      if (step.map) decision_ = worst_of(set);
      return unforeseen("the set " + step.set);
    }
    const SetElement* element = element_of(*set, *key);
    if (step.map && element != nullptr) decision_ = element->decision;
    return answer((element != nullptr) != step.inverted);
  }
  static std::optional<Decide> worst_of(const FilterSet* set) {
    if (set == nullptr) return std::nullopt;
    for (const SetElement& element : set->elements) {
      if (element.decision && element.decision->verdict == Verdict::kDrop) return element.decision;
    }
    for (const SetElement& element : set->elements) {
      if (element.decision) return element.decision;
    }
    return std::nullopt;
  }

  const Ruleset& ruleset_;
  const ProbePacket& packet_;
  Registers registers_;
  std::optional<Decide> decision_;
  bool uncertain_ = false;  ///< whether it got here at all, in this base chain
  std::string why_;
  FilterOutcome outcome_;
};

bool concerns(const FilterChain& chain, const ProbePacket& packet, const std::vector<FilterFamily>& families) {
  if (!chain.base || chain.hook != packet.hook) return false;
  if (std::find(families.begin(), families.end(), chain.family) == families.end()) return false;
  if (chain.hook != FilterHook::kIngress && chain.hook != FilterHook::kEgress) return true;
  const std::string& device = chain.hook == FilterHook::kIngress ? packet.interface_in : packet.interface_out;
  return std::find(chain.devices.begin(), chain.devices.end(), device) != chain.devices.end();
}

std::string number_text(const FilterBytes& value) {
  std::uint32_t number = 0;
  for (const std::uint8_t byte : value) number = number << 8 | byte;
  return std::to_string(number);
}

std::string_view operator_word(Comparison operation) {
  switch (operation) {
    case Comparison::kEqual: return "";
    case Comparison::kNotEqual: return "!= ";
    case Comparison::kLess: return "< ";
    case Comparison::kLessOrEqual: return "<= ";
    case Comparison::kGreater: return "> ";
    case Comparison::kGreaterOrEqual: return ">= ";
  }
  return "";
}

/// What a register was loaded with, and how values of it are written.
struct Field {
  enum class Kind : std::uint8_t { kNumber, kAddress, kName, kHex, kEtherType };
  std::string name;
  Kind kind = Kind::kHex;
};

Field field_of(const LoadPayload& load) {
  using Kind = Field::Kind;
  using Base = LoadPayload::Base;
  if (load.base == Base::kNetwork) {
    if (load.offset == 9 && load.size == 1) return {"ip protocol", Kind::kNumber};
    if (load.offset == 12 && load.size <= 4) return {"ip saddr", Kind::kAddress};
    if (load.offset == 16 && load.size <= 4) return {"ip daddr", Kind::kAddress};
    if (load.offset == 6 && load.size == 1) return {"ip6 nexthdr", Kind::kNumber};
    if (load.offset == 8 && load.size == 16) return {"ip6 saddr", Kind::kAddress};
    if (load.offset == 24 && load.size == 16) return {"ip6 daddr", Kind::kAddress};
    if (load.offset == 8 && load.size == 1) return {"ip ttl", Kind::kNumber};
  }
  if (load.base == Base::kTransport && load.size == 2 && load.offset == 0) return {"th sport", Kind::kNumber};
  if (load.base == Base::kTransport && load.size == 2 && load.offset == 2) return {"th dport", Kind::kNumber};
  const char* base = load.base == Base::kLink ? "@ll" : load.base == Base::kNetwork ? "@nh" : "@th";
  return {std::string{base} + "," + std::to_string(load.offset * 8) + "," + std::to_string(load.size * 8), Kind::kHex};
}

Field field_of(const LoadMeta& load) {
  using Kind = Field::Kind;
  using Key = LoadMeta::Key;
  switch (load.key) {
    case Key::kProtocol: return {"meta protocol", Kind::kEtherType};
    case Key::kNfProtocol: return {"meta nfproto", Kind::kNumber};
    case Key::kL4Protocol: return {"meta l4proto", Kind::kNumber};
    case Key::kInterfaceIn: return {"iif", Kind::kHex};
    case Key::kInterfaceOut: return {"oif", Kind::kHex};
    case Key::kNameIn: return {"iifname", Kind::kName};
    case Key::kNameOut: return {"oifname", Kind::kName};
    case Key::kPacketType: return {"meta pkttype", Kind::kNumber};
    case Key::kUnforeseen: return {"meta ...", Kind::kHex};
  }
  return {};
}

std::string value_text(const Field& field, const FilterBytes& value) {
  using Kind = Field::Kind;
  switch (field.kind) {
    case Kind::kNumber: return number_text(value);
    case Kind::kAddress:
      if (value.size() == 4 || value.size() == 16) return IpAddress::from_bytes(value).text();
      return hex(value);
    case Kind::kName: {
      std::string text{value.begin(), std::find(value.begin(), value.end(), std::uint8_t{0})};
      if (value.size() < kNameSize) text += "*";
      return "\"" + text + "\"";
    }
    case Kind::kEtherType:
      if (value == FilterBytes{0x08, 0x00}) return "ip";
      if (value == FilterBytes{0x86, 0xDD}) return "ip6";
      return hex(value);
    case Kind::kHex: return hex(value);
  }
  return {};
}

std::string verdict_text(const Decide& decision) {
  switch (decision.verdict) {
    case Verdict::kAccept: return "accept";
    case Verdict::kDrop: return "drop";
    case Verdict::kJump: return "jump " + decision.chain;
    case Verdict::kGoto: return "goto " + decision.chain;
    case Verdict::kReturn: return "return";
    case Verdict::kContinue: return "continue";
    case Verdict::kQueue: return "queue";
  }
  return {};
}

/// Writes a rule's words, step by step.
class RuleWriter {
 public:
  void write(const Harmless&) {}
  void write(const Bitwise&) {}
  void write(const SetRegister&) {}
  void write(const LoadPayload& step) { field_ = field_of(step); }
  void write(const LoadMeta& step) { field_ = field_of(step); }
  void write(const LoadConntrack& step) { field_ = {step.state ? "ct state" : "ct ...", Field::Kind::kHex}; }
  void write(const Compare& step) {
    // Which family it is for: nft puts that before what it was asked for, and does not show it either.
    if (field_.name == "meta nfproto" || field_.name == "meta protocol") return;
    add(field_.name + " " + std::string{operator_word(step.operation)} + value_text(field_, step.value));
  }
  void write(const InRange& step) {
    add(field_.name + (step.inverted ? " != " : " ") + value_text(field_, step.from) + "-" +
        value_text(field_, step.to));
  }
  void write(const Lookup& step) {
    add(field_.name + (step.map ? " vmap " : step.inverted ? " != " : " ") + "@" + step.set);
  }
  void write(const Unforeseen& step) { add(step.name + " ..."); }
  void write(const StateMatch&) { add("ctstate ..."); }
  void write(const Decide& step) { add(verdict_text(step)); }
  std::string take() { return std::move(text_); }

 private:
  void add(const std::string& words) { text_ += (text_.empty() ? "" : " ") + words; }
  Field field_;
  std::string text_;
};

}  // namespace

std::string_view filter_family_word(FilterFamily family) {
  switch (family) {
    case FilterFamily::kInet: return "inet";
    case FilterFamily::kIpv4: return "ip";
    case FilterFamily::kArp: return "arp";
    case FilterFamily::kNetdev: return "netdev";
    case FilterFamily::kBridge: return "bridge";
    case FilterFamily::kIpv6: return "ip6";
  }
  return "";
}

std::string_view filter_hook_word(FilterHook hook) {
  static constexpr std::array<std::string_view, 7> kWords{"prerouting",  "input",   "forward", "output",
                                                          "postrouting", "ingress", "egress"};
  return kWords[static_cast<std::size_t>(hook)];
}

std::string rule_text(const FilterRule& rule) {
  RuleWriter writer;
  for (const FilterStep& step : rule.steps) {
    std::visit([&](const auto& what) { writer.write(what); }, step);
  }
  std::string text = writer.take();
  if (!rule.comment.empty()) text += " comment \"" + rule.comment + "\"";
  return text;
}

FilterOutcome trace(const Ruleset& ruleset, const ProbePacket& packet, const std::vector<FilterFamily>& families) {
  std::vector<const FilterChain*> bases;
  for (const FilterChain& chain : ruleset.chains) {
    if (concerns(chain, packet, families)) bases.push_back(&chain);
  }
  std::stable_sort(bases.begin(), bases.end(),
                   [](const FilterChain* one, const FilterChain* other) { return one->priority < other->priority; });
  Walk walk{ruleset, packet};
  for (const FilterChain* base : bases) {
    if (!walk.through(*base)) break;
  }
  return walk.outcome();
}

}  // namespace baton::linux
