// Foreign bytes through `batonctl tap`: a row of frames, each with a length in front, both ways, judged one after the
// other by one Judge, which learns from them. Every verdict has its words, and what it says of a frame that was dropped
// is what the engine counts.
#include "base/check.h"
#include "cli/verdict.h"

namespace {

using namespace baton;
using namespace baton::cli;

config::Config configuration() {
  config::Config config;
  for (const auto version : {vrrp::Version::kV3, vrrp::Version::kV2}) {
    config::Instance instance;
    instance.name = version == vrrp::Version::kV3 ? "web" : "old";
    instance.interface = "eth0";
    instance.vrid = Vrid{static_cast<std::uint8_t>(version == vrrp::Version::kV3 ? 10 : 11)};
    instance.version = version;
    instance.addresses = {*Prefix::parse("192.0.2.1/24")};
    if (version == vrrp::Version::kV3) instance.addresses.push_back(*Prefix::parse("fe80::1/64"));
    if (version == vrrp::Version::kV2) instance.password_file = "/unread";
    config.instances.push_back(instance);
  }
  return config;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const config::Config config = configuration();
  const std::vector<config::InterfaceFact> facts{
      {.name = "eth0",
       .prefixes = {*Prefix::parse("192.0.2.10/24"), *Prefix::parse("fe80::a/64")},
       .mtu = 1500,
       .mac = MacAddress{{2, 0, 0, 0, 0, 10}}}};
  Judge judge{config, facts};
  ConstBytes rest{data, size};
  while (rest.size() >= 2) {
    const bool outgoing = (rest[0] & 0x80) != 0;
    const std::size_t length = std::min<std::size_t>((rest[0] & 0x0F) << 8 | rest[1], rest.size() - 2);
    const ConstBytes frame = rest.subspan(2, length);
    rest = rest.subspan(2 + length);
    const Judged judged = judge.judge(
        "eth0",
        {.wall_clock_ns = 0, .length = static_cast<std::uint32_t>(length), .outgoing = outgoing, .bytes = frame});
    CHECK((judged.verdict == Verdict::kDropped) == judged.reason.has_value());
    CHECK(!judged.reason || judged.rule == vrrp::decode_error_rule(*judged.reason));
    CHECK(!outgoing || judged.verdict != Verdict::kAccepted);
    CHECK(!verdict_words(judged).empty() && !tap_line(judged).empty());
    CHECK(tap_json(judged).dump().size() > 2);
  }
  return 0;
}
