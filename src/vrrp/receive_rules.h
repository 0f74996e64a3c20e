// The rules of receipt that need the configuration: what a decoded advert must match before the state machine sees it
// (R-01, R-03, R-10, R-14, R-15, D-03 to D-06). The VRID and the interface were matched by whoever found these
// rules; what the state machine remarks on by itself (R-12, R-13, equal priorities) is not repeated here. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "base/error.h"
#include "base/time.h"
#include "vrrp/packet.h"

namespace baton::vrrp {

inline constexpr std::uint8_t kAuthNone = 0;
inline constexpr std::uint8_t kAuthSimplePassword = 1;  ///< RFC 2338 §5.3.6.2
/// Authentication data of a simple password: zero-filled. REQUIRES at most 8 characters.
std::array<std::uint8_t, kV2AuthSize> simple_password(std::string_view password);

struct UnicastSender {
  IpAddress address;
  std::uint8_t min_ttl = kHopLimit;
};

/// What is configured for one virtual router.
struct ReceiveParameters {
  Version version = Version::kV3;
  Nanos advertisement_interval = std::chrono::seconds{1};
  std::vector<IpAddress> addresses{};                 ///< as we send them, in configured order
  IpAddress own{};                                    ///< source address of our adverts
  std::uint8_t auth_type = kAuthNone;                 ///< v2
  std::array<std::uint8_t, kV2AuthSize> auth_data{};  ///< v2
  bool unicast = false;                               ///< true: only from `senders`, and only to `own`
  std::vector<UnicastSender> senders{};               ///< unicast only
  std::vector<Prefix> on_link{};  ///< IPv4 multicast: prefixes of the interface; empty = not checked
};

/// Accepted, but worth a counter and an alarm.
struct AcceptRemarks {
  bool address_list_differs = false;          ///< R-14: v3, or v2 from an owner
  bool first_address_not_link_local = false;  ///< R-10: IPv6; logged only
  bool operator==(const AcceptRemarks&) const = default;
};

/// Made when the configuration or our own address changes; asked for every advert.
class ReceiveRules {
 public:
  explicit ReceiveRules(ReceiveParameters parameters);

  /// In this order: version, destination, source, own, peer and its TTL, authentication, v2 interval, v2 address list.
  /// Address lists are compared as sets (F-04); equal order costs one pass.
  Expected<AcceptRemarks, DecodeError> match(const Envelope& envelope, const Advert& advert) const;

  const ReceiveParameters& parameters() const { return parameters_; }

 private:
  Expected<void, DecodeError> match_unicast(const Envelope& envelope) const;
  Expected<void, DecodeError> match_multicast(const Envelope& envelope) const;
  bool same_addresses(const std::vector<IpAddress>& heard) const;

  ReceiveParameters parameters_;
  std::vector<IpAddress> sorted_;  ///< of parameters_.addresses, each once
};

}  // namespace baton::vrrp
