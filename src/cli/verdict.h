// What Baton makes of a frame, for `batonctl tap`: by the parser and the receive rules that the engine uses, with the
// engine's order of questions. Knows the configuration and the host's own addresses, and learns from the adverts it
// sees who is Active. Pure: no socket, no clock.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "config/config.h"
#include "config/reader.h"
#include "ports/capture.h"
#include "vrrp/frame.h"
#include "vrrp/receive_rules.h"

namespace baton::cli {

enum class Verdict : std::uint8_t {
  // of an advert
  kSent,      ///< by this host
  kAccepted,  ///< the election hears it
  kDropped,   ///< `reason` and `rule` say why
  kDeaf,      ///< the instance cannot take part: this host has no address to send from
  // of ARP and ND
  kOurs,      ///< this host announces a floating address
  kActive,    ///< whoever is Active announces it
  kConflict,  ///< somebody else does
  kUnclear,   ///< as long as no advert was seen nobody can say who may
  kProbe,     ///< somebody asks whether a floating address is in use
  kForeign,   ///< an address that is none of ours
  kIgnored,   ///< nothing that Baton looks at
};
/// "sent", "accepted" and so on.
std::string_view verdict_token(Verdict verdict);

enum class Protocol : std::uint8_t { kVrrp, kArp, kNd, kOther };
std::string_view protocol_token(Protocol protocol);

struct Remark {
  std::string_view rule;
  std::string text;
};

/// One frame and the verdict on it.
struct Judged {
  std::string interface;
  std::int64_t wall_clock_ns = 0;
  bool outgoing = false;
  std::uint32_t length = 0;
  Protocol protocol = Protocol::kOther;
  MacAddress source_mac;
  std::optional<vrrp::Envelope> envelope;   ///< of an advert
  std::optional<vrrp::Peek> peek;           ///< of an advert
  std::optional<vrrp::Advert> advert;       ///< if it could be decoded
  std::optional<vrrp::AddressClaim> claim;  ///< of ARP and ND
  std::string instance;                     ///< whose; "" = nobody's
  Verdict verdict = Verdict::kIgnored;
  std::optional<vrrp::DecodeError> reason;  ///< kDropped
  std::string_view rule;                    ///< of the protocol checklist; "" = it rests on none, or on no single one
  std::string text;                         ///< the verdict in words, without a full stop
  std::vector<Remark> remarks;              ///< accepted, and yet worth a word
};

class Judge {
 public:
  /// `facts`: of this host; an interface that is missing there has no address.
  Judge(const config::Config& config, const std::vector<config::InterfaceFact>& facts);
  Judge(const Judge&) = delete;
  Judge& operator=(const Judge&) = delete;
  /// The host's addresses have changed. Keeps what was learned.
  void renew(const std::vector<config::InterfaceFact>& facts);

  Judged judge(const std::string& interface, const ports::CapturedFrame& frame);

 private:
  /// Who is Active by the last adverts.
  struct Speaker {
    MacAddress mac;
    Priority priority = kDefaultPriority;
    IpAddress source;
    std::int64_t wall_clock_ns = 0;
    Nanos interval{0};
  };
  struct Router {
    const config::Instance* instance = nullptr;
    Family family = Family::kIpv4;
    std::string name;                                   ///< of the instance, or of its group
    std::optional<vrrp::ReceiveParameters> parameters;  ///< nullopt: no address to send from
    bool password_unknown = false;
    // Learned from adverts.
    std::optional<Speaker> active = {};
    bool active_here = false;  ///< `active` is this host
  };
  using Key = std::tuple<std::string, Family, std::uint8_t>;

  void judge_advert(Judged& judged, const vrrp::VrrpFrame& frame);
  void sent(Judged& judged, Router& router) const;
  static Speaker speaker(const Judged& judged);
  void accepted(Judged& judged, Router& router, const vrrp::AcceptRemarks& remarks);
  void judge_claim(Judged& judged);
  Expected<vrrp::AcceptRemarks, vrrp::DecodeError> match(const Router& router, const vrrp::Envelope& envelope,
                                                         const vrrp::Advert& advert) const;

  config::Config config_;
  std::map<Key, Router> routers_;
  std::map<std::pair<std::string, IpAddress>, Key> addresses_;  ///< floating ones, by interface
  std::map<std::string, MacAddress> macs_;
  std::map<std::string, std::vector<Prefix>> own_;  ///< the host's own addresses, in the kernel's order
};

/// One line for people, without a newline: time (UTC), interface, direction, what it is, the verdict.
std::string tap_line(const Judged& judged);
/// The verdict alone: "dropped R-08 checksum-errors: the checksum is wrong in either form".
std::string verdict_words(const Judged& judged);
/// One line of `tap --json` (CONTROL.md).
nlohmann::ordered_json tap_json(const Judged& judged);

}  // namespace baton::cli
