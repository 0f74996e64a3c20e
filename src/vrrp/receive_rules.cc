#include "vrrp/receive_rules.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/defect.h"
#include "vrrp/frame.h"

namespace baton::vrrp {
namespace {

Unexpected<DecodeError> discard(DecodeError error) { return Unexpected<DecodeError>{error}; }

std::vector<IpAddress> sorted_once(std::vector<IpAddress> addresses) {
  std::sort(addresses.begin(), addresses.end());
  addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
  return addresses;
}

bool is_limited_broadcast(const IpAddress& address) {
  const ConstBytes bytes = address.bytes();
  return !address.is_ipv6() && std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t byte) { return byte == 255; });
}

}  // namespace

std::array<std::uint8_t, kV2AuthSize> simple_password(std::string_view password) {
  CHECK(password.size() <= kV2AuthSize);
  std::array<std::uint8_t, kV2AuthSize> auth_data{};
  std::copy(password.begin(), password.end(), auth_data.begin());
  return auth_data;
}

ReceiveRules::ReceiveRules(ReceiveParameters parameters)
    : parameters_(std::move(parameters)), sorted_(sorted_once(parameters_.addresses)) {}

Expected<void, DecodeError> ReceiveRules::match_unicast(const Envelope& envelope) const {
  if (envelope.destination != parameters_.own) return discard(DecodeError::kDestination);
  if (envelope.source == parameters_.own) return discard(DecodeError::kOwn);
  const auto sender = std::find_if(parameters_.senders.begin(), parameters_.senders.end(),
                                   [&](const UnicastSender& peer) { return peer.address == envelope.source; });
  if (sender == parameters_.senders.end()) return discard(DecodeError::kUnknownPeer);
  // No RFC basis: unicast may be routed, so the least TTL is a matter of configuration.
  if (envelope.hop_limit < sender->min_ttl) return discard(DecodeError::kTtl);
  return {};
}

/// to the group, from a neighbour.
Expected<void, DecodeError> ReceiveRules::match_multicast(const Envelope& envelope) const {
  const IpAddress& source = envelope.source;
  if (envelope.destination != multicast_group(source.family())) return discard(DecodeError::kDestination);
  if (envelope.hop_limit != kHopLimit) return discard(DecodeError::kTtl);
  if (source == parameters_.own) return discard(DecodeError::kOwn);
  if (source.is_unspecified() || source.is_multicast() || source.is_loopback() || is_limited_broadcast(source)) {
    return discard(DecodeError::kSource);
  }
  if (source.is_ipv6()) {
    // §5.1.2.1: the link-local address of the sending interface.
    if (!source.is_link_local()) return discard(DecodeError::kSource);
  } else if (!parameters_.on_link.empty() &&
             std::none_of(parameters_.on_link.begin(), parameters_.on_link.end(),
                          [&](const Prefix& prefix) { return prefix.contains(source); })) {
    return discard(DecodeError::kSource);
  }
  return {};
}

Expected<AcceptRemarks, DecodeError> ReceiveRules::match(const Envelope& envelope, const Advert& advert) const {
  if (advert.version != parameters_.version) return discard(DecodeError::kVersion);
  const auto sender = parameters_.unicast ? match_unicast(envelope) : match_multicast(envelope);
  if (!sender) return discard(sender.error());

  const bool v2 = parameters_.version == Version::kV2;
  if (v2) {
    // D-05, RFC 3768 §7.1: a type that is not the configured one, known or not. D-06: all eight bytes count.
    if (advert.auth_type != parameters_.auth_type) return discard(DecodeError::kAuthType);
    if (advert.auth_type != kAuthNone && !BATON_DEFECT(22) && advert.auth_data != parameters_.auth_data) {
      return discard(DecodeError::kAuthData);
    }
    // D-03, RFC 3768 §7.1: MUST discard; v3 only remarks, which the state machine does.
    if (advert.max_advertise_interval != parameters_.advertisement_interval) {
      return discard(DecodeError::kIntervalMismatch);
    }
  }
  AcceptRemarks remarks;
  remarks.address_list_differs = !same_addresses(advert.addresses);
  // D-04, RFC 3768 §7.1: drop unless the sender owns the addresses. R-14: v3 goes on.
  if (v2 && remarks.address_list_differs && advert.priority != kOwnerPriority) {
    return discard(DecodeError::kAddressList);
  }
  // R-10, erratum 8300 would discard; keepalived sends such lists, so it is only remarked on.
  remarks.first_address_not_link_local = envelope.source.is_ipv6() && !advert.addresses.front().is_link_local();
  return remarks;
}

/// F-04: the order does not matter. Equal order is what a sane network has: one pass, nothing allocated.
bool ReceiveRules::same_addresses(const std::vector<IpAddress>& heard) const {
  if (heard == parameters_.addresses) return true;
  return sorted_once(heard) == sorted_;
}

}  // namespace baton::vrrp
