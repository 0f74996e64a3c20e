// The addresses of an instance: wanted against what the kernel holds. Ours that is gone comes back at once; somebody
// else's is never touched; a fight is given up (design section 5, F36, F37, F46).
#include <algorithm>
#include <map>
#include <utility>

#include "base/defect.h"
#include "engine/mover.h"

namespace baton::engine {

using ports::AddressStatus;
using ports::AddressVerb;
using ports::Alarm;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t kFirstBatch = 32;  ///< so that the worker starts before the rest is written down
constexpr std::size_t kNextBatch = 256;
constexpr int kRefreshPhases = 16;  ///< instances refresh together, but not all in one turn
constexpr Nanos kSoon{1};
constexpr Nanos kLongestRetry = 60s;
constexpr Nanos kFightWindow = 60s;

}  // namespace

/// Makes the table for the plan's list. What is known of addresses that stay is kept; what is under way is asked for
/// again under its new place.
void Mover::make_vips() {
  std::map<std::pair<ports::LinkId, Prefix>, Vip> old;
  for (const Vip& vip : vips_) old.emplace(std::pair{vip.link, vip.prefix}, vip);
  drop_vip_places();
  announcer_.clear(vips_);
  vips_.clear();
  refreshes_out_ = 0;
  refresh_next_ = 0;
  for (const VipPlan& plan : plan_.vips) {
    Vip vip;
    vip.prefix = plan.prefix;
    vip.member = plan.member;
    vip.link = *context_.links.find(plan_.members[plan.member].interface);
    const auto was = old.find({vip.link, vip.prefix});
    if (was != old.end()) {
      const std::size_t member = vip.member;
      vip = was->second;
      vip.member = member;
      vip.queued = false;
      vip.refresh_ticket = 0;
      if (vip.state == VipState::kInstalling) vip.state = VipState::kAbsent;
      if (vip.state == VipState::kRemoving) {
        vip.state = VipState::kAbsent;
        vip.present = vip.ours = true;  // asked to go, not known to be gone
      }
      old.erase(was);
    }
    Link& link = context_.links[vip.link];
    const auto own = std::find_if(link.own.begin(), link.own.end(),
                                  [&](const OwnAddress& each) { return each.prefix.address == vip.prefix.address; });
    if (own != link.own.end()) {
      vip.present |= own->prefix == vip.prefix;
      link.own.erase(own);
    }
    const Vip& added = vips_.add(std::move(vip));
    link.vips.emplace(added.prefix.address, Place{id_, static_cast<std::uint32_t>(vips_.size() - 1)});
    if (!added.prefix.address.is_ipv6()) ++link.vips_v4;
  }
  for (const auto& [place, vip] : old) {
    if (vip.state == VipState::kAbsent && !(vip.present && vip.ours)) continue;
    ports::AddressCommand remove{.verb = AddressVerb::kRemove, .link = vip.link, .prefix = vip.prefix};
    remove.owner = plan_.owner();
    context_.ports.addresses.submit(remove);
  }
  choose_lifetime();
}

void Mover::choose_lifetime() {
  std::size_t busiest = 0;
  for (const Vip& vip : vips_) busiest = std::max<std::size_t>(busiest, context_.links[vip.link].vips_v4);
  lifetime_.configure(plan_.members.front().address_lifetime, busiest, plan_.owner());
}

void Mover::drop_vip_places() {
  for (const Vip& vip : vips_) {
    Link& link = context_.links[vip.link];
    const auto found = link.vips.find(vip.prefix.address);
    if (found != link.vips.end() && found->second.mover == id_) link.vips.erase(found);
    if (!vip.prefix.address.is_ipv6() && link.vips_v4 > 0) --link.vips_v4;
  }
}

std::uint64_t Mover::command(AddressVerb verb, std::uint32_t index, Instant not_after) {
  const Vip& vip = vips_[index];
  const Link& link = context_.links[vip.link];
  ports::AddressCommand command;
  command.ticket = Ticket::make(id_, index, ++context_.sequence);
  command.verb = verb;
  command.link = vip.link;
  command.prefix = vip.prefix;
  command.lifetime = lifetime_.lifetime();
  command.owner = plan_.owner();
  command.no_prefix_route = vip.prefix.address.is_ipv6() || link.covers(vip.prefix.address);
  command.not_after = not_after;
  // Only where the data goes elsewhere, too: then nothing here will ever answer those connections.
  command.end_connections = verb == AddressVerb::kRemove && moves_data();
  context_.ports.addresses.submit(command);
  return command.ticket;
}

// ---- Wanted, not wanted -------------------------------------------------------------------------------------------

void Mover::hold(Instant now) {
  if (wanted_) return;
  wanted_ = true;
  for (std::uint32_t i = 0; i < vips_.size() && BATON_DEFECT(33); ++i) {
    Announcer::announce(vips_[i], plan_.members[vips_[i].member], context_.links[vips_[i].link], context_.ports.frames);
  }
  held_reported_ = false;
  unannounced_since_.reset();
  install_next_ = 0;
  install_more(now);
  if (lifetime_.permanent()) return;
  // The phase keeps a thousand instances that moved together from refreshing in one turn.
  const Nanos phase = lifetime_.period() / kRefreshPhases;
  const Nanos grid = (now + lifetime_.period() / 2).time_since_epoch() / phase * phase;
  timers_[kRefresh] = Instant{grid + phase * static_cast<int>(id_ % (kRefreshPhases / 2))};
}

void Mover::install_more(Instant now) {
  if (!wanted_) return;
  const std::size_t batch = install_next_ == 0 ? kFirstBatch : kNextBatch;
  for (std::size_t asked = 0; install_next_ < vips_.size() && asked < batch; ++install_next_) {
    const VipState state = vips_[install_next_].state;
    if (state != VipState::kAbsent && state != VipState::kRemoving) continue;
    install(now, static_cast<std::uint32_t>(install_next_));
    ++asked;
  }
  if (install_next_ < vips_.size()) timers_[kInstall] = now + kSoon;
}

void Mover::install(Instant now, std::uint32_t index) {
  Vip& vip = vips_[index];
  vips_.set_state(vip, VipState::kInstalling);
  vip.confirmed = false;
  // Nothing queued before a freeze may run after it (design section 2).
  vip.ticket = command(AddressVerb::kInstall, index, BATON_DEFECT(34) ? kNever : now + 3 * shortest_interval_);
  touch();
}

void Mover::let_go(Instant now) {
  wanted_ = false;
  announcer_.clear(vips_);
  for (const Timer timer : {kInstall, kRefresh, kAnnounce, kRepeat, kAnnounceRefresh}) timers_[timer] = kNever;
  for (std::uint32_t i = 0; i < vips_.size(); ++i) {
    Vip& vip = vips_[i];
    vip.refresh_ticket = 0;
    vip.announcements_left = 0;
    const bool there = vip.state == VipState::kInstalling || vip.state == VipState::kInstalled;
    if (BATON_DEFECT(35) && vip.state == VipState::kInstalling) continue;
    if (there || (vip.state == VipState::kAbsent && vip.present && vip.ours)) remove(now, i);
  }
  refreshes_out_ = 0;
  touch();
}

void Mover::remove(Instant, std::uint32_t index) {
  Vip& vip = vips_[index];
  vips_.set_state(vip, VipState::kRemoving);
  vip.ticket = command(AddressVerb::kRemove, index, kNever);
  touch();
}

// ---- Answers ------------------------------------------------------------------------------------------------------

void Mover::on_result(Instant now, std::size_t index, const ports::AddressResult& result) {
  if (index >= vips_.size()) return;
  Vip& vip = vips_[index];
  if (result.verb == AddressVerb::kRefresh) {
    if (vip.refresh_ticket == result.ticket) refresh_result(now, vip, result);
  } else if (vip.ticket == result.ticket) {
    vip.ticket = 0;
    if (result.verb == AddressVerb::kInstall) {
      install_result(now, vip, result);
    } else {
      remove_result(now, vip, result);
    }
  }
  settle(now);
}

void Mover::install_result(Instant now, Vip& vip, const ports::AddressResult& result) {
  if (result.status == AddressStatus::kDone) return installed(now, index_of(vip));
  if (BATON_DEFECT(36) && result.status == AddressStatus::kForeign) return installed(now, index_of(vip));
  vips_.set_state(vip, VipState::kAbsent);
  touch();
  ports::Report report = report_about(nullptr);
  report.address = vip.prefix.address;
  report.sys_errno = result.sys_errno;
  switch (result.status) {
    case AddressStatus::kTooLate: install(now, index_of(vip)); return;
    case AddressStatus::kNoLink: timers_[kRetry] = std::min(timers_[kRetry], now + 100ms); return;
    case AddressStatus::kForeign:
      vip.foreign = true;
      facts_.address_foreign = true;
      alarm(now, Alarm::kAddressForeign, report, kForEver);
      break;
    case AddressStatus::kRefused:
    case AddressStatus::kDone:
      facts_.install_failed = true;
      alarm(now, Alarm::kInstallFailed, report, kForEver);
      break;
  }
  timers_[kRetry] = std::min(timers_[kRetry], now + retry_pause_);
  retry_pause_ = std::min(retry_pause_ * 2, Nanos{kLongestRetry});
  update_against(now);
}

void Mover::installed(Instant now, std::uint32_t index) {
  Vip& vip = vips_[index];
  vips_.set_state(vip, VipState::kInstalled);
  touch();
  const config::Instance& instance = plan_.members[vip.member];
  vip.announcements_left = static_cast<std::uint8_t>(std::max(1u, std::min(instance.announce_count, 255u)));
  announcer_.enqueue(vips_, index);
  announce_more(now);
  const Nanos pause = std::max(instance.announce_delay, Announcer::kLeastRepeatPause);
  if (vip.announcements_left > 0 || vip.queued) timers_[kRepeat] = std::min(timers_[kRepeat], now + pause);
  if (instance.announce_refresh > Nanos{0} && timers_[kAnnounceRefresh] == kNever) {
    timers_[kAnnounceRefresh] = now + instance.announce_refresh;
  }
  report_holding(now);
  report_announced(now);
}

void Mover::remove_result(Instant now, Vip& vip, const ports::AddressResult& result) {
  if (result.status == AddressStatus::kRefused) {
    timers_[kRetry] = std::min(timers_[kRetry], now + 1s);  // stays kRemoving without a ticket
    return;
  }
  vips_.set_state(vip, VipState::kAbsent);
  touch();
  if (pending_addresses() > 0) return;
  report_holding(now);
  if (releasing_ && !promotion_) {
    finish_release(now);
  } else if (stop_reason_ && group_.state() == vrrp::State::kInitialize) {
    linger_over();
  }
}

/// Causes that may have gone by themselves are forgotten: the next attempt shows whether they have.
void Mover::retry_addresses(Instant now) {
  facts_.install_failed = false;
  facts_.address_foreign = false;
  for (Vip& vip : vips_) vip.foreign = false;
  alarm_over(now, Alarm::kInstallFailed);
  alarm_over(now, Alarm::kAddressForeign);
  update_against(now);
  if (wanted_) {
    install_next_ = 0;
    install_more(now);
    return;
  }
  for (std::uint32_t i = 0; i < vips_.size(); ++i) {
    if (vips_[i].state == VipState::kRemoving && vips_[i].ticket == 0) remove(now, i);
  }
}

// ---- Refresh ------------------------------------------------------------------------------------------------------

void Mover::refresh_more(Instant now) {
  if (!wanted_ || BATON_DEFECT(37)) return;
  if (refresh_next_ == 0) {
    if (refreshes_out_ > 0) {
      // The last cycle is not done: the worker or the kernel is slow. Longer lives, and people should know.
      ports::Report report = report_about(nullptr);
      report.duration_ns = (now - refresh_began_).count();
      alarm(now, Alarm::kRefreshLate, report, 60s);
      lifetime_.late();
      refreshes_out_ = 0;
    }
    refresh_began_ = now;
  }
  for (std::size_t asked = 0; refresh_next_ < vips_.size() && asked < kNextBatch; ++refresh_next_) {
    Vip& vip = vips_[refresh_next_];
    if (vip.state != VipState::kInstalled) continue;
    vip.refresh_ticket =
        command(AddressVerb::kRefresh, static_cast<std::uint32_t>(refresh_next_), now + 3 * shortest_interval_);
    ++refreshes_out_;
    ++asked;
  }
  if (refresh_next_ < vips_.size()) {
    timers_[kRefresh] = now + 1ms;
  } else {
    refresh_next_ = 0;
    timers_[kRefresh] = lifetime_.permanent() ? kNever : std::max(now, refresh_began_ + lifetime_.period());
  }
}

void Mover::refresh_result(Instant now, Vip& vip, const ports::AddressResult& result) {
  vip.refresh_ticket = 0;
  if (refreshes_out_ > 0 && --refreshes_out_ == 0 && refresh_next_ == 0) lifetime_.measured(now - refresh_began_);
  if (result.status == AddressStatus::kDone || !wanted_ || vip.state != VipState::kInstalled) return;
  if (result.status == AddressStatus::kTooLate) {
    // A little late is not lost: at once again, ahead of the next cycle.
    vip.refresh_ticket = command(AddressVerb::kRefresh, index_of(vip), now + lifetime_.period());
    ++refreshes_out_;
  } else {
    install(now, index_of(vip));  // gone, or not ours any more: the answer tells which
  }
}

// ---- What the kernel says -----------------------------------------------------------------------------------------

void Mover::on_vip_fact(Instant now, std::size_t index, const ports::AddressFact& fact) {
  if (index >= vips_.size()) return;
  Vip& vip = vips_[index];
  // IPv4 knows one address with several prefix lengths; another one than ours is a stray, too.
  const bool exact = vip.prefix == fact.prefix;
  if (exact) {
    vip.present = fact.present;
    vip.ours = fact.present && fact.ours;
    vip.in_dump = fact.present;
  }
  ports::Report report = report_about(nullptr);
  report.address = vip.prefix.address;
  if (!fact.present) {
    alarm_over(now, Alarm::kStrayAddress);
    if (vip.foreign) retry_addresses(now);
    if (exact && wanted_ && vip.state == VipState::kInstalled && vip.confirmed) gone(now, vip);
  } else if (fact.ours || plan_.owner()) {
    if (!exact) return;
    vip.confirmed |= vip.state == VipState::kInstalled || vip.state == VipState::kInstalling;
    if (!wanted_ && vip.state == VipState::kAbsent && !plan_.owner()) remove(now, static_cast<std::uint32_t>(index));
  } else if (!wanted_) {
    alarm(now, Alarm::kStrayAddress, report, kForEver);  // F37: untouched
  } else if (exact && vip.state == VipState::kInstalled && vip.confirmed) {
    gone(now, vip);  // replaced by somebody's own
  }
  settle(now);
}

/// F36: somebody took it away. Back at once, with an announcement; five times in a minute is a fight.
void Mover::gone(Instant now, Vip& vip) {
  vips_.set_state(vip, VipState::kAbsent);
  vip.confirmed = false;
  // A link that is going away takes its addresses with it; that is no fight, and on_link() follows.
  const Link& link = context_.links[vip.link];
  if (!link.state.present || !link.state.up) return;
  ++context_.counters.addresses_taken;
  count_gone(now, vip);
  if (wanted_ && !BATON_DEFECT(38)) install(now, index_of(vip));
}

void Mover::count_gone(Instant now, const Vip& vip) {
  // One flush takes all addresses: that counts once.
  const Instant last = gone_[(gone_next_ + gone_.size() - 1) % gone_.size()];
  if (last != Instant::min() && now - last < 10ms) return;
  gone_[gone_next_] = now;
  gone_next_ = (gone_next_ + 1) % gone_.size();
  if (gone_[gone_next_] == Instant::min() || now - gone_[gone_next_] > kFightWindow) return;
  gone_.fill(Instant::min());
  ports::Report report = report_about(nullptr);
  report.address = vip.prefix.address;
  report.other_mac = rival_mac_;
  const Nanos cooldown = std::max(plan_.election().cooldown, Nanos{1s});
  alarm(now, Alarm::kAddressFight, report, cooldown);
  facts_.address_fight = true;
  timers_[kCooldownOver] = now + cooldown;
  update_against(now);
}

void Mover::on_dump_begin() {
  for (Vip& vip : vips_) vip.in_dump = false;
}

void Mover::on_dump_end(Instant now) {
  const bool adopted = std::exchange(adopting_, false);
  for (std::uint32_t i = 0; i < vips_.size(); ++i) {
    Vip& vip = vips_[i];
    if (vip.in_dump || BATON_DEFECT(39)) continue;
    if (adopted && vip.state == VipState::kInstalled && wanted_) {
      install(now, i);  // the predecessor had claimed it, but never got it, or it died of age meanwhile
    } else if (vip.state == VipState::kInstalled && wanted_) {
      vip.confirmed = true;
      on_vip_fact(now, i, {.link = vip.link, .prefix = vip.prefix, .present = false});
    } else if (vip.present) {
      on_vip_fact(now, i, {.link = vip.link, .prefix = vip.prefix, .present = false});
    }
  }
  settle(now);
}

// ---- Announcing again ---------------------------------------------------------------------------------------------

void Mover::announce_more(Instant now) {
  timers_[kAnnounce] = announcer_.pump(now, vips_, plan_.members, context_.links, context_.ports.frames);
  report_announced(now);
}

void Mover::repeat_announcements(Instant now, bool refresh) {
  if (!wanted_) return;
  bool more = false;
  for (std::uint32_t i = 0; i < vips_.size(); ++i) {
    Vip& vip = vips_[i];
    if (vip.state != VipState::kInstalled) continue;
    if (refresh && vip.announcements_left == 0) vip.announcements_left = 1;
    if (vip.announcements_left == 0) continue;
    announcer_.enqueue(vips_, i);
    more |= vip.announcements_left > 1;
  }
  const config::Instance& first = plan_.members.front();
  if (refresh && first.announce_refresh > Nanos{0}) timers_[kAnnounceRefresh] = now + first.announce_refresh;
  if (more) timers_[kRepeat] = now + std::max(first.announce_delay, Announcer::kLeastRepeatPause);
  announce_more(now);
}

/// Somebody else announces an address that we hold: say again where it is, at most once a second.
void Mover::on_claim(Instant now, std::size_t index, const vrrp::AddressClaim& claim) {
  if (index >= vips_.size() || !wanted_ || !claim.announces) return;
  Vip& vip = vips_[index];
  const Link& link = context_.links[vip.link];
  if (vip.state != VipState::kInstalled || claim.owner == link.state.mac) return;
  rival_mac_ = claim.owner;
  ports::Report report = report_about(nullptr);
  report.address = vip.prefix.address;
  report.other_mac = claim.owner;
  alarm(now, Alarm::kRival, report, 60s);
  claims_beside_us(now, claim.owner);
  if (vip.reannounced == Instant{} || now - vip.reannounced >= 1s) {
    vip.reannounced = now;
    Announcer::announce(vip, plan_.members[vip.member], link, context_.ports.frames);
  }
  settle(now);
}

}  // namespace baton::engine
