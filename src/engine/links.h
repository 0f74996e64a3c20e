// What the engine knows about its links: their state, the host's own addresses on them in the kernel's order, and who
// is interested in which VRID and which virtual address. Look-ups are O(1), because a frame or an address fact must not
// cost more with more instances.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/address.h"
#include "base/priority.h"
#include "base/time.h"
#include "ports/facts.h"

namespace baton::engine {

using MoverId = std::uint32_t;
inline constexpr MoverId kNobody = 0xFFFFFFFF;

/// A virtual router or a virtual address of an instance: `index` in that instance's list.
struct Place {
  MoverId mover = kNobody;
  std::uint32_t index = 0;
  bool operator==(const Place&) const = default;
};

/// An address that the host has on a link and that is no VIP.
struct OwnAddress {
  Prefix prefix;
  bool usable = true;  ///< neither tentative nor refused by duplicate address detection
  bool seen = true;    ///< in the running dump
  bool operator==(const OwnAddress&) const = default;
};

struct Link {
  static constexpr std::size_t kOwnLimit = 256;

  std::string name;
  ports::LinkState state;
  bool known = false;  ///< a LinkState has come
  std::vector<OwnAddress> own;
  std::vector<MoverId> movers;  ///< with a router here, each once
  std::array<std::array<Place, 256>, 2> routers{};
  std::unordered_map<IpAddress, Place, IpAddressHash> vips;
  std::uint32_t vips_v4 = 0;
  bool own_changed = false;   ///< in the running dump
  int send_errno = 0;         ///< frames do not leave; 0 = they do
  bool watched = false;       ///< LinkPort was asked
  Instant duplicate_noted{};  ///< when somebody else last claimed an address of ours

  Place& router(Family family, std::uint8_t vrid) { return routers[family == Family::kIpv6 ? 1 : 0][vrid]; }
  /// Whether another address of the host covers `vip`, so that its prefix route is not ours to make (design section 5).
  bool covers(const IpAddress& vip) const;
};

class LinkTable {
 public:
  /// The link of this name; made when there is none. Ids are stable while the name is used, then used again.
  ports::LinkId acquire(const std::string& name);
  std::optional<ports::LinkId> find(const std::string& name) const;
  void release(ports::LinkId id);

  bool has(ports::LinkId id) const { return id < links_.size() && links_[id] != nullptr; }
  Link& operator[](ports::LinkId id) { return *links_[id]; }
  const Link& operator[](ports::LinkId id) const { return *links_[id]; }
  std::size_t size() const { return links_.size(); }

 private:
  std::vector<std::unique_ptr<Link>> links_;
};

/// Notes a fact about an address that is no VIP. Returns true if the list changed.
bool note_own(Link& link, const ports::AddressFact& fact);

}  // namespace baton::engine
