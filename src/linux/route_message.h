// rtnetlink messages as values: bytes in, facts out, and the few requests we make. Pure: no socket, so that it can be
// fuzzed. Refuses nothing silently: what it does not know or cannot read is Unknown.
#pragma once

#include <linux/netlink.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/address.h"
#include "base/bytes.h"

namespace baton::linux {

/// RTM_NEWLINK or RTM_DELLINK of the interface itself (a bridge's notes about its ports are Unknown).
struct LinkMessage {
  bool removed = false;
  int ifindex = 0;
  std::uint32_t flags = 0;  ///< IFF_*
  std::string name;
  MacAddress mac;  ///< zero if the interface has no Ethernet address
  std::uint32_t mtu = 0;
  std::optional<bool> forwarding_v6;
};
/// RTM_NEWADDR or RTM_DELADDR.
struct AddressMessage {
  bool removed = false;
  int ifindex = 0;
  Prefix prefix;
  std::uint32_t flags = 0;            ///< IFA_F_*
  std::optional<std::uint8_t> proto;  ///< IFA_PROTO; the kernel sends none for 0
};
/// RTM_NEWNETCONF: IPv6 forwarding of one interface was switched.
struct ForwardingMessage {
  int ifindex = 0;
  bool forwarding = false;
};
/// NLMSG_ERROR (also the positive answer) or NLMSG_DONE.
struct AnswerMessage {
  std::uint32_t sequence = 0;
  int sys_errno = 0;  ///< positive; 0 = done
};
/// The kernel could not keep up (NLMSG_OVERRUN).
struct OverrunMessage {};
struct UnknownMessage {};
using RouteMessage =
    std::variant<UnknownMessage, LinkMessage, AddressMessage, ForwardingMessage, AnswerMessage, OverrunMessage>;

/// One message with its header. REQUIRES that it starts at a 4-byte boundary (every buffer of this room does).
RouteMessage parse_route_message(ConstBytes message);

/// Splits one datagram into messages; a message that claims more than is there ends it.
class RouteMessageReader {
 public:
  explicit RouteMessageReader(ConstBytes datagram) : rest_(datagram) {}
  /// nullopt at the end.
  std::optional<ConstBytes> next();
  /// Whether a message seen so far said that the dump was disturbed (NLM_F_DUMP_INTR).
  bool interrupted() const { return interrupted_; }

 private:
  ConstBytes rest_;
  bool interrupted_ = false;
};

/// What an address request sends.
struct AddressRequest {
  int ifindex = 0;
  Prefix prefix;
  std::uint32_t lifetime_seconds = 0;  ///< 0 = permanent
  std::uint8_t mark = 0;               ///< IFA_PROTO; 0 = none
  bool replace = false;                ///< false: exclusively
};

/// Requests to be sent together, each asking for an answer. At most kCapacity.
class RouteRequests {
 public:
  static constexpr std::size_t kCapacity = 32;

  explicit RouteRequests(std::uint32_t first_sequence) : first_sequence_(first_sequence) {}

  /// IPv6: without duplicate address detection (RFC 9568 §8.2.2 announces at once) and always without a prefix route,
  /// because a later change of the lifetime would put an expiry on the host's own connected route. IPv4: the kernel
  /// gives the connected route to the first address of a subnet only, so ours must not come without it (the
  /// administrator's re-added one would have none).
  void add_address(const AddressRequest& request);
  void delete_address(int ifindex, const Prefix& prefix);
  /// Makes the kernel keep the other addresses of a subnet when its first one goes (promote_secondaries of the
  /// interface), as systemd's default has it. By netlink: needs no writable /proc/sys.
  void keep_secondaries(int ifindex);

  std::size_t count() const { return count_; }
  std::uint32_t first_sequence() const { return first_sequence_; }
  ConstBytes bytes() const { return ConstBytes{buffer_}.first(size_); }

 private:
  nlmsghdr* begin(std::uint16_t type, std::uint16_t flags);
  void end(const nlmsghdr* message);

  static constexpr std::size_t kMessageLimit = 128;
  alignas(nlmsghdr) std::array<std::uint8_t, kCapacity * kMessageLimit> buffer_{};
  std::size_t size_ = 0;
  std::size_t count_ = 0;
  std::uint32_t first_sequence_;
};

/// A dump of all links, or of all addresses (of one interface if `ifindex` is not 0 and the socket checks strictly).
std::vector<std::uint8_t> link_dump_request(std::uint32_t sequence);
std::vector<std::uint8_t> address_dump_request(std::uint32_t sequence, int ifindex);

}  // namespace baton::linux
