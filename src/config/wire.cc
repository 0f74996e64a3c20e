#include "config/wire.h"

#include <algorithm>

namespace baton::config {

bool may_be_source(const Instance& instance, const IpAddress& address) {
  const bool ipv6 = address.is_ipv6();
  std::optional<IpAddress> wanted = ipv6 ? instance.source_address_v6 : instance.source_address_v4;
  for (const IpAddress& source : instance.unicast_source) {
    if (instance.unicast && source.family() == address.family()) wanted = source;
  }
  if (wanted) return address == *wanted;
  // Unicast peers behind global addresses cannot answer to a link-local one.
  const bool global =
      ipv6 && instance.unicast &&
      std::none_of(instance.unicast_peers.begin(), instance.unicast_peers.end(),
                   [](const UnicastPeer& peer) { return peer.address.is_ipv6() && peer.address.is_link_local(); });
  return !ipv6 || address.is_link_local() != global;
}

vrrp::ReceiveParameters receive_parameters(const Instance& instance, Family family) {
  vrrp::ReceiveParameters accepts;
  accepts.version = instance.version;
  accepts.advertisement_interval = instance.advertisement_interval;
  for (const Prefix& prefix : instance.addresses) {
    if (prefix.address.family() == family) accepts.addresses.push_back(prefix.address);
  }
  if (instance.version == vrrp::Version::kV2 && !instance.password.empty()) {
    accepts.auth_type = vrrp::kAuthSimplePassword;
    accepts.auth_data = vrrp::simple_password(instance.password);
  }
  accepts.unicast = instance.unicast;
  for (const UnicastPeer& peer : instance.unicast_peers) {
    if (peer.address.family() == family) accepts.senders.push_back({peer.address, peer.min_ttl});
  }
  return accepts;
}

bool wants_on_link(const Instance& instance, Family family) { return family == Family::kIpv4 && !instance.unicast; }

}  // namespace baton::config
