// One list of fields for each message serves both directions: the archive either writes or reads.
#include "ipc/messages.h"

#include <array>
#include <type_traits>

#include "base/check.h"
#include "vrrp/packet.h"

namespace baton::ipc {
namespace {

constexpr std::uint32_t kMagic = 0x4254'4950;  // "BTIP"
constexpr std::size_t kHeaderSize = 4 + 2 + 2 + 4 + 8;
constexpr std::size_t kMaxText = 512;
constexpr std::size_t kMaxPosition = 1023;  // as probe_page.h has it

/// Writes; texts and lists are cut so that every message fits.
class Encoder {
 public:
  explicit Encoder(ByteWriter& out) : out_(out) {}

  void number(std::uint64_t& value) { out_.u64(value); }
  void number(std::int64_t& value) { out_.i64(value); }
  void number(std::uint32_t& value) { out_.u32(value); }
  void number(std::int32_t& value) { out_.u32(static_cast<std::uint32_t>(value)); }
  void number(std::uint8_t& value) { out_.u8(value); }
  void flag(bool& value) { out_.u8(value ? 1 : 0); }
  void text(std::string& value, std::size_t limit = kMaxText) { out_.text(std::string_view{value}.substr(0, limit)); }
  void bytes(MutableBytes value) { out_.bytes(value); }
  template <class Enum, class Valid>
  void enumerator(Enum& value, Valid) {
    out_.u8(static_cast<std::uint8_t>(value));
  }
  void address(IpAddress& value) {
    out_.u8(static_cast<std::uint8_t>(value.family()));
    out_.bytes(value.bytes());
  }
  /// At most `room` bytes of the message.
  void list(std::vector<std::string>& values, std::size_t room) {
    constexpr std::string_view kCut = "...";
    std::vector<std::string_view> taken;
    std::size_t used = 2;
    for (const std::string& value : values) {
      const std::string_view cut = std::string_view{value}.substr(0, kMaxText);
      if (used + 2 + cut.size() + 2 + kCut.size() > room) {
        taken.push_back(kCut);
        break;
      }
      used += 2 + cut.size();
      taken.push_back(cut);
    }
    out_.u16(static_cast<std::uint16_t>(taken.size()));
    for (const std::string_view value : taken) out_.text(value);
  }

 private:
  ByteWriter& out_;
};

/// Reads; whatever is out of range sets bad().
class Decoder {
 public:
  explicit Decoder(ByteReader& in) : in_(in) {}
  bool bad() const { return bad_ || !in_.ok(); }

  void number(std::uint64_t& value) { value = in_.u64(); }
  void number(std::int64_t& value) { value = in_.i64(); }
  void number(std::uint32_t& value) { value = in_.u32(); }
  void number(std::int32_t& value) { value = static_cast<std::int32_t>(in_.u32()); }
  void number(std::uint8_t& value) { value = in_.u8(); }
  void flag(bool& value) {
    const std::uint8_t byte = in_.u8();
    value = byte == 1;
    bad_ |= byte > 1;
  }
  void text(std::string& value, std::size_t limit = kMaxText) {
    value = in_.text();
    bad_ |= value.size() > limit;
  }
  void bytes(MutableBytes value) {
    const ConstBytes taken = in_.take(value.size());
    std::copy(taken.begin(), taken.end(), value.begin());
  }
  template <class Enum, class Valid>
  void enumerator(Enum& value, Valid valid) {
    const auto candidate = static_cast<Enum>(in_.u8());
    if (valid(candidate)) {
      value = candidate;
    } else {
      bad_ = true;
    }
  }
  void address(IpAddress& value) {
    const std::uint8_t family = in_.u8();
    if (family != 4 && family != 6) {
      bad_ = true;
      return;
    }
    const ConstBytes taken = in_.take(family == 6 ? 16 : 4);
    if (in_.ok()) value = IpAddress::from_bytes(taken);
  }
  void list(std::vector<std::string>& values, std::size_t) {
    const std::uint16_t count = in_.u16();
    for (std::uint16_t i = 0; i < count && !bad(); ++i) text(values.emplace_back());
  }

 private:
  ByteReader& in_;
  bool bad_ = false;
};

template <auto kLast>
constexpr auto up_to = [](auto value) { return value <= kLast; };
constexpr auto known_reason = [](Reason reason) {
  return reason == Reason::kNone || (reason <= Reason::kSameGeneration && reason_token(reason) != "unknown");
};
constexpr auto known_event = [](ports::EventKind kind) {
  return kind >= ports::EventKind::kTransition && kind <= ports::EventKind::kAnnounced;
};
constexpr auto known_outcome = [](VerbStatus status) { return valid(status); };
constexpr auto known_family = [](Family family) { return family == Family::kIpv4 || family == Family::kIpv6; };

template <class Archive>
void instant(Archive& archive, Instant& value) {
  std::int64_t ns = value.time_since_epoch().count();
  archive.number(ns);
  value = Instant{Nanos{ns}};
}

template <class Archive, std::size_t kBytes>
void short_text(Archive& archive, ports::ShortText<kBytes>& value) {
  std::string text{value.view()};
  archive.text(text);
  value = ports::ShortText<kBytes>{text};
}

template <class Archive>
void fields(Archive& archive, ports::Report& report) {
  archive.enumerator(report.kind, known_event);
  archive.enumerator(report.alarm, up_to<ports::Alarm::kSameGeneration>);
  archive.number(report.instance);
  archive.enumerator(report.from, up_to<vrrp::State::kActive>);
  archive.enumerator(report.to, up_to<vrrp::State::kActive>);
  archive.enumerator(report.reason, known_reason);
  archive.enumerator(report.decode_error, [](std::uint8_t value) { return value < vrrp::kDecodeErrorCount; });
  archive.number(report.priority);
  archive.address(report.other);
  archive.bytes(report.other_mac.bytes);
  archive.address(report.address);
  archive.number(report.sys_errno);
  archive.number(report.duration_ns);
  instant(archive, report.at);
  short_text(archive, report.plugin);
  archive.enumerator(report.verb, up_to<PluginVerb::kFence>);
  archive.enumerator(report.outcome, known_outcome);
  archive.enumerator(report.probe, up_to<ProbeState::kFail>);
  short_text(archive, report.sentence);
  archive.enumerator(report.move, up_to<ports::HandoverPhase::kAborted>);
  archive.flag(report.gives);
  short_text(archive, report.lost);
  archive.number(report.position_age_ns);
}

// Bodies, without `nonce`, which travels in the header; some have none.
template <class Archive, class T>
requires std::is_empty_v<T> || std::is_same_v<T, Configuration> || std::is_same_v<T, HistoryEnd> ||
    std::is_same_v<T, ReexecRequest>
void fields(Archive&, T&) {}
template <class Archive>
void fields(Archive& archive, ChannelReplaced& message) {
  archive.enumerator(message.peer, up_to<Process::kScribe>);
}
template <class Archive>
void fields(Archive& archive, Membership& message) {
  archive.text(message.interface);
  archive.enumerator(message.family, known_family);
}
template <class Archive>
void fields(Archive& archive, Reloaded& message) {
  constexpr std::size_t kRoom = (kMaxMessage - kHeaderSize) / 5;
  for (auto* names : {&message.summary.unchanged, &message.summary.changed, &message.summary.restarted,
                      &message.summary.added, &message.summary.removed}) {
    archive.list(*names, kRoom);
  }
}
template <class Archive>
void fields(Archive& archive, ReloadRequest& message) {
  archive.flag(message.dry_run);
  archive.number(message.confirm_within_ns);
}
template <class Archive>
void fields(Archive& archive, ReloadResult& message) {
  archive.flag(message.valid);
  archive.flag(message.applied);
  archive.flag(message.waits);
}
template <class Archive>
void fields(Archive& archive, ConfirmRequest& message) {
  archive.flag(message.revert);
}
template <class Archive>
void fields(Archive& archive, ConfirmResult& message) {
  archive.flag(message.waited);
}
template <class Archive>
void fields(Archive& archive, ReloadState& message) {
  archive.number(message.deadline_ns);
  archive.flag(message.rolled_back);
  archive.text(message.news);
}
template <class Archive>
void fields(Archive& archive, ReexecResult& message) {
  archive.flag(message.done);
  archive.flag(message.busy);
  archive.text(message.sentence);
}
template <class Archive>
void fields(Archive& archive, TakeOver& message) {
  archive.flag(message.drained);
  archive.number(message.frozen_until_ns);
}
template <class Archive>
void fields(Archive& archive, Lifecycle& message) {
  archive.enumerator(message.process, up_to<Process::kScribe>);
  archive.enumerator(message.reason, known_reason);
  archive.number(message.wait_status);
  archive.number(message.at_ns);
}
template <class Archive>
void fields(Archive& archive, Recovered& message) {
  archive.flag(message.drained);
  archive.number(message.frozen_for_ns);
}
template <class Archive>
void fields(Archive& archive, ReportMessage& message) {
  archive.text(message.instance);
  archive.number(message.sequence);
  archive.number(message.dropped);
  fields(archive, message.report);
}
template <class Archive>
void fields(Archive& archive, CommandMessage& message) {
  archive.enumerator(message.command.verb, up_to<engine::Verb::kFailover>);
  archive.text(message.command.instance);
  std::int64_t duration = message.command.duration.count();
  archive.number(duration);
  message.command.duration = Nanos{duration};
  archive.flag(message.command.dry_run);
  archive.text(message.command.to);
  archive.number(message.command.number);
}
template <class Archive>
void fields(Archive& archive, CommandResultMessage& message) {
  archive.flag(message.result.accepted);
  archive.flag(message.result.refused_by_safety);
  archive.list(message.result.lines, kMaxMessage - kHeaderSize - 2);
}
template <class Archive>
void fields(Archive& archive, History& message) {
  archive.text(message.instance);
  fields(archive, message.report);
}
template <class Archive>
void fields(Archive& archive, Intent& message) {
  archive.number(message.ticket);
  archive.text(message.instance);
  archive.text(message.what);
}
template <class Archive>
void fields(Archive& archive, ports::DataRecord& record) {
  archive.text(record.instance);
  archive.enumerator(record.role, up_to<ports::DataRole::kNeedsRejoin>);
  archive.number(record.generation);
  archive.number(record.promoted);
  archive.flag(record.dirty);
  archive.text(record.position, kMaxPosition);
  archive.text(record.holder);
  archive.flag(record.same_boot);
  auto count = static_cast<std::uint8_t>(std::min(record.promotions.size(), ports::kMaxPromotions));
  archive.enumerator(count, up_to<ports::kMaxPromotions>);
  record.promotions.resize(count);
  for (Instant& at : record.promotions) instant(archive, at);
}
template <class Archive>
void fields(Archive& archive, Remember& message) {
  archive.number(message.ticket);
  fields(archive, message.record);
}
template <class Archive>
void fields(Archive& archive, ports::HandoverWord& word) {
  archive.enumerator(word.phase, up_to<ports::HandoverPhase::kAborted>);
  archive.flag(word.gives);
  archive.text(word.with);
  archive.number(word.number);
  archive.text(word.position, kMaxPosition);
  archive.text(word.sentence);
}
template <class Archive>
void fields(Archive& archive, PeerNews& message) {
  ports::PeerFact& fact = message.fact;
  archive.text(fact.host);
  archive.text(fact.instance);
  archive.enumerator(fact.state, up_to<vrrp::State::kActive>);
  archive.enumerator(fact.data_role, up_to<ports::DataRole::kNeedsRejoin>);
  archive.enumerator(fact.step, up_to<ports::kLastStep>);
  archive.number(fact.generation);
  archive.number(fact.promoted);
  archive.flag(fact.dirty);
  archive.enumerator(fact.role, up_to<ApplicationRole::kReplica>);
  archive.text(fact.position, kMaxPosition);
  std::int64_t age = fact.position_age.count();
  archive.number(age);
  fact.position_age = Nanos{age};
  std::uint64_t against = fact.against.bits();
  archive.number(against);
  fact.against = ReasonSet::from_bits(against);
  fields(archive, fact.handover);
  archive.text(fact.promise.to);
  archive.number(fact.promise.generation);
  archive.flag(fact.left);
}
template <class Archive>
void fields(Archive& archive, PeerCheck& message) {
  archive.text(message.host);
  archive.text(message.section);
  archive.flag(message.passes);
}
template <class Archive>
void fields(Archive& archive, Recalled& message) {
  archive.flag(message.last);
  fields(archive, message.record);
}
template <class Archive>
void fields(Archive& archive, IntentRecorded& message) {
  archive.number(message.ticket);
}
template <class Archive>
void fields(Archive& archive, HistoryQuery& message) {
  archive.number(message.limit);
  archive.text(message.instance);
}
template <class Archive>
void fields(Archive& archive, HistoryEntry& message) {
  archive.number(message.sequence);
  archive.number(message.wall_clock_ns);
  archive.text(message.instance);
  fields(archive, message.report);
  archive.text(message.capture);
}
template <class Archive>
void fields(Archive& archive, RecordLink& message) {
  archive.text(message.interface);
  archive.number(message.window_ns);
}

template <class Archive>
void fields(Archive& archive, PluginHost& message) {
  archive.text(message.section);
  archive.enumerator(message.kind, up_to<HostKind::kAct>);
  archive.number(message.incarnation);
}
template <class Archive>
void fields(Archive& archive, PluginHostDown& message) {
  archive.text(message.section);
  archive.enumerator(message.kind, up_to<HostKind::kAct>);
  archive.number(message.incarnation);
  archive.flag(message.given_up);
  archive.number(message.wait_status);
  archive.text(message.sentence);
}
template <class Archive>
void fields(Archive& archive, PluginHostEnd& message) {
  archive.text(message.section);
  archive.enumerator(message.kind, up_to<HostKind::kAct>);
  archive.number(message.incarnation);
  archive.text(message.sentence);
}

template <class T>
concept HasNonce = requires(T message) {
  message.nonce;
};

template <class T>
Result<Message> decode_body(ByteReader& in, std::uint64_t nonce) {
  T message{};
  if constexpr (HasNonce<T>) {
    message.nonce = nonce;
  } else if (nonce != 0) {
    return fail("decode message: a nonce where none belongs");
  }
  Decoder decoder{in};
  fields(decoder, message);
  if (decoder.bad()) return fail("decode message: cut short or a value out of range");
  if (in.remaining() != 0) return fail("decode message: trailing bytes");
  return Message{std::move(message)};
}

using BodyDecoder = Result<Message> (*)(ByteReader&, std::uint64_t);

template <std::size_t... kIndex>
constexpr auto body_decoders(std::index_sequence<kIndex...>) {
  return std::array<BodyDecoder, sizeof...(kIndex)>{&decode_body<std::variant_alternative_t<kIndex, Message>>...};
}

template <class... Types>
bool is_any(const Message& message) {
  return (std::holds_alternative<Types>(message) || ...);
}

}  // namespace

std::vector<std::uint8_t> encode(const Message& message) {
  std::array<std::uint8_t, kMaxMessage> buffer;
  ByteWriter out{MutableBytes{buffer}.subspan(kHeaderSize)};
  std::uint64_t nonce = 0;
  std::visit(
      [&](auto copy) {
        if constexpr (HasNonce<decltype(copy)>) nonce = copy.nonce;
        Encoder encoder{out};
        fields(encoder, copy);
      },
      message);
  CHECK(out.ok());
  const std::size_t length = kHeaderSize + out.size();
  ByteWriter header{buffer};
  header.u32(kMagic);
  header.u16(kProtocolVersion);
  header.u16(static_cast<std::uint16_t>(message.index()));
  header.u32(static_cast<std::uint32_t>(length));
  header.u64(nonce);
  return {buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(length)};
}

Result<Message> decode(ConstBytes bytes) {
  static constexpr auto kDecoders = body_decoders(std::make_index_sequence<std::variant_size_v<Message>>{});
  if (bytes.size() > kMaxMessage) return fail("decode message: too long");
  ByteReader in{bytes};
  const std::uint32_t magic = in.u32();
  const std::uint16_t version = in.u16();
  const std::uint16_t type = in.u16();
  const std::uint32_t length = in.u32();
  const std::uint64_t nonce = in.u64();
  if (!in.ok() || magic != kMagic) return fail("decode message: no header");
  if (version != kProtocolVersion) return fail("decode message: version " + std::to_string(version));
  if (type >= kDecoders.size()) return fail("decode message: type " + std::to_string(type));
  if (length != bytes.size()) return fail("decode message: wrong length");
  return kDecoders[type](in, nonce);
}

bool allowed(Process from, Process to, const Message& message) {
  switch (from) {
    case Process::kGuardian:
      if (is_any<Terminate, ChannelReplaced>(message)) return true;
      if (to == Process::kEngine)
        return is_any<Configuration, PluginHost, PluginHostDown, StepAside, TakeOver>(message);
      if (to == Process::kScribe) return is_any<History, RecordLink>(message);
      return to == Process::kSteward && is_any<Configuration, ReloadResult, Lifecycle, PluginHost, PluginHostDown,
                                               ConfirmResult, ReloadState, ReexecResult>(message);
    case Process::kEngine:
      if (to == Process::kGuardian)
        return is_any<Ready, Membership, Reloaded, Goodbye, PluginHostEnd, Prepared, SteppedAside>(message);
      if (to == Process::kSteward) return is_any<ReportMessage, CommandResultMessage>(message);
      return to == Process::kScribe && is_any<History, Intent, Remember>(message);
    case Process::kSteward:
      if (to == Process::kGuardian) return is_any<ReloadRequest, ConfirmRequest, ReexecRequest>(message);
      if (to == Process::kEngine) return is_any<CommandMessage, PeerNews, PeerCheck>(message);
      return to == Process::kScribe && is_any<HistoryQuery>(message);
    case Process::kScribe:
      if (to == Process::kGuardian) return is_any<Recovered>(message);
      if (to == Process::kEngine) return is_any<IntentRecorded, Recalled>(message);
      return to == Process::kSteward && is_any<HistoryEntry, HistoryEnd>(message);
  }
  return false;
}

}  // namespace baton::ipc
