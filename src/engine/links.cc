#include "engine/links.h"

#include <algorithm>

namespace baton::engine {

bool Link::covers(const IpAddress& vip) const {
  return std::any_of(own.begin(), own.end(), [&](const OwnAddress& each) {
    return each.prefix.address.family() == vip.family() && each.prefix.length < vip.max_prefix() &&
           each.prefix.contains(vip);
  });
}

ports::LinkId LinkTable::acquire(const std::string& name) {
  if (const auto found = find(name)) return *found;
  const auto free = std::find(links_.begin(), links_.end(), nullptr);
  const auto id = static_cast<ports::LinkId>(free - links_.begin());
  if (free == links_.end()) links_.emplace_back();
  links_[id] = std::make_unique<Link>();
  links_[id]->name = name;
  return id;
}

std::optional<ports::LinkId> LinkTable::find(const std::string& name) const {
  for (std::size_t id = 0; id < links_.size(); ++id) {
    if (links_[id] && links_[id]->name == name) return static_cast<ports::LinkId>(id);
  }
  return std::nullopt;
}

void LinkTable::release(ports::LinkId id) { links_[id].reset(); }

bool note_own(Link& link, const ports::AddressFact& fact) {
  const auto found = std::find_if(link.own.begin(), link.own.end(),
                                  [&](const OwnAddress& each) { return each.prefix == fact.prefix; });
  if (!fact.present) {
    if (found == link.own.end()) return false;
    link.own.erase(found);
    return true;
  }
  const bool usable = !fact.tentative && !fact.dad_failed;
  if (found != link.own.end()) {
    found->seen = true;
    if (found->usable == usable) return false;
    found->usable = usable;
    return true;
  }
  if (link.own.size() >= Link::kOwnLimit) return false;
  link.own.push_back({fact.prefix, usable, true});
  return true;
}

}  // namespace baton::engine
