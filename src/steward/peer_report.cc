#include "steward/peer_report.h"

#include <algorithm>

#include "base/check.h"
#include "ipc/plain_text.h"
#include "ipc/probe_page.h"
#include "steward/peer_packet.h"

namespace baton::steward {
namespace {

constexpr std::uint8_t kReport = 1;  ///< the kind of payload
constexpr std::size_t kHashLimit = 64;
constexpr std::size_t kNameLimit = 64;

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
  out.u8(static_cast<std::uint8_t>(instance.role));
  out.u8(static_cast<std::uint8_t>(instance.probe));
  out.i64(instance.lag_bytes);
  out.text(ipc::plain_text(instance.position, ipc::kPositionLimit));
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
  good &= take(in, instance.step, ports::PromotionStep::kClosing);
  good &= take(in, instance.dirty);
  instance.generation = in.u64();
  good &= take(in, instance.role, ApplicationRole::kReplica);
  good &= take(in, instance.probe, ProbeState::kFail);
  instance.lag_bytes = in.i64();
  instance.position = in.text();
  return good && in.ok() && ipc::is_plain(instance.name, kNameLimit) &&
         ipc::is_plain(instance.position, ipc::kPositionLimit);
}

}  // namespace

std::vector<std::vector<std::uint8_t>> encode(const PeerReport& report) {
  std::vector<std::vector<std::uint8_t>> parts;
  std::array<std::uint8_t, 128> buffer;
  ByteWriter head{buffer};
  head.u8(kReport);
  head.text(std::string_view{report.config_hash}.substr(0, kHashLimit));
  head.u8(report.engine);
  head.u16(report.instances_all);
  const auto begin = [&] { parts.emplace_back(head.written().begin(), head.written().end()); };
  begin();
  for (const PeerInstance& instance : report.instances) {
    const std::vector<std::uint8_t> bytes = encode_instance(instance);
    if (parts.back().size() + bytes.size() > kMaxPeerPayload) begin();
    parts.back().insert(parts.back().end(), bytes.begin(), bytes.end());
  }
  return parts;
}

Result<PeerReport> decode_peer_report(ConstBytes bytes) {
  ByteReader in{bytes};
  if (in.u8() != kReport) return fail("read a peer's report: another kind of message");
  PeerReport report;
  report.config_hash = in.text();
  report.engine = in.u8();
  report.instances_all = in.u16();
  if (!in.ok() || !ipc::is_plain(report.config_hash, kHashLimit) || report.engine > 2) {
    return fail("read a peer's report: its head does not fit");
  }
  while (in.remaining() > 0) {
    if (!decode_instance(in, report.instances.emplace_back())) {
      return fail("read a peer's report: an instance does not fit");
    }
  }
  return report;
}

}  // namespace baton::steward
