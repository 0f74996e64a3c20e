#include "steward/peer_report.h"

#include <algorithm>

#include "base/check.h"
#include "base/shortened.h"
#include "ipc/plain_text.h"
#include "ipc/probe_page.h"
#include "steward/peer_packet.h"

namespace baton::steward {
namespace {

using namespace std::chrono_literals;

// Kinds of payload.
constexpr std::uint8_t kReport = 1;
constexpr std::uint8_t kChecks = 2;  ///< the head, then checks
constexpr std::uint8_t kWish = 3;    ///< the head, then the wish
constexpr std::uint8_t kAnswer = 4;  ///< the head, then the answer to one wish
constexpr std::uint8_t kClock = 5;   ///< the head, then the time
constexpr std::size_t kHashLimit = 64;
constexpr std::size_t kNameLimit = 64;
constexpr std::size_t kSentenceLimit = 200;
constexpr std::size_t kErrorLimit = 400;
constexpr std::size_t kLineLimit = 300;
constexpr std::size_t kAnswerLimit = 1000;  ///< of error and lines, so that all fits a frame
constexpr std::int64_t kOldest = UINT32_MAX;

std::vector<std::uint8_t> encode_instance(const PeerInstance& instance) {
  std::array<std::uint8_t, kMaxPeerPayload> buffer;
  ByteWriter out{buffer};
  out.text(instance.name);
  out.u8(static_cast<std::uint8_t>(instance.state));
  out.u8(instance.effective_priority);
  out.u8(instance.holds_addresses ? 1 : 0);
  out.u64(instance.against);
  out.u8(static_cast<std::uint8_t>(instance.data_role));
  out.u8(static_cast<std::uint8_t>(instance.step));
  out.u8(instance.dirty ? 1 : 0);
  out.u64(instance.generation);
  out.u64(instance.promoted);
  out.u8(static_cast<std::uint8_t>(instance.role));
  out.u8(static_cast<std::uint8_t>(instance.probe));
  out.i64(instance.lag_bytes);
  out.i64(instance.lag_ms);
  const ports::HandoverWord& word = instance.handover;
  out.text(word.position.empty() ? ipc::plain_text(instance.position, ipc::kPositionLimit) : "");
  out.u32(static_cast<std::uint32_t>(std::clamp<std::int64_t>(instance.position_age / 1ms, 0, kOldest)));
  out.u8(static_cast<std::uint8_t>(word.phase));
  out.u8(word.gives ? 1 : 0);
  out.text(word.with);
  out.u64(word.number);
  out.text(ipc::plain_text(word.position, ipc::kPositionLimit));
  out.text(ipc::plain_sentence(word.sentence, kSentenceLimit));
  out.text(instance.promise.to);
  out.u64(instance.promise.generation);
  CHECK(out.ok());
  return {buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(out.size())};
}

template <class Enumerator>
bool take(ByteReader& in, Enumerator& out, Enumerator last) {
  const std::uint8_t value = in.u8();
  out = static_cast<Enumerator>(value);
  return value <= static_cast<std::uint8_t>(last);
}

bool take(ByteReader& in, bool& out) {
  const std::uint8_t value = in.u8();
  out = value == 1;
  return value <= 1;
}

bool decode_instance(ByteReader& in, PeerInstance& instance) {
  instance.name = in.text();
  bool good = take(in, instance.state, vrrp::State::kActive);
  instance.effective_priority = in.u8();
  good &= take(in, instance.holds_addresses);
  instance.against = in.u64();
  good &= take(in, instance.data_role, ports::DataRole::kNeedsRejoin);
  good &= take(in, instance.step, ports::kLastStep);
  good &= take(in, instance.dirty);
  instance.generation = in.u64();
  instance.promoted = in.u64();
  good &= take(in, instance.role, ApplicationRole::kReplica);
  good &= take(in, instance.probe, ProbeState::kFail);
  instance.lag_bytes = in.i64();
  instance.lag_ms = in.i64();
  instance.position = in.text();
  instance.position_age = in.u32() * 1ms;
  ports::HandoverWord& word = instance.handover;
  good &= take(in, word.phase, ports::HandoverPhase::kAborted);
  good &= take(in, word.gives);
  word.with = in.text();
  word.number = in.u64();
  word.position = in.text();
  word.sentence = in.text();
  instance.promise.to = in.text();
  instance.promise.generation = in.u64();
  const bool one_position = instance.position.empty() || word.position.empty();
  return good && in.ok() && one_position && ipc::is_plain(instance.name, kNameLimit) &&
         ipc::is_plain(instance.position, ipc::kPositionLimit) && ipc::is_plain(word.with, kNameLimit) &&
         ipc::is_plain(word.position, ipc::kPositionLimit) && ipc::is_plain(word.sentence, kSentenceLimit) &&
         ipc::is_plain(instance.promise.to, kNameLimit);
}

using Payload = std::vector<std::uint8_t>;

void append(Payload& part, const ByteWriter& out) {
  CHECK(out.ok());
  part.insert(part.end(), out.written().begin(), out.written().end());
}

void append(Payload& part, const Wish& wish) {
  std::array<std::uint8_t, kFramePayload> place;
  ByteWriter out{place};
  out.text(wish.of);
  out.u64(wish.session);
  out.u64(wish.number);
  out.text(wish.instance);
  out.text(wish.to);
  out.u8(wish.dry_run ? 1 : 0);
  append(part, out);
}

bool decode_wish(ByteReader& in, Wish& wish) {
  wish.of = in.text();
  wish.session = in.u64();
  wish.number = in.u64();
  wish.instance = in.text();
  wish.to = in.text();
  const bool good = take(in, wish.dry_run);
  return good && in.ok() && wish.number != 0 && !wish.of.empty() && ipc::is_plain(wish.of, kNameLimit) &&
         ipc::is_plain(wish.instance, kNameLimit) && ipc::is_plain(wish.to, kNameLimit);
}

void append(Payload& part, const WishAnswer& answer) {
  std::array<std::uint8_t, kFramePayload> place;
  ByteWriter out{place};
  out.text(answer.to);
  out.u64(answer.number);
  out.u8(answer.over ? 1 : 0);
  out.u8(static_cast<std::uint8_t>(answer.exit));
  out.text(answer.error);
  for (const std::string& line : answer.lines) out.text(line);
  append(part, out);
}

bool decode_answer(ByteReader& in, WishAnswer& answer) {
  answer.to = in.text();
  answer.number = in.u64();
  bool good = take(in, answer.over);
  good &= take(in, answer.exit, ExitCode::kDegraded);
  answer.error = in.text();
  std::size_t size = answer.error.size();
  while (good && in.ok() && in.remaining() > 0) {
    const std::string& line = answer.lines.emplace_back(in.text());
    good = ipc::is_plain(line, kLineLimit);
    size += 2 + line.size();
  }
  return good && in.ok() && answer.number != 0 && size <= kAnswerLimit && ipc::is_plain(answer.to, kNameLimit) &&
         ipc::is_plain(answer.error, kErrorLimit);
}

std::string cut(const std::string& text, std::size_t limit) {
  return shortened(ipc::plain_text(text, text.size() * 3), limit);
}

}  // namespace

WishAnswer fitted(WishAnswer answer) {
  answer.error = cut(answer.error, kErrorLimit);
  for (std::string& line : answer.lines) line = cut(line, kLineLimit);
  std::size_t left_out = 0;
  const auto note = [&] { return "(" + std::to_string(left_out) + " more lines: ask there)"; };
  const auto size = [&] {
    std::size_t all = answer.error.size() + (left_out == 0 ? 0 : 2 + note().size());
    for (const std::string& line : answer.lines) all += 2 + line.size();
    return all;
  };
  while (size() > kAnswerLimit) {
    answer.lines.erase(answer.lines.end() - std::min<std::ptrdiff_t>(2, std::ssize(answer.lines)));
    ++left_out;
  }
  if (left_out > 0)
    answer.lines.insert(answer.lines.end() - std::min<std::ptrdiff_t>(1, std::ssize(answer.lines)), note());
  return answer;
}

std::vector<std::vector<std::uint8_t>> encode(const PeerReport& report) {
  std::vector<std::vector<std::uint8_t>> parts;
  std::array<std::uint8_t, 128> buffer;
  ByteWriter head{buffer};
  head.u8(kReport);
  head.text(std::string_view{report.config_hash}.substr(0, kHashLimit));
  head.u8(report.engine);
  head.u16(report.instances_all);
  const auto begin = [&](std::uint8_t kind = kReport) {
    parts.emplace_back(head.written().begin(), head.written().end()).front() = kind;
  };
  begin();
  for (const PeerInstance& instance : report.instances) {
    const std::vector<std::uint8_t> bytes = encode_instance(instance);
    if (parts.back().size() + bytes.size() > kFramePayload && parts.back().size() > head.size()) begin();
    parts.back().insert(parts.back().end(), bytes.begin(), bytes.end());
  }
  if (!report.checks.empty()) begin(kChecks);
  for (const auto& [section, passes] : report.checks) {
    std::array<std::uint8_t, 2 + kNameLimit + 1> place;
    ByteWriter out{place};
    out.text(std::string_view{section}.substr(0, kNameLimit));
    out.u8(passes ? 1 : 0);
    if (parts.back().size() + out.size() > kFramePayload) begin(kChecks);
    append(parts.back(), out);
  }
  if (report.wish.number != 0) {
    begin(kWish);
    append(parts.back(), report.wish);
  }
  for (const WishAnswer& answer : report.answers) {
    begin(kAnswer);
    append(parts.back(), answer);
  }
  if (report.wall_clock_ns) {
    begin(kClock);
    std::array<std::uint8_t, 8> place;
    ByteWriter out{place};
    out.i64(*report.wall_clock_ns);
    append(parts.back(), out);
  }
  return parts;
}

Result<PeerReport> decode_peer_report(ConstBytes bytes) {
  ByteReader in{bytes};
  const std::uint8_t kind = in.u8();
  if (kind < kReport || kind > kClock) return fail("read a peer's report: another kind of message");
  PeerReport report;
  report.config_hash = in.text();
  report.engine = in.u8();
  report.instances_all = in.u16();
  if (!in.ok() || !ipc::is_plain(report.config_hash, kHashLimit) || report.engine > kStopped) {
    return fail("read a peer's report: its head does not fit");
  }
  while (kind == kChecks && in.remaining() > 0) {
    auto& [section, passes] = report.checks.emplace_back(in.text(), false);
    if (!take(in, passes) || !in.ok() || !ipc::is_plain(section, kNameLimit)) {
      return fail("read a peer's report: a check does not fit");
    }
  }
  if (kind == kWish && (!decode_wish(in, report.wish) || in.remaining() > 0)) {
    return fail("read a peer's report: a wish does not fit");
  }
  if (kind == kAnswer && !decode_answer(in, report.answers.emplace_back())) {
    return fail("read a peer's report: an answer does not fit");
  }
  if (kind == kClock) {
    report.wall_clock_ns = in.i64();
    if (!in.ok() || *report.wall_clock_ns < 0 || in.remaining() > 0) {
      return fail("read a peer's report: a time does not fit");
    }
  }
  while (in.remaining() > 0) {
    if (!decode_instance(in, report.instances.emplace_back())) {
      return fail("read a peer's report: an instance does not fit");
    }
  }
  return report;
}

}  // namespace baton::steward
