#include "tests/sim/kernel.h"

#include <algorithm>
#include <cerrno>

namespace baton::sim {

using ports::AddressStatus;
using ports::AddressVerb;

KernelAddress* KernelLink::find(const Prefix& prefix) {
  const auto found = std::find_if(addresses.begin(), addresses.end(),
                                  [&](const KernelAddress& known) { return known.prefix.address == prefix.address; });
  return found == addresses.end() ? nullptr : &*found;
}

const KernelAddress* KernelLink::find_address(const IpAddress& address) const {
  const auto found = std::find_if(addresses.begin(), addresses.end(),
                                  [&](const KernelAddress& known) { return known.prefix.address == address; });
  return found == addresses.end() ? nullptr : &*found;
}

ports::AddressResult Kernel::execute(const ports::AddressCommand& command, int link, Nanos now, bool late) {
  ports::AddressResult result{command.ticket, command.verb, command.link, command.prefix, AddressStatus::kDone, 0};
  KernelLink& there = links[static_cast<std::size_t>(link)];
  KernelAddress* address = there.find(command.prefix);
  const auto answer = [&](AddressStatus status, int sys_errno) {
    result.status = status;
    result.sys_errno = sys_errno;
    return result;
  };
  if (late) return answer(AddressStatus::kTooLate, 0);
  if (!there.present) {
    return command.verb == AddressVerb::kRemove ? result : answer(AddressStatus::kNoLink, ENODEV);
  }
  const Nanos expires = command.lifetime > Nanos{0} && !command.owner ? now + command.lifetime : Nanos::max();
  switch (command.verb) {
    case AddressVerb::kInstall:
      if (address != nullptr && command.owner) return result;
      if (address != nullptr && !address->ours) return answer(AddressStatus::kForeign, EEXIST);
      if (address != nullptr) {
        address->expires = expires;
        return result;
      }
      if (refuse_installs) return answer(AddressStatus::kRefused, EPERM);
      there.addresses.push_back({command.prefix, !command.owner, expires});
      changed(link, there.addresses.back(), true, true);
      return result;
    case AddressVerb::kRefresh:
      if (command.owner) return result;
      if (address == nullptr) return answer(AddressStatus::kRefused, EADDRNOTAVAIL);
      if (!address->ours) return answer(AddressStatus::kForeign, EEXIST);
      address->expires = expires;
      return result;
    case AddressVerb::kRemove:
      if (command.owner || address == nullptr) return result;
      if (!address->ours) return answer(AddressStatus::kForeign, EEXIST);
      const KernelAddress gone = *address;
      there.addresses.erase(there.addresses.begin() + (address - there.addresses.data()));
      changed(link, gone, false, true);
      return result;
  }
  return result;
}

void Kernel::add(int link, const Prefix& prefix, bool ours, Nanos expires) {
  KernelLink& there = links[static_cast<std::size_t>(link)];
  if (!there.present || there.find(prefix) != nullptr) return;
  there.addresses.push_back({prefix, ours, expires});
  changed(link, there.addresses.back(), true);
}

void Kernel::remove(int link, const Prefix& prefix) {
  KernelLink& there = links[static_cast<std::size_t>(link)];
  KernelAddress* address = there.find(prefix);
  if (address == nullptr) return;
  const KernelAddress gone = *address;
  there.addresses.erase(there.addresses.begin() + (address - there.addresses.data()));
  changed(link, gone, false);
}

Nanos Kernel::expire(Nanos now) {
  for (std::size_t link = 0; link < links.size(); ++link) {
    auto& addresses = links[link].addresses;
    for (std::size_t i = 0; i < addresses.size();) {
      if (addresses[i].expires > now) {
        ++i;
        continue;
      }
      const KernelAddress gone = addresses[i];
      addresses.erase(addresses.begin() + static_cast<std::ptrdiff_t>(i));
      changed(static_cast<int>(link), gone, false, false, true);
    }
  }
  return next_expiry();
}

Nanos Kernel::next_expiry() const {
  Nanos next = Nanos::max();
  for (const KernelLink& link : links) {
    for (const KernelAddress& address : link.addresses) next = std::min(next, address.expires);
  }
  return next;
}

void Kernel::remove_ours() {
  for (std::size_t link = 0; link < links.size(); ++link) {
    const std::vector<KernelAddress> before = links[link].addresses;
    for (const KernelAddress& address : before) {
      if (address.ours) remove(static_cast<int>(link), address.prefix);
    }
  }
}

void Kernel::flush(int link, bool ipv6_only) {
  const std::vector<KernelAddress> before = links[static_cast<std::size_t>(link)].addresses;
  for (const KernelAddress& address : before) {
    if (!ipv6_only || address.prefix.address.is_ipv6()) remove(link, address.prefix);
  }
}

void Kernel::restore_own(int link) {
  for (const Prefix& prefix : links[static_cast<std::size_t>(link)].own) add(link, prefix, false, Nanos::max());
}

void Kernel::postpone_expiry(Nanos by) {
  for (KernelLink& link : links) {
    for (KernelAddress& address : link.addresses) {
      if (address.expires != Nanos::max()) address.expires += by;
    }
  }
}

void CommandQueue::push(const ports::AddressCommand& command) {
  if (command.verb != AddressVerb::kRemove) {
    commands_.push_back(command);
    return;
  }
  auto place = commands_.end();
  while (place != commands_.begin()) {
    const auto before = std::prev(place);
    if (before->verb != AddressVerb::kRefresh || before->prefix.address == command.prefix.address) break;
    place = before;
  }
  commands_.insert(place, command);
}

std::vector<ports::AddressCommand> CommandQueue::take(std::size_t most) {
  const auto count = static_cast<std::ptrdiff_t>(std::min(most, commands_.size()));
  std::vector<ports::AddressCommand> taken(commands_.begin(), commands_.begin() + count);
  commands_.erase(commands_.begin(), commands_.begin() + count);
  return taken;
}

const ports::AddressCommand* CommandQueue::last_for(ports::LinkId link, const Prefix& prefix) const {
  for (auto it = commands_.rbegin(); it != commands_.rend(); ++it) {
    if (it->link == link && it->prefix.address == prefix.address) return &*it;
  }
  return nullptr;
}

}  // namespace baton::sim
