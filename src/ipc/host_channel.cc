// Both messages: magic, type, nonce, then the fields in the order of their struct.
#include "ipc/host_channel.h"

#include <algorithm>
#include <array>

#include "base/check.h"
#include "ipc/plain_text.h"

namespace baton::ipc {
namespace {

constexpr std::uint8_t kPlanned = 1;
constexpr std::uint8_t kForced = 2;
constexpr std::uint8_t kResumes = 4;

constexpr std::uint32_t kRequestMagic = 0x42504131;  // "BPA1"
constexpr std::uint32_t kAnswerMagic = 0x42504132;
constexpr std::size_t kMaxRefusals = 8;
constexpr Nanos kLongestTimeout = std::chrono::hours{24};

template <class Body>
std::vector<std::uint8_t> message(std::uint32_t magic, std::uint64_t nonce, Body body) {
  std::array<std::uint8_t, kMaxHostMessage> buffer;
  ByteWriter out{buffer};
  out.u32(magic);
  out.u64(nonce);
  body(out);
  CHECK(out.ok());
  return {buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(out.size())};
}

void text(ByteWriter& out, const std::string& value) { out.text(plain_sentence(value, kSentenceLimit)); }

/// Reads texts and remembers whether all of them were plain.
class TextReader {
 public:
  explicit TextReader(ByteReader& in) : in_(in) {}
  std::string next(std::size_t limit = kSentenceLimit) {
    std::string value = in_.text();
    good_ &= is_plain(value, limit);
    return value;
  }
  bool good() const { return good_ && in_.ok(); }

 private:
  ByteReader& in_;
  bool good_ = true;
};

}  // namespace

std::vector<std::uint8_t> encode(const ActRequest& request) {
  return message(kRequestMagic, request.nonce, [&](ByteWriter& out) {
    out.u8(static_cast<std::uint8_t>(request.verb));
    out.i64(request.timeout.count());
    for (const std::string* value : {&request.instance, &request.from_state, &request.to_state, &request.reason,
                                     &request.reason_words, &request.target}) {
      text(out, *value);
    }
    out.text(plain_text(request.position, kPositionLimit));
    out.i64(request.position_age.count());
    out.u8(static_cast<std::uint8_t>((request.planned ? kPlanned : 0) | (request.forced ? kForced : 0) |
                                     (request.resumes ? kResumes : 0)));
    out.u64(request.generation);
    out.i64(request.wall_clock_ns);
  });
}

Result<ActRequest> decode_request(ConstBytes bytes) {
  ByteReader in{bytes};
  if (bytes.size() > kMaxHostMessage || in.u32() != kRequestMagic) return fail("read act request: not a request");
  ActRequest request;
  request.nonce = in.u64();
  const std::uint8_t verb = in.u8();
  request.timeout = Nanos{in.i64()};
  TextReader texts{in};
  for (std::string* value : {&request.instance, &request.from_state, &request.to_state, &request.reason,
                             &request.reason_words, &request.target}) {
    *value = texts.next();
  }
  request.position = texts.next(kPositionLimit);
  request.position_age = Nanos{in.i64()};
  const std::uint8_t flags = in.u8();
  request.planned = (flags & kPlanned) != 0;
  request.forced = (flags & kForced) != 0;
  request.resumes = (flags & kResumes) != 0;
  request.generation = in.u64();
  request.wall_clock_ns = in.i64();
  if (!texts.good()) return fail("read act request: cut short, or a text that is not plain");
  if (in.remaining() != 0) return fail("read act request: trailing bytes");
  if (verb >= kPluginVerbs) return fail("read act request: verb " + std::to_string(verb));
  if (flags > (kPlanned | kForced | kResumes)) return fail("read act request: flags");
  if (request.timeout <= Nanos{0} || request.timeout > kLongestTimeout) return fail("read act request: timeout");
  request.verb = static_cast<PluginVerb>(verb);
  return request;
}

std::vector<std::uint8_t> encode(const ActAnswer& answer) {
  return message(kAnswerMagic, answer.nonce, [&](ByteWriter& out) {
    out.u8(static_cast<std::uint8_t>(answer.status));
    out.u8(static_cast<std::uint8_t>(answer.role));
    out.i64(answer.lag_ms);
    out.i64(answer.lag_bytes);
    out.u64(answer.generation);
    out.u64(answer.token);
    out.i64(answer.lease.count());
    out.i64(answer.took.count());
    text(out, answer.sentence);
    out.text(plain_text(answer.position, kPositionLimit));
    const std::size_t facts = std::min(answer.facts.size(), kFactLimit);
    out.u8(static_cast<std::uint8_t>(facts));
    for (std::size_t i = 0; i < facts; ++i) {
      out.text(plain_text(answer.facts[i].first, kFactKeyLimit));
      out.text(plain_text(answer.facts[i].second, kFactValueLimit));
    }
    const std::size_t refusals = std::min(answer.refusals.size(), kMaxRefusals);
    out.u8(static_cast<std::uint8_t>(refusals));
    for (std::size_t i = 0; i < refusals; ++i) text(out, answer.refusals[i]);
  });
}

Result<ActAnswer> decode_answer(ConstBytes bytes) {
  ByteReader in{bytes};
  if (bytes.size() > kMaxHostMessage || in.u32() != kAnswerMagic) return fail("read act answer: not an answer");
  ActAnswer answer;
  answer.nonce = in.u64();
  answer.status = static_cast<VerbStatus>(in.u8());
  answer.role = static_cast<ApplicationRole>(in.u8());
  answer.lag_ms = in.i64();
  answer.lag_bytes = in.i64();
  answer.generation = in.u64();
  answer.token = in.u64();
  answer.lease = Nanos{in.i64()};
  answer.took = Nanos{in.i64()};
  TextReader texts{in};
  answer.sentence = texts.next();
  answer.position = texts.next(kPositionLimit);
  const std::size_t facts = in.u8();
  if (facts > kFactLimit) return fail("read act answer: too many facts");
  for (std::size_t i = 0; i < facts; ++i) {
    std::string key = texts.next(kFactKeyLimit);
    answer.facts.emplace_back(std::move(key), texts.next(kFactValueLimit));
  }
  const std::size_t refusals = in.u8();
  if (refusals > kMaxRefusals) return fail("read act answer: too many refusals");
  for (std::size_t i = 0; i < refusals; ++i) answer.refusals.push_back(texts.next());
  if (!texts.good()) return fail("read act answer: cut short, or a text that is not plain");
  if (in.remaining() != 0) return fail("read act answer: trailing bytes");
  if (!valid(answer.status) || answer.role > ApplicationRole::kReplica) return fail("read act answer: no such result");
  return answer;
}

}  // namespace baton::ipc
